"""A key-encryption key from a file, such as one on a device that is plugged in, or that only a service may read."""

from __future__ import annotations

import errno
import os

from securemem import doors
from securemem._binding.operations import operate
from securemem.crypto._workspace import check_secret
from securemem.crypto.aead import Key
from securemem.exceptions import StoreExistsError
from securemem.keystore._header import not_decrypted
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from securemem._types import Scope

__all__ = ["KeyFile"]

_MAGIC = b"smk\x01"
_SIZE = 32


class KeyFile:
    """A file of 32 random bytes that wraps and unwraps the root key of a store; it is read anew for each use.

    path: of the file, which must be the user's own, and of mode 0600 or less.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)

    @classmethod
    def generate(cls, path: str | os.PathLike[str]) -> KeyFile:
        """Make the file, of mode 0600, with a new random key.

        Raises StoreExistsError where there is a file, OSError as files do.
        """
        operate(0, _generate, os.fsdecode(path))
        return cls(path)

    def _read(self) -> SecureBytes:
        key = doors.read_file(self._path, max_length=_SIZE)
        check_secret(key, "the file of a key-encryption key", (_SIZE,))
        return key

    def wrap(self, key: SecureBytes, context: bytes) -> bytes:
        """Encrypt a key under that in the file.

        Raises what doors.read_file() raises, and SizeError where the file has not 32 bytes.
        """
        return operate(0, self._wrap, key, context)

    def _wrap(self, _scope: Scope, key: SecureBytes, context: bytes) -> bytes:
        with self._read() as own:
            return _MAGIC + Key(own).encrypt(key, _MAGIC + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:
        """Decrypt what wrap() gave; DecryptionError for another file or context, and else as wrap()."""
        return operate(0, self._unwrap, wrapped, context)

    def _unwrap(self, _scope: Scope, wrapped: bytes, context: bytes) -> SecureBytes:
        if not wrapped.startswith(_MAGIC):
            raise not_decrypted()
        with self._read() as own:
            return Key(own).decrypt(memoryview(wrapped)[len(_MAGIC) :], _MAGIC + context)

    def __repr__(self) -> str:
        """Tell the path."""
        return f"<KeyFile: {self._path}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a KeyFile cannot be pickled or copied: make another one of its path")


def _generate(scope: Scope, path: str) -> None:
    """The file gets its name once it is whole."""
    name = f"{path}.{os.urandom(8).hex()}.new"
    scope.at_end((os.unlink, name))
    flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC
    file = scope.acquire(os.close, os.open, name, flags, 0o600)
    with SecureBytes.random(_SIZE) as key:
        doors.write_fd(file, key)
    os.fsync(file)
    try:
        os.link(name, path, follow_symlinks=False)
    except FileExistsError:
        raise StoreExistsError(errno.EEXIST, "there is a file already: choose another path", path) from None
