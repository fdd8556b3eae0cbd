"""XAES-256-GCM: AES-256-GCM under a key derived from a 192-bit nonce, so that nonces may be random without a limit.

Sources: C2SP, https://c2sp.org/XAES-256-GCM; the commitment to the key is that of P. Kampanakis, S. Halevi, N. Ebeid
and M. Campagna, "Blockcipher-Based Key Commitment for Nonce-Derived Schemes", https://eprint.iacr.org/2025/758:
CMAC(K, "XCMT" || N || 0x00010001) || CMAC(K, "XCMT" || N || 0x00010002), after the tag.

The derivation is compiled (cffi_build/types/xaes.c); here is the AES that it calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext
    from typing_extensions import Buffer

__all__ = ["COMMITMENT", "blocks"]

COMMITMENT = 32
_ECB = ECB()  # noqa: S305 - single blocks, as CMAC is made of


class _Blocks(Cipher[ECB]):
    """AES-256, block by block. Checks of sizes and modes, known here to be right, would take longer than the AES."""

    def __init__(self, key: Buffer) -> None:
        self.algorithm = algorithm = AES256.__new__(AES256)
        algorithm.key = key  # type: ignore[assignment]  # any buffer will do
        self.mode = _ECB


def blocks(key: Buffer) -> CipherContext:
    """An encryptor of single blocks under a key of 32 bytes."""
    return _Blocks(key).encryptor()
