"""XAES-256-GCM: AES-256-GCM under a key derived from a 192-bit nonce, so that nonces may be random without a limit.

Sources: C2SP, https://c2sp.org/XAES-256-GCM; the commitment to the key is that of P. Kampanakis, S. Halevi, N. Ebeid
and M. Campagna, "Blockcipher-Based Key Commitment for Nonce-Derived Schemes", https://eprint.iacr.org/2025/758:
CMAC(K, "XCMT" || N || 0x00010001) || CMAC(K, "XCMT" || N || 0x00010002), after the tag.

The derivation is compiled (cffi_build/types/xaes.c); here is the AES that it calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.bindings import _rust
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cryptography.hazmat.primitives.ciphers import CipherContext
    from typing_extensions import Buffer

__all__ = ["COMMITMENT", "blocks"]

COMMITMENT = 32
_ECB = ECB()  # noqa: S305 - single blocks, as CMAC is made of


def _public_encryptor(algorithm: AES256, mode: ECB) -> CipherContext:
    return Cipher(algorithm, mode).encryptor()


def _encryptor(bindings: object) -> Callable[[AES256, ECB], CipherContext]:
    """The function that Cipher.encryptor() calls after its checks, which here take as long as the AES; or that itself.

    It is not public: a cryptography without it is a little slower.
    """
    ciphers = getattr(getattr(bindings, "openssl", None), "ciphers", None)
    return getattr(ciphers, "create_encryption_ctx", _public_encryptor)


_make, _new = _encryptor(_rust), AES256.__new__


def blocks(key: Buffer) -> CipherContext:
    """An encryptor of single blocks under a key of 32 bytes, by AES-256."""
    algorithm: Any = _new(AES256)  # its check of the size was made before
    algorithm.key = key  # declared as bytes, but any buffer will do
    return _make(algorithm, _ECB)
