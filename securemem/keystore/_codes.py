"""Codes, signatures, agreed and derived keys: the operations of keys that make no boxes.

Each function is called by `Gate.use`, with a version, whose rules were checked, and its key in clear.
"""

from __future__ import annotations

from securemem.crypto import agreement, kdf, signing
from securemem.crypto import mac as codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.crypto.agreement import AgreementAlgorithm
    from securemem.crypto.mac import HashName
    from securemem.keystore._stored import Version
    from securemem.secure_bytes import SecureBytes

__all__ = ["agree", "agreed", "derive", "mac", "sign", "verify", "verify_mac"]


def _hash_name(version: Version) -> HashName:
    name = version.key.algorithm.hash_name
    assert name is not None  # noqa: S101 - only keys for HMAC have those usages
    return name


def mac(version: Version, secret: SecureBytes, data: Buffer) -> bytes:
    """The code of data."""
    return codes.hmac(secret, data, algorithm=_hash_name(version))


def verify_mac(version: Version, secret: SecureBytes, data: Buffer, code: Buffer) -> None:
    """VerificationError unless that is the code of data."""
    codes.verify(secret, data, code, algorithm=_hash_name(version))


def sign(version: Version, secret: SecureBytes, data: Buffer) -> bytes:
    """The signature of data."""
    name: Any = version.key.algorithm.name  # one of signing's
    return signing.sign(name, secret, data)


def verify(version: Version, _secret: SecureBytes, data: Buffer, signature: Buffer) -> None:
    """VerificationError unless that is a signature of data."""
    name: Any = version.key.algorithm.name
    signing.verify_signature(name, version.facts.public, data, signature)


def agree(
    version: Version, secret: SecureBytes, peer: bytes, context: bytes, length: int, arena: Arena | None
) -> SecureBytes:
    """A key from an agreement and HKDF, bound to both public keys in the order of their bytes, and the context."""
    name: Any = version.key.algorithm.name
    return agreed(secret, version.facts.public, peer, context, length, arena, name)


def agreed(
    secret: SecureBytes,
    public: bytes,
    peer: bytes,
    context: bytes,
    length: int,
    arena: Arena | None,
    algorithm: AgreementAlgorithm = "X25519",
) -> SecureBytes:
    """What agree() gives, from a private key and its public one."""
    info = b"securemem agree 1" + b"".join(sorted((public, peer))) + context
    with agreement.exchange(algorithm, secret, peer) as shared:
        return kdf.hkdf(shared, length, info=info, arena=arena)


def derive(_version: Version, secret: SecureBytes, info: bytes, length: int, arena: Arena | None) -> SecureBytes:
    """Length bytes by HKDF."""
    return kdf.hkdf(secret, length, info=info, arena=arena)
