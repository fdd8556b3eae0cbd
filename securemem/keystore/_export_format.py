"""The file of exported records: sealed pieces under a key of its own, which a passphrase or a public key opens.

docs/reference/export-format.md has each byte.
"""

from __future__ import annotations

from os import urandom

from securemem.crypto import agreement
from securemem.crypto.aead import Key
from securemem.exceptions import (
    DecryptionError,
    ForeignFileError,
    InvalidArgumentError,
    NewerFormatError,
    SizeError,
    StoreTamperedError,
    WrongKeyEncryptionKeyError,
)
from securemem.keystore._codes import agreed
from securemem.keystore.handle import KeyHandle
from securemem.keystore.kek._checks import wrapped_by
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Protocol

    from typing_extensions import Buffer

    from securemem.keystore.kek import KeyEncryptionKey

    class Writer(Protocol):
        """What pieces are written to."""

        def write(self, data: Buffer, /) -> int: ...


__all__ = ["END", "Pieces", "Reading", "begin", "damaged", "open_file"]

END = 0  # the first byte of the last piece; those of others are the kinds of entries
_MAGIC = b"smx"
_FORMAT = 1
_WRAPPED, _AGREED = 1, 2  # what opens the file
_ID = 16
_HEAD = len(_MAGIC) + 2 + _ID + 4
_KEY = 32
_LONGEST_OPENER = 2**16
_LONGEST_PIECE = 2**20 + 2**18


def damaged() -> StoreTamperedError:
    """What is raised for a file that is not as it was written."""
    return StoreTamperedError(
        "the file of exported records is damaged, cut off, or was changed: nothing is taken of it"
    )


def _binding(identity: bytes, number: int) -> bytes:
    return b"securemem export piece 1" + identity + number.to_bytes(8, "big")


class Pieces:
    """Seals one piece after the other, and writes it."""

    __slots__ = ("_identity", "_key", "_number", "_target")

    def __init__(self, key: SecureBytes, identity: bytes, target: Writer) -> None:
        self._key = Key(key)
        self._identity = identity
        self._number = 0
        self._target = target

    def write(self, plain: Buffer) -> None:
        """Seal a piece, in its place."""
        sealed = self._key.encrypt(plain, _binding(self._identity, self._number))
        self._number += 1
        _write_all(self._target, len(sealed).to_bytes(4, "big") + sealed)


def _write_all(target: Writer, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]


def begin(to: KeyEncryptionKey | bytes) -> tuple[bytes, bytes, SecureBytes]:
    """The head of a file that `to` opens, the file's identity, and its key."""
    identity = urandom(_ID)
    context = b"securemem export 1" + identity
    if isinstance(to, bytes):
        if len(to) != _KEY:
            raise SizeError(f"the public key of an X25519 key has {_KEY} bytes, not {len(to)}")
        with agreement.x25519_generate() as own:
            public = agreement.x25519_public_key(own)
            kind, opener, key = _AGREED, public + to, agreed(own, public, to, context, _KEY, None)
    else:
        key = SecureBytes.random(_KEY)
        kind, opener = _WRAPPED, wrapped_by(to, key, context)
        if len(opener) > _LONGEST_OPENER:
            raise InvalidArgumentError(f"wrap() of the key-encryption key gave more than {_LONGEST_OPENER} bytes")
    head = _MAGIC + bytes((_FORMAT, kind)) + identity + len(opener).to_bytes(4, "big") + opener
    return head, identity, key


class Reading:
    """Opens one piece after the other, each in its place. Raises StoreTamperedError for what is not as it was."""

    __slots__ = ("_identity", "_key", "_number", "_source")

    def __init__(self, key: SecureBytes, identity: bytes, source: BinaryIO) -> None:
        self._key = Key(key)
        self._identity = identity
        self._number = 0
        self._source = source

    def next(self) -> SecureBytes:
        """The next piece in clear."""
        size = int.from_bytes(_exactly(self._source, 4), "big")
        if not self._key.overhead < size <= _LONGEST_PIECE:
            raise damaged()
        sealed = _exactly(self._source, size)
        try:
            plain = self._key.decrypt(sealed, _binding(self._identity, self._number))
        except DecryptionError:
            pass
        else:
            self._number += 1
            return plain
        raise damaged()

    def check_end(self) -> None:
        """StoreTamperedError where something follows."""
        if self._source.read(1):
            raise damaged()


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise damaged()
    return data


def open_file(source: BinaryIO, by: KeyEncryptionKey | KeyHandle) -> Reading:
    """The pieces of a file, opened by a key-encryption key or a key for X25519.

    Raises ForeignFileError, NewerFormatError, StoreTamperedError, and WrongKeyEncryptionKeyError where it is not for
    that key, DecryptionError besides for another kind of key than the file is for.
    """
    head = source.read(_HEAD)
    if len(head) != _HEAD or not head.startswith(_MAGIC):
        raise ForeignFileError("this is no file of exported records")
    number, kind = head[len(_MAGIC)], head[len(_MAGIC) + 1]
    if number != _FORMAT or kind not in {_WRAPPED, _AGREED}:
        raise NewerFormatError(
            "a later version of securemem exported these records: use that one, or a later one, to import them"
        )
    identity, size = head[len(_MAGIC) + 2 : -4], int.from_bytes(head[-4:], "big")
    if not 0 < size <= _LONGEST_OPENER:
        raise damaged()
    return Reading(_opened(kind, _exactly(source, size), by, b"securemem export 1" + identity), identity, source)


def _opened(kind: int, opener: bytes, by: KeyEncryptionKey | KeyHandle, context: bytes) -> SecureBytes:
    if isinstance(by, KeyHandle):
        if kind != _AGREED:
            raise WrongKeyEncryptionKeyError("these records were exported for a passphrase or key file, not for a key")
        return _opened_by_key(opener, by, context)
    if kind != _WRAPPED:
        raise WrongKeyEncryptionKeyError("these records were exported for a public key: give the key whose it is")
    try:
        key = by.unwrap(opener, context)
    except DecryptionError:
        key = None
    if key is None or len(key) != _KEY:
        what = (
            "the passphrase is wrong" if type(by).__name__ == "Passphrase" else "this key-encryption key does not fit"
        )
        raise WrongKeyEncryptionKeyError(f"{what}: it does not open the exported records")
    return key


def _opened_by_key(opener: bytes, by: KeyHandle, context: bytes) -> SecureBytes:
    if len(opener) != 2 * _KEY:
        raise damaged()
    for version in by.versions:
        if version.public_key == opener[_KEY:]:
            return by.agree(opener[:_KEY], context, version=version.number)
    raise WrongKeyEncryptionKeyError(f"these records were exported for another public key than those of {by.name!r}")
