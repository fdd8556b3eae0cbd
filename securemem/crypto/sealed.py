"""SealedBytes: more secrets than can be locked. Each lies encrypted in ordinary memory and is opened into a slot.

The key is made in this process, lives in an arena of its own and never leaves it, so a sealed secret can be neither
stored nor sent. AES-256-GCM (NIST SP 800-38D) under nonces that count up: none comes twice.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from securemem._binding.memory import wipe
from securemem.arenas import Arena
from securemem.crypto._ciphers import algorithm_named
from securemem.crypto._workspace import check_secret
from securemem.exceptions import ForkedError, SizeError, SourceError, WipedError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import NoReturn, Self

    from typing_extensions import Buffer

__all__ = ["SealedBytes"]

_ALGORITHM: Final = algorithm_named("AES-256-GCM")
_OVERHEAD = _ALGORITHM.nonce_size + _ALGORITHM.overhead


class _ProcessKey:
    """The key of one process, and the nonces not yet used with it; next() on a count is one step for all threads."""

    __slots__ = ("nonces", "secret")

    def __init__(self) -> None:
        self.secret = SecureBytes.random(_ALGORITHM.key_size, arena=Arena(at_rest="readwrite"))
        self.nonces: Iterator[int] = count()

    def usable(self) -> bool:
        try:
            return not self.secret.wiped
        except ForkedError:
            return False


_current: _ProcessKey | None = None


def _process_key() -> _ProcessKey:
    """The key in use, or a new one: at first, in a forked child, and when purge() wiped the old one.

    Two threads may each make one at once: each secret keeps the key that it was sealed with.
    """
    global _current  # noqa: PLW0603 - one key for the process
    key = _current
    if key is None or not key.usable():
        key = _current = _ProcessKey()
    return key


class SealedBytes:
    """A secret encrypted in ordinary memory, under a key of this process that is locked in an arena.

    Made by take(), copy_of() or seal(). `with sealed.open() as secret:` gives a SecureBytes for the length of the
    statement. As many can live as RAM holds; only those open at one moment need memory that is locked. One secret may
    be swapped out or dumped, but not read there: the key is in neither. securemem.purge() wipes the key, after which
    none sealed before can be opened; in a forked child none of the parent's can.

    It costs its length, 28 bytes and the Python object; its length is no secret.
    """

    __slots__ = ("__weakref__", "_box", "_key")
    _box: bytes | None
    _key: _ProcessKey

    def __new__(cls) -> Self:
        """Refuse: there is no secret yet."""
        raise TypeError("make one with SealedBytes.take(), copy_of() or seal()")

    @classmethod
    def _sealed(cls, source: Buffer) -> Self:
        key = _process_key()
        nonce = next(key.nonces).to_bytes(_ALGORITHM.nonce_size, "big")
        self = object.__new__(cls)
        self._key = key
        self._box = _ALGORITHM.cipher.seal(key.secret, nonce, nonce, source, b"")
        return self

    @classmethod
    def seal(cls, secret: SecureBytes) -> Self:
        """Seal what a SecureBytes holds, and leave that as it is.

        Raises WipedError or ForkedError when it cannot be read.
        """
        check_secret(secret, "the secret")
        return cls._sealed(secret)

    @classmethod
    def copy_of(cls, source: Buffer) -> Self:
        """Seal the bytes of a contiguous buffer, which is left as it is.

        Raises SizeError when it is empty, SourceError when it is in pieces, TypeError for what is not bytes-like.
        """
        self = cls._sealed(source)
        if len(self) == 0:
            raise SizeError("a secret has at least one byte: give a source of one byte or more")
        return self

    @classmethod
    def take(cls, source: Buffer) -> Self:
        """Seal the bytes of a writable, contiguous buffer, which is wiped once they are sealed.

        Raises SourceError when it is in pieces or cannot be written to, SizeError when it is empty.
        """
        if type(source) is SecureBytes:
            raise SourceError("take() takes other buffers: use seal() for a SecureBytes, and wipe it then")
        self = cls.copy_of(source)
        try:
            wipe(source)
        except TypeError:
            read_only = True
        else:
            read_only = False
        if read_only:
            raise SourceError("take() wipes the buffer, which must be writable: use copy_of() for a read-only one")
        return self

    def open(self, *, arena: Arena | None = None) -> SecureBytes:
        """A SecureBytes with the secret, in the given arena or the default one; wipe it, or use it in a with statement.

        Raises WipedError after wipe() or purge(), ForkedError in a forked child, and DecryptionError where the
        ordinary memory was overwritten.
        """
        box = self._box
        if box is None:
            raise WipedError("the secret was wiped: it cannot be used any more")
        nonce = box[: _ALGORITHM.nonce_size]
        return _ALGORITHM.cipher.open(self._key.secret, len(nonce), nonce, box, b"", arena)

    @property
    def wiped(self) -> bool:
        """Whether wipe() was called."""
        return self._box is None

    def wipe(self) -> None:
        """Forget the ciphertext; may be called again."""
        self._box = None

    def __len__(self) -> int:
        """The length of the secret in bytes; WipedError after wipe()."""
        if self._box is None:
            raise WipedError("the secret was wiped: it has no length any more")
        return len(self._box) - _OVERHEAD

    def __bool__(self) -> bool:
        """True: a secret is never empty."""
        return True

    def __enter__(self) -> Self:
        """Return the sealed secret itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Wipe it."""
        self.wipe()

    def __repr__(self) -> str:
        """Tell the length, and nothing of the secret."""
        return "<SealedBytes: wiped>" if self._box is None else f"<SealedBytes: {len(self)} bytes>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a SealedBytes cannot be pickled or copied: its key is in this process only; open() it")
