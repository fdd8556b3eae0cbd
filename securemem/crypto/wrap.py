"""Keys wrapped by keys: AES-KW (RFC 3394) and AES-KWP (RFC 5649), both NIST SP 800-38F.

Wrapping is cryptography's. Its unwrapping leaves copies of the key in memory (docs/reference/crypto.md), so that is
done here, over its AES, in locked scratch: each step of the RFC decrypts one block in place.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.keywrap import aes_key_wrap, aes_key_wrap_with_padding

from securemem._binding.memory import UNWRAP_HEAD, pin, unwrap_load, unwrap_store
from securemem.crypto._workspace import DEPTH, bytes_view, check_secret, copy_result, scratch, scrub
from securemem.exceptions import DecryptionError, InvalidArgumentError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["WrapName", "unwrap", "wrap"]

WrapName = Literal["AES-KW", "AES-KWP"]

_KEK_SIZES = (16, 24, 32)
_MOST = 4096  # bytes of a key that is wrapped; those of RSA with 8192 bits fit in
_CHECK = b"\xa6" * 8  # RFC 3394, 2.2.3.1
_PADDED_CHECK = b"\xa6\x59\x59\xa6"  # RFC 5649, 3
_STEPS = 6
_NOT_UNWRAPPED = "the wrapped key could not be unwrapped with this key"


def _check(kek: SecureBytes, algorithm: str) -> None:
    if algorithm not in {"AES-KW", "AES-KWP"}:
        raise InvalidArgumentError(f"algorithm {algorithm!r} does not exist: choose 'AES-KW' or 'AES-KWP'")
    check_secret(kek, "the key-encryption key", _KEK_SIZES)


def wrap(kek: SecureBytes, key: SecureBytes, *, algorithm: WrapName = "AES-KW") -> bytes:
    """Encrypt a key under a key-encryption key (kek) of 16, 24 or 32 bytes; both are read in place.

    algorithm: "AES-KW" for keys of 16 to 4,096 bytes, a multiple of 8; the result has 8 bytes more. "AES-KWP" for 1 to
    4,096 bytes; the result is padded to a multiple of 8. No nonce is needed: the same key gives the same result.

    Raises SizeError for other sizes, InvalidArgumentError for another algorithm, and WipedError, ForkedError or
    TypeError when a key cannot be read.
    """
    _check(kek, algorithm)
    check_secret(
        key, f"a key wrapped by {algorithm}", range(16, _MOST + 1, 8) if algorithm == "AES-KW" else range(1, _MOST + 1)
    )
    function = aes_key_wrap if algorithm == "AES-KW" else aes_key_wrap_with_padding
    wrapping, source = memoryview(kek), memoryview(key)
    try:
        return function(wrapping, source)
    finally:
        wrapping.release()
        source.release()
        scrub(DEPTH)


def unwrap(
    kek: SecureBytes, wrapped: Buffer, *, algorithm: WrapName = "AES-KW", arena: Arena | None = None
) -> SecureBytes:
    """Decrypt what wrap() gave into a new SecureBytes, in the given arena or the default one.

    Raises DecryptionError, always with the same message, when it was changed or the kek is another; else as wrap().
    """
    _check(kek, algorithm)
    sealed = bytes_view(wrapped, "the wrapped key")
    least = 24 if algorithm == "AES-KW" else 16
    if not least <= sealed.nbytes <= _MOST + 8 or sealed.nbytes % 8:
        raise DecryptionError(_NOT_UNWRAPPED)
    work = memoryview(scratch(UNWRAP_HEAD + sealed.nbytes - 8).reveal(writable=True))
    source = memoryview(kek)
    try:
        head, registers = _decrypt(source, sealed, work)
        size = _size(head, registers, algorithm)
        key = None if size is None else _copy(registers[:size], arena)
    finally:
        source.release()
        scrub(DEPTH)
    if key is None:
        raise DecryptionError(_NOT_UNWRAPPED)
    return key


def _copy(view: memoryview, arena: Arena | None) -> SecureBytes:
    key, out = copy_result(len(view), arena)
    out[:] = view
    return key


def _decrypt(kek: memoryview, sealed: memoryview, work: memoryview) -> tuple[memoryview, memoryview]:
    """RFC 3394, 2.2.2, and for two blocks RFC 5649, 4.2: the check value, and the registers behind it."""
    decryptor = Cipher(AES(kek), ECB()).decryptor()  # noqa: S305 - single blocks, as the RFC says
    block, answer, registers = work[:16], work[16 : UNWRAP_HEAD - 1], work[UNWRAP_HEAD:]
    if len(registers) == 8:  # noqa: PLR2004 - one register: one block, without steps
        decryptor.update_into(sealed, answer)
        work[:8], registers[:] = answer[:8], answer[8:16]
        return block[:8], registers
    block[:8], registers[:] = sealed[:8], sealed[8:]
    pinned, count = pin(work), len(registers) // 8
    for round_ in reversed(range(_STEPS)):
        for index in range(count, 0, -1):
            unwrap_load(pinned, index, round_ * count + index)
            decryptor.update_into(block, answer)
            unwrap_store(pinned, index)
    return block[:8], registers


def _size(head: memoryview, registers: memoryview, algorithm: WrapName) -> int | None:
    """The size of the key, None unless the check value and, for AES-KWP, length and padding are right."""
    most = len(registers)
    if algorithm == "AES-KW":
        return most if hmac.compare_digest(head, _CHECK) else None
    size = int.from_bytes(head[4:], "big")
    if not hmac.compare_digest(head[:4], _PADDED_CHECK) or not most - 8 < size <= most:
        return None
    return size if hmac.compare_digest(registers[size:], bytes(most - size)) else None
