"""The process that `securemem evidence` attacks: it holds a key in one way, uses it, and lets it go.

It speaks to its parent over its standard streams. Out: the key, raw and straight from where it lies; then a line at
each moment at which it stands still, and a line that begins with "!" where it cannot go on. In: a byte, when it may.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from securemem import crypto_heap
from securemem.arenas import Arena
from securemem.cli._controls import use_cipher
from securemem.crypto import aead
from securemem.secure_bytes import SecureBytes, scrub

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]

SIZE = 32
_IN, _OUT = 0, 1


class _Kept:
    """Holds the key in everyday objects."""

    def __init__(self, key: Any) -> None:
        self.key = key
        self.cipher: object = None

    def use(self) -> None:
        """Encrypt with it, and keep the cipher, as programs do."""
        self.cipher = use_cipher(self.key)

    def release(self) -> None:
        """Drop all of it; a bytearray is overwritten first."""
        if isinstance(self.key, bytearray):
            self.key[:] = bytes(len(self.key))
        del self.key, self.cipher
        gc.collect()


def _bytes() -> _Kept:
    return _Kept(os.urandom(SIZE))


def _bytearray() -> _Kept:
    key = bytearray(SIZE)
    with open("/dev/urandom", "rb", buffering=0) as random:  # noqa: PTH123 - read in place
        random.readinto(key)
    return _Kept(key)


class _PyNaCl(_Kept):
    """A SecretBox of PyNaCl, which takes nothing but bytes."""

    def use(self) -> None:
        box = import_module("nacl.secret").SecretBox(self.key)  # a library that need not be there
        box.encrypt(b"data")
        self.cipher = box


class _Sodium:
    """libsodium's guarded heap and its own cipher."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.sodium_malloc.restype = ctypes.c_void_p
        self._address = ctypes.c_void_p(library.sodium_malloc(ctypes.c_size_t(SIZE)))
        library.randombytes_buf(self._address, ctypes.c_size_t(SIZE))
        self.key = (ctypes.c_char * SIZE).from_address(self._address.value or 0)

    def use(self) -> None:
        """Encrypt by crypto_secretbox_easy."""
        out = ctypes.create_string_buffer(100)
        self._library.crypto_secretbox_easy(out, b"data", ctypes.c_ulonglong(4), bytes(24), self._address)

    def release(self) -> None:
        """Give it back, which wipes it."""
        del self.key
        self._library.sodium_free(self._address)


def _sodium() -> _Sodium:
    name = ctypes.util.find_library("sodium")
    if name is None:
        raise RuntimeError("libsodium is not installed")
    library = ctypes.CDLL(name)
    library.sodium_init()
    return _Sodium(library)


class _Secure:
    """A SecureBytes, used by securemem.crypto."""

    def __init__(self, backend: Any) -> None:
        self.key = SecureBytes.random(SIZE, arena=Arena(backend=backend))

    def use(self) -> None:
        """Encrypt by it."""
        aead.Key(self.key, "AES-256-GCM").encrypt(b"data")

    def release(self) -> None:
        """Wipe it."""
        self.key.wipe()


class _WithHeap:
    """A SecureBytes, and a cipher of cryptography that is kept, with the crypto heap on."""

    def __init__(self) -> None:
        crypto_heap.enable()
        self.key = SecureBytes.random(SIZE)
        self.cipher: object = None

    def use(self) -> None:
        """Encrypt by it, and keep the cipher."""
        with self.key.reveal() as view:
            self.cipher = use_cipher(view)
        scrub()

    def release(self) -> None:
        """Drop the cipher, wipe the key."""
        del self.cipher
        self.key.wipe()
        scrub()


_WAYS: dict[str, Callable[[], Any]] = {
    "bytes": _bytes,
    "bytearray": _bytearray,
    "pynacl": lambda: _PyNaCl(os.urandom(SIZE)),
    "libsodium": _sodium,
    "mlock": lambda: _Secure("mlock"),
    "memfd_secret": lambda: _Secure("memfd_secret"),
    "crypto-heap": _WithHeap,
}


def _stand_still(moment: str) -> None:
    os.write(_OUT, f"{moment}\n".encode())
    if not os.read(_IN, 1):
        os._exit(0)  # the parent has gone


def _in_child() -> None:
    """Stand still in a forked child too, for its memory to be searched."""
    child = os.fork()
    if child == 0:
        _stand_still(f"child {os.getpid()}")
        os._exit(0)
    os.waitpid(child, 0)


def main(way: str, end: str) -> int:
    """Hold a key in one way; at the end of "core" abort, as a program that crashes does."""
    try:
        held = _WAYS[way]()
        os.write(_OUT, b"+")
        with memoryview(held.key) as view:
            os.write(_OUT, view)
        _stand_still("held")
        held.use()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why this way cannot be shown
        os.write(_OUT, f"!{type(error).__name__}: {error}\n".encode())
        return 1
    _stand_still("used")
    if end == "core":
        os.abort()
    _in_child()
    held.release()
    _stand_still("released")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
