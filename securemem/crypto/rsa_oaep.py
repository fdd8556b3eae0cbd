"""Keys wrapped for the owner of an RSA key: RSA-OAEP (RFC 8017) with SHA-256 and MGF1.

It needs the crypto heap, without which cryptography leaves copies of keys: each function raises CryptoHeapError while
`securemem.crypto_heap` is off. A private key lies in a SecureBytes as PKCS #8 in DER, a public one is
SubjectPublicKeyInfo in DER.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from securemem._binding.memory import bytes_of
from securemem.crypto import _key_kinds as kinds
from securemem.crypto._workspace import check_secret
from securemem.exceptions import DecryptionError, SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = ["rsa_oaep_generate", "rsa_oaep_public_key", "rsa_oaep_unwrap", "rsa_oaep_wrap"]

_RSA = kinds.kind_named("RSA")
_SHA = hashes.SHA256()
_OVERHEAD = 2 * _SHA.digest_size + 2


def _oaep(label: bytes) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(_SHA), _SHA, label or None)


def rsa_oaep_generate(*, bits: int = 3072, arena: Arena | None = None) -> SecureBytes:
    """A new private key of 2,048 to 8,192 bits, in steps of 8, in the given arena or the default one.

    Raises SizeError for another size, and CryptoHeapError.
    """
    return kinds.generate(_RSA, bits, arena)


def rsa_oaep_public_key(private_key: SecureBytes) -> bytes:
    """The public key. Raises InvalidArgumentError for bytes that are no private key of RSA."""
    return kinds.public_bytes(_RSA, private_key)


def rsa_oaep_wrap(peer_public_key: Buffer, key: SecureBytes, *, label: Buffer = b"") -> bytes:
    """The key, which only the owner of the public key unwraps; as long as the modulus.

    key: is left as it is; cryptography takes bytes: that copy lies in the crypto heap, and is wiped before the function
        returns.
    label: is bound to it, and needed to unwrap.

    Raises PeerKeyError for bytes that are no public key of RSA, SizeError for a key of more bytes than the modulus has
    room for (its own less 66), TypeError for a key that is no SecureBytes, and CryptoHeapError.
    """
    check_secret(key, "the key")
    peer = kinds.peer_key(_RSA, bytes_of(peer_public_key, "the peer's public key"))
    room = peer.key_size // 8 - _OVERHEAD
    if len(key) > room:
        raise SizeError(f"a public key of {peer.key_size} bits has room for {room} bytes, not {len(key)}")
    return kinds.in_heap("RSA-OAEP", _wrap, peer, key, bytes_of(label, "the label"))


def _wrap(scope: Scope, peer: Any, key: SecureBytes, label: bytes) -> bytes:
    return bytes(peer.encrypt(bytes(scope.read(key, "the key")), _oaep(label)))


def rsa_oaep_unwrap(
    private_key: SecureBytes, wrapped: Buffer, *, label: Buffer = b"", arena: Arena | None = None
) -> SecureBytes:
    """The key that rsa_oaep_wrap() wrapped, in the given arena or the default one.

    cryptography gives it as bytes: that copy lies in the crypto heap, and is wiped before the function returns.

    Raises DecryptionError, always with the same message, for another key or label and for what was changed or is empty,
    InvalidArgumentError for bytes that are no private key of RSA, and CryptoHeapError.
    """
    kinds.check_private(_RSA, private_key)
    sent, bound = bytes_of(wrapped, "the wrapped key"), bytes_of(label, "the label")
    result = kinds.in_heap("RSA-OAEP", _unwrap, private_key, sent, bound, arena)
    if result is None:
        raise DecryptionError("the wrapped key could not be unwrapped with this private key and label")
    return result


def _unwrap(
    scope: Scope, private_key: SecureBytes, sent: bytes, label: bytes, arena: Arena | None
) -> SecureBytes | None:
    own = kinds.private_key(scope, _RSA, private_key)
    try:
        key = own.decrypt(sent, _oaep(label))
    except ValueError:
        return None
    return SecureBytes.copy_of(key, arena=arena) if key else None
