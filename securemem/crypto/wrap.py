"""Keys wrapped by keys: AES-KW (RFC 3394) and AES-KWP (RFC 5649), both NIST SP 800-38F.

cryptography's own functions leave copies of the key in memory. So the steps of the RFCs are done here, over its AES, in
locked scratch: each of them encrypts or decrypts one block in place.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from securemem._binding.operations import operate, unwrap_steps, wrap_steps
from securemem.crypto._workspace import DEPTH, check_secret
from securemem.exceptions import DecryptionError, InvalidArgumentError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = ["WrapName", "unwrap", "wrap"]

WrapName = Literal["AES-KW", "AES-KWP"]

_KEK_SIZES = (16, 24, 32)
_MOST = 4096  # bytes of a key that is wrapped; those of RSA with 8192 bits fit in
_CHECK = b"\xa6" * 8  # RFC 3394, 2.2.3.1
_PADDED_CHECK = b"\xa6\x59\x59\xa6"  # RFC 5649, 3
_HEAD = 48  # of the scratch, before the registers: cffi_build/crypto/blocks.h
_NOT_UNWRAPPED = "the wrapped key could not be unwrapped with this key"


def _check(kek: SecureBytes, algorithm: str) -> None:
    if not isinstance(algorithm, str):
        raise TypeError(f"an algorithm is given by its name, a str, not by {type(algorithm).__name__}")
    if algorithm not in {"AES-KW", "AES-KWP"}:
        raise InvalidArgumentError(f"algorithm {algorithm!r} does not exist: choose 'AES-KW' or 'AES-KWP'")
    check_secret(kek, "the key-encryption key", _KEK_SIZES)


def wrap(kek: SecureBytes, key: SecureBytes, *, algorithm: WrapName = "AES-KW") -> bytes:
    """Encrypt a key under a key-encryption key (kek) of 16, 24 or 32 bytes; both are read in place.

    algorithm: "AES-KW" for keys of 16 to 4,096 bytes, a multiple of 8; the result has 8 bytes more. "AES-KWP" for 1 to
    4,096 bytes; the result is padded to a multiple of 8. No nonce is needed: the same key gives the same result.

    Raises SizeError for other sizes, InvalidArgumentError for another algorithm, WipedError or ForkedError when a key
    cannot be read, TypeError for what is no SecureBytes.
    """
    _check(kek, algorithm)
    check_secret(
        key, f"a key wrapped by {algorithm}", range(16, _MOST + 1, 8) if algorithm == "AES-KW" else range(1, _MOST + 1)
    )
    return operate(DEPTH, _wrap, kek, key, algorithm)


def _wrap(scope: Scope, kek: SecureBytes, key: SecureBytes, algorithm: WrapName) -> bytes:
    """RFC 3394, 2.2.1, and for one register RFC 5649, 4.1."""
    size = len(key)
    work = scope.scratch(_HEAD + size + -size % 8)
    registers = scope.part(work, _HEAD, len(work))
    registers[:size] = scope.read(key, "the key")
    work[:8] = _CHECK if algorithm == "AES-KW" else _PADDED_CHECK + size.to_bytes(4, "big")
    view = scope.read(kek, "the key-encryption key")
    encryptor = Cipher(AES(view), ECB()).encryptor()  # noqa: S305 - single blocks, as the RFC says
    if len(registers) == 8:  # noqa: PLR2004 - one register: one block, without steps
        work[8:16] = registers
        encryptor.update_into(work[:16], work[16 : _HEAD - 1])
        return bytes(work[16:32])
    wrap_steps(encryptor, work)
    return bytes(work[:8]) + bytes(registers)  # encrypted by now


def unwrap(
    kek: SecureBytes, wrapped: Buffer, *, algorithm: WrapName = "AES-KW", arena: Arena | None = None
) -> SecureBytes:
    """Decrypt what wrap() gave into a new SecureBytes, in the given arena or the default one.

    Raises DecryptionError, always with the same message, when it was changed or the kek is another; else as wrap().
    """
    _check(kek, algorithm)
    key = operate(DEPTH, _unwrap, kek, wrapped, algorithm, arena)
    if key is None:
        raise DecryptionError(_NOT_UNWRAPPED)
    return key


def _unwrap(
    scope: Scope, kek: SecureBytes, wrapped: Buffer, algorithm: WrapName, arena: Arena | None
) -> SecureBytes | None:
    sealed = scope.read(wrapped, "the wrapped key")
    least = 24 if algorithm == "AES-KW" else 16
    if not least <= sealed.nbytes <= _MOST + 8 or sealed.nbytes % 8:
        return None
    work = scope.scratch(_HEAD + sealed.nbytes - 8)
    registers = scope.part(work, _HEAD, len(work))
    _decrypt(scope.read(kek, "the key-encryption key"), sealed, work, registers)
    size = _size(scope.part(work, 0, 8), registers, algorithm)
    if size is None:
        return None
    key = SecureBytes.zeros(size, arena=arena)
    scope.write(key, "the result")[:] = registers[:size]
    return key


def _decrypt(kek: memoryview, sealed: memoryview, work: memoryview, registers: memoryview) -> None:
    """RFC 3394, 2.2.2, and for two blocks RFC 5649, 4.2: the check value at the beginning of the scratch."""
    decryptor = Cipher(AES(kek), ECB()).decryptor()  # noqa: S305 - single blocks, as the RFC says
    if len(registers) == 8:  # noqa: PLR2004 - one register: one block, without steps
        decryptor.update_into(sealed, work[16 : _HEAD - 1])
        work[:8], registers[:] = work[16:24], work[24:32]
        return
    work[:8], registers[:] = sealed[:8], sealed[8:]
    unwrap_steps(decryptor, work)


def _size(head: memoryview, registers: memoryview, algorithm: WrapName) -> int | None:
    """The size of the key, None unless the check value and, for AES-KWP, length and padding are right."""
    most = len(registers)
    if algorithm == "AES-KW":
        return most if hmac.compare_digest(head, _CHECK) else None
    size = int.from_bytes(head[4:], "big")
    if not hmac.compare_digest(head[:4], _PADDED_CHECK) or not most - 8 < size <= most:
        return None
    return size if hmac.compare_digest(registers[size:], bytes(most - size)) else None
