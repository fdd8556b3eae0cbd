"""`hmac.new` with a key in locked memory: the standard library's refuses one that is not bytes or bytearray."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from securemem._binding.operations import operate
from securemem.doors import concat
from securemem.exceptions import InvalidArgumentError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope

__all__ = ["Hmac", "hmac_new"]

_DEPTH = 64 * 1024
_INNER, _OUTER = 0x36, 0x5C


def _start(scope: Scope, key: Buffer, name: str) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Two hashes that have read the key, with the inner and the outer pad."""
    inner, outer = hashlib.new(name), hashlib.new(name)
    size = inner.block_size
    view = scope.read(key, "the key")
    short: Buffer = key
    if len(view) > size:
        hashed = hashlib.new(name, view)
        short = key[: hashed.digest_size] if isinstance(key, SecureBytes) else SecureBytes.zeros(hashed.digest_size)
        scope.receive(scope.write(short, "the pad"), hashed.digest)
    padded = concat(short, bytes(size - len(scope.read(short, "the key"))))  # where the key lies, over forks too
    target = scope.write(padded, "the pad")
    for hasher, pad in ((inner, _INNER), (outer, _OUTER)):
        for at in range(size):
            target[at] = target[at] ^ pad
        hasher.update(target)
        for at in range(size):
            target[at] = target[at] ^ pad
    return inner, outer


class Hmac:
    """A message authentication code in progress, as hmac.new gives one: update, digest, hexdigest, copy.

    The hashes' states, from which codes can be made but not the key, lie in ordinary memory while it lives.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, inner: hashlib._Hash, outer: hashlib._Hash) -> None:
        self._inner, self._outer = inner, outer

    @property
    def name(self) -> str:
        """Such as "hmac-sha256"."""
        return f"hmac-{self._inner.name}"

    @property
    def digest_size(self) -> int:
        """Bytes of the code."""
        return self._inner.digest_size

    @property
    def block_size(self) -> int:
        """Bytes of a block of the hash."""
        return self._inner.block_size

    def update(self, msg: Buffer) -> None:
        """Read more of the message."""
        self._inner.update(msg)

    def copy(self) -> Hmac:
        """Another one that goes on from here."""
        return Hmac(self._inner.copy(), self._outer.copy())

    def digest(self) -> bytes:
        """The code of what was read so far."""
        outer = self._outer.copy()
        outer.update(self._inner.digest())
        return outer.digest()

    def hexdigest(self) -> str:
        """The code as hex digits."""
        return self.digest().hex()


def hmac_new(key: Buffer, msg: Buffer | None = None, digestmod: str = "") -> Hmac:
    """Begin a message authentication code under a key that stays where it is.

    For a whole message at once, the standard library's hmac.digest takes a SecureBytes itself.

    key: a SecureBytes or another bytes-like object. msg: the first part of the message. digestmod: the name of a hash,
    such as "sha256".

    Raises InvalidArgumentError for a hash that does not exist, and WipedError. Source: RFC 2104.
    """
    if digestmod not in hashlib.algorithms_available or digestmod.startswith("shake"):
        raise InvalidArgumentError(f"digestmod={digestmod!r} is not the name of a hash: give one, such as 'sha256'")
    made = Hmac(*operate(_DEPTH, _start, key, digestmod))
    if msg is not None:
        made.update(msg)
    return made
