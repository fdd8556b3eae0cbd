"""A KeyHandle names a key and never holds it: what it does is done where the key lies."""

from __future__ import annotations

import os

from securemem._binding.gates import transfer
from securemem._binding.memory import bytes_of
from securemem._binding.operations import operate
from securemem.exceptions import KeyPolicyError, SizeError
from securemem.keystore import _boxes, _changes, _codes, _lending, _streams
from securemem.keystore.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, TypeVar

    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena
    from securemem.keystore._algorithms import KeyAlgorithmName
    from securemem.keystore._gate import Keeper
    from securemem.keystore._pump import Source, Target
    from securemem.keystore._stored import StoredKey, Version, VersionInfo
    from securemem.keystore.policy import Policy
    from securemem.secure_bytes import SecureBytes

    Progress = Callable[[int], None] | None
    R = TypeVar("R")

__all__ = ["KeyHandle", "stored_key"]


class KeyHandle:
    """A key of a store, by its name; had from `store[name]` or from what made the key.

    Every use raises StoreLockedError while the store is locked, KeyNotFoundError when the key was deleted,
    KeyPolicyError when the policy or the state of the version forbids it (it says which rule), KeyExhaustedError when
    the algorithm's nonces run out, and TypeError, WipedError or ForkedError when data cannot be read.

    context: bytes that say what the data is and for whom; the same are needed to read it. They are no secret, are not
    in the result, and are bound to it together with the key's id and algorithm.
    """

    __slots__ = ("_keeper", "_key")

    def __init__(self, key: StoredKey, keeper: Keeper) -> None:
        self._key = key
        self._keeper = keeper

    # What it is

    @property
    def name(self) -> str:
        """The name."""
        return self._key.name

    @property
    def algorithm(self) -> KeyAlgorithmName:
        """The name of the algorithm."""
        return self._key.algorithm.name

    @property
    def policy(self) -> Policy:
        """The rules of the key."""
        return self._key.policy

    @property
    def versions(self) -> tuple[VersionInfo, ...]:
        """All versions, the first first; can be asked of a locked store too."""
        self._key.contents.refresh()
        return tuple(version.info() for version in self._key.versions)

    def public_key(self, version: int | None = None) -> bytes:
        """The public key of the primary or the given version; can be asked of a locked store too.

        Raises KeyPolicyError where there is none, KeyNotFoundError for a version that does not exist.
        """
        key = self._key
        key.contents.refresh()
        found = key.primary if version is None else key.numbered(version)
        if key.algorithm.public_key is None:
            raise KeyPolicyError(f"key {key.name!r} has no public key: it is for {key.algorithm.name}")
        if not found.facts.public:
            raise KeyPolicyError(f"key {key.name!r} has no primary version: name one")
        return found.facts.public

    # Encryption

    def encrypt(self, data: Buffer, context: bytes = b"") -> bytes:
        """Encrypt and authenticate data into a box, which only this key opens.

        The documentation's page "Box format" has the box byte by byte.
        """
        primary = self._key.primary
        try:
            return self._key.use(_boxes.encrypt, primary, data, context)
        except KeyPolicyError:
            if primary is self._key.primary:
                raise
        return self.encrypt(data, context)  # another thread rotated the key meanwhile

    def encrypt_into(self, data: Buffer, out: Buffer, context: bytes = b"") -> None:
        """Encrypt into a writable buffer of exactly len(data) + overhead bytes, which must not overlap data.

        Raises SizeError for another size.
        """
        primary = self._key.primary
        try:
            self._key.use(_boxes.encrypt_into, primary, data, out, context)
        except KeyPolicyError:
            if primary is self._key.primary:
                raise
            self.encrypt_into(data, out, context)  # another thread rotated the key meanwhile

    @property
    def overhead(self) -> int:
        """How many bytes a box has more than its plaintext. Raises KeyPolicyError for a key that makes no boxes."""
        if self._key.algorithm.cipher is None:
            raise KeyPolicyError(f"key {self.name!r} makes no boxes: it is for {self.algorithm}")
        return _boxes.overhead(self._key.primary)

    def decrypt(self, box: Buffer, context: bytes = b"", *, arena: Arena | None = None) -> SecureBytes:
        """Decrypt a box into a new SecureBytes, in the given arena or the default one.

        Raises DecryptionError, always with the same message, for another key or context, or a box that was changed;
        SizeError when the plaintext is empty, as no secret is: decrypt_into() takes an empty buffer.
        """
        key = self._key
        return key.use(_boxes.decrypt, _boxes.version_of(key, box), box, context, arena)

    def decrypt_into(self, box: Buffer, out: Buffer, context: bytes = b"") -> None:
        """Decrypt into a writable buffer of exactly len(box) - overhead bytes, which must not overlap the box.

        Raises DecryptionError as decrypt(), out being wiped; SizeError for another size.
        """
        key = self._key
        key.use(_boxes.decrypt_into, _boxes.version_of(key, box), box, out, context)

    def needs_rewrap(self, box: Buffer) -> bool:
        """Whether a box was made by another version than the primary; DecryptionError if by none of this key."""
        return _boxes.version_of(self._key, box) is not self._key.primary

    def rewrap(self, box: Buffer, context: bytes = b"") -> bytes:
        """Decrypt a box and encrypt its plaintext, under the same context, into a box of the primary version.

        The plaintext is in clear in locked memory only.

        Raises as decrypt() and encrypt().
        """
        return operate(0, self._rewrap, box, context)

    def _rewrap(self, _scope: Scope, box: Buffer, context: bytes) -> bytes:
        try:
            plaintext = self.decrypt(box, context)
        except SizeError:
            self.decrypt_into(box, bytearray(), context)
            return self.encrypt(b"", context)
        return self.encrypt(plaintext, context)

    def session(self) -> Session:
        """The primary version made ready for a hot loop; see Session for its price."""
        return self._key.use(_boxes.keep, self._key.primary, Session, self._keeper)

    # Streams and files

    def encrypt_stream(self, source: Source, target: Target, context: bytes = b"", progress: Progress = None) -> int:
        """Encrypt all that source.readinto() gives into target.write(); the bytes written after the header.

        The header has 88 bytes, and each chunk of 64 KiB 16 more. Plaintext is in locked memory here; whether it is
        elsewhere too, the source decides.

        progress: called with the bytes written so far after each chunk. Raises also what source, target and progress
        raise; BlockingIOError where one of the former does not block.
        """
        return _streams.encrypt(source, target, self._key, context, progress)

    def decrypt_stream(self, source: Source, target: Target, context: bytes = b"", progress: Progress = None) -> int:
        """Decrypt what encrypt_stream() wrote; the bytes of plaintext.

        Chunks go out before the end is known: each is authentic and in its place, but only when this returns is the
        stream known to be whole. Throw away what was written when it raises, or use decrypt_file(), which does.

        Raises DecryptionError for another key or context, and for a stream that was changed, cut, or added to.
        """
        return _streams.decrypt(source, target, self._key, context, progress)

    def encrypt_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        context: bytes = b"",
        progress: Progress = None,
    ) -> int:
        """Encrypt a file into another of mode 0600, which appears, or replaces one, when it is whole.

        On any failure nothing is left behind. Otherwise as encrypt_stream(); raises OSError as files do.
        """
        return transfer(_path(source), _path(target), _streams.encrypt, self._key, context, progress)

    def decrypt_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        context: bytes = b"",
        progress: Progress = None,
    ) -> int:
        """Decrypt a file into another of mode 0600, which appears, or replaces one, when all of it is authentic.

        On any failure nothing is left behind. Otherwise as decrypt_stream(); raises OSError as files do.
        """
        return transfer(_path(source), _path(target), _streams.decrypt, self._key, context, progress)

    # Authentication, signatures, agreement, wrapping

    def _readers(self, work: Callable[..., object]) -> list[Version]:
        """The versions that may check something, the primary first; that alone where none may, which says why."""
        key = self._key
        key.contents.refresh()
        usable = [one for one in key.versions if one is not key.primary and one.may(work)]
        return [key.primary, *usable] if key.primary.may(work) or not usable else usable

    def mac(self, data: Buffer) -> bytes:
        """The HMAC of data: 32, 48 or 64 bytes."""
        return self._key.use(_codes.mac, self._key.primary, data)

    def verify_mac(self, data: Buffer, code: Buffer) -> None:
        """Check a code against the primary and active versions; VerificationError when it is none of theirs."""
        self._key.contents.use_any(_codes.verify_mac, self._readers(_codes.verify_mac), data, code)

    def sign(self, data: Buffer) -> bytes:
        """The signature of data, by the key's algorithm; `securemem.crypto.signing` has its forms and lengths."""
        return self._key.use(_codes.sign, self._key.primary, data)

    def verify(self, data: Buffer, signature: Buffer) -> None:
        """Check a signature against the primary and active versions; VerificationError when it is none of theirs."""
        self._key.contents.use_any(_codes.verify, self._readers(_codes.verify), data, signature)

    def agree(
        self,
        peer: Buffer,
        context: bytes = b"",
        *,
        length: int = 32,
        version: int | None = None,
        arena: Arena | None = None,
    ) -> SecureBytes:
        """A key of length bytes shared with the owner of a public key: by the key's algorithm, then HKDF-SHA-256.

        Both sides get the same one for the same context; it is bound to both public keys. version: an active one
        instead of the primary. store.import_key() takes the result.

        Raises SizeError for a public key or length of another size, PeerKeyError for a public key of low order.
        """
        chosen = self._key.primary if version is None else self._key.numbered(version)
        public = bytes_of(peer, "the peer's public key")
        return self._key.use(_codes.agree, chosen, public, context, length, arena)

    def wrap(self, other: KeyHandle, context: bytes = b"") -> bytes:
        """Encrypt the primary version of another key, of this or another store, for KeyStore.unwrap().

        Raises KeyPolicyError too when the other key is not extractable.
        """
        return _lending.lend(stored_key(other), "wrapped", None, _lending.wrap, self._key, context)

    # Versions

    def rotate(self, *, pending: bool = False) -> VersionInfo:
        """Make a new random version: at once primary, the former one active, or pending until it is promoted.

        Old boxes are read until their version is disabled or destroyed. Raises StoreLockedError, KeyNotFoundError, and
        CapacityError where no memory can be locked; as all that follow.
        """
        return self._change("rotate", _changes.rotate, pending)

    def _change(self, operation: str, work: Callable[..., R], *args: object) -> R:
        return self._key.contents.change(operation, self.name, work, self._key, *args)

    def promote(self, version: int) -> None:
        """Make a pending or active version primary, and the primary one active; KeyPolicyError for another state."""
        self._change("promote", _changes.promote, version)

    def disable(self, version: int) -> None:
        """Take a version out of use until enable(); a key whose primary it is has none until one is promoted."""
        self._change("disable", _changes.disable, version)

    def enable(self, version: int) -> None:
        """Make a disabled version active; KeyPolicyError for another state."""
        self._change("enable", _changes.enable, version)

    def destroy(self, version: int) -> None:
        """Wipe the key of a version and forget its sealed form: what only it could read is lost. May be repeated."""
        self._change("destroy", _changes.destroy, version)

    def forbid_extraction(self) -> None:
        """Take extractability away from the key, for ever."""
        self._change("forbid_extraction", _changes.forbid_extraction)

    # The rest

    def __eq__(self, other: object) -> bool:
        """Whether both name the same key of the same store."""
        return isinstance(other, KeyHandle) and other._key is self._key

    def __hash__(self) -> int:
        """By the key that is named."""
        return id(self._key)

    def __repr__(self) -> str:
        """Name, algorithm and states; nothing of the key."""
        states = ", ".join(f"{version.facts.number} {version.state}" for version in self._key.versions)
        gone = ", deleted" if self._key.gone else ""
        return f"<KeyHandle {self.name!r}: {self.algorithm}, versions {states}{gone}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a KeyHandle cannot be pickled or copied: it names a key of a store in this process")


def stored_key(handle: KeyHandle) -> StoredKey:
    """The key that a handle names, for this package; TypeError for what is no handle."""
    if not isinstance(handle, KeyHandle):
        raise TypeError(f"a KeyHandle is needed, such as store[name] gives, not {type(handle).__name__}")
    return handle._key  # noqa: SLF001 - the one way to it


def _path(path: str | os.PathLike[str]) -> str:
    found = os.fspath(path)
    if not isinstance(found, str):
        raise TypeError(f"a path is a str or a PathLike that gives one, not {type(found).__name__}")
    return found
