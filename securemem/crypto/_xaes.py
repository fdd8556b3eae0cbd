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


# Without their checks of sizes and modes, known here to be right: these would take longer than the AES.
_new_cipher, _new_algorithm = Cipher.__new__, AES256.__new__


def blocks(key: Buffer) -> CipherContext:
    """An encryptor of single blocks under a key of 32 bytes, by AES-256."""
    algorithm, cipher = _new_algorithm(AES256), _new_cipher(Cipher)
    algorithm.key = key  # type: ignore[assignment]  # any buffer will do
    cipher.algorithm = algorithm
    cipher.mode = _ECB
    return cipher.encryptor()
