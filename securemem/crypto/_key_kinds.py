"""Kinds of asymmetric keys whose use leaves copies: how each lies in locked memory, and what cryptography makes of it.

All of it runs inside `in_heap`: in a section of the crypto heap, so that what cryptography and Python make of a key
lies in locked memory and is wiped with the object.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from securemem import crypto_heap
from securemem._binding.operations import operate_in_section
from securemem._frozen import Frozen
from securemem.crypto._workspace import DEEP, check_secret
from securemem.exceptions import CryptoHeapError, InvalidArgumentError, PeerKeyError, SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec, TypeVar

    from securemem._types import Scope
    from securemem.arenas import Arena

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = [
    "KINDS",
    "Kind",
    "check_private",
    "generate",
    "in_heap",
    "kind_named",
    "kind_of",
    "peer_key",
    "private_key",
    "public_bytes",
]

_RAW = (Encoding.Raw, PublicFormat.Raw)
_POINT = (Encoding.X962, PublicFormat.UncompressedPoint)
_INFO = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
# PKCS #8 (RFC 5208) around ECPrivateKey (RFC 5915) without the public key, up to the scalar.
_P256 = bytes.fromhex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420")
_P384 = bytes.fromhex("304e020100301006072a8648ce3d020106052b81040022043730350201010430")
_LEAST_RSA, _MOST_RSA = 2048, 8192
_LONGEST = 16384  # bytes of a private RSA key


class Kind(Frozen):
    """A kind of private key. Sizes in bytes.

    size: as it lies in a SecureBytes; 0: as PKCS #8 in DER, of any size. head: what stands before it in DER, of curves.
    type: of cryptography's object. load, load_public: make one. raw: gives the key back.
    public: encoding and format of the public key; public_size: 0 for any.
    """

    name: str
    size: int
    head: bytes
    type: Any
    load: Callable[[memoryview], Any]
    raw: Callable[[Any], bytes]
    public: tuple[Encoding, PublicFormat]
    public_size: int
    load_public: Callable[[bytes], Any]


def _raw(name: str, size: int, private: Any, public: Any, public_size: int) -> Kind:
    def give(key: Any) -> bytes:
        return bytes(key.private_bytes_raw())

    return Kind(name, size, b"", private, private.from_private_bytes, give, _RAW, public_size, public.from_public_bytes)


def _seed(name: str, size: int, module: Any, stem: str, public_size: int) -> Kind:
    private, public = getattr(module, f"{stem}PrivateKey"), getattr(module, f"{stem}PublicKey")

    def give(key: Any) -> bytes:
        return bytes(key.private_bytes_raw())

    return Kind(name, size, b"", private, private.from_seed_bytes, give, _RAW, public_size, public.from_public_bytes)


def _load_der(view: memoryview) -> Any:
    return serialization.load_der_private_key(view, None)


def _curve(name: str, curve: Any, size: int, head: bytes) -> Kind:
    def load_public(data: bytes) -> Any:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, data)

    def scalar(key: Any) -> bytes:
        return int(key.private_numbers().private_value).to_bytes(size, "big")

    return Kind(name, size, head, ec.EllipticCurvePrivateKey, _load_der, scalar, _POINT, 2 * size + 1, load_public)


def _pkcs8(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def _load_info(data: bytes) -> Any:
    key = serialization.load_der_public_key(data)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError  # noqa: TRY004 - as the functions of cryptography do
    return key


KINDS: dict[str, Kind] = {
    one.name: one
    for one in (
        _raw("Ed25519", 32, ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey, 32),
        _raw("Ed448", 57, ed448.Ed448PrivateKey, ed448.Ed448PublicKey, 57),
        _raw("X25519", 32, x25519.X25519PrivateKey, x25519.X25519PublicKey, 32),
        _raw("X448", 56, x448.X448PrivateKey, x448.X448PublicKey, 56),
        _curve("P-256", ec.SECP256R1(), 32, _P256),
        _curve("P-384", ec.SECP384R1(), 48, _P384),
        Kind("RSA", 0, b"", rsa.RSAPrivateKey, _load_der, _pkcs8, _INFO, 0, _load_info),
    )
}
POST_QUANTUM = "ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "ML-KEM-768", "ML-KEM-1024"
# Older releases of cryptography have neither the modules nor the OpenSSL for them.
_ASYMMETRIC = "cryptography.hazmat.primitives.asymmetric"
with suppress(ImportError, AttributeError):
    _module = import_module(f"{_ASYMMETRIC}.mldsa")
    for _size, _length in ((44, 1312), (65, 1952), (87, 2592)):
        KINDS[f"ML-DSA-{_size}"] = _seed(f"ML-DSA-{_size}", 32, _module, f"MLDSA{_size}", _length)
with suppress(ImportError, AttributeError):
    _module = import_module(f"{_ASYMMETRIC}.mlkem")
    for _size, _length in ((768, 1184), (1024, 1568)):
        KINDS[f"ML-KEM-{_size}"] = _seed(f"ML-KEM-{_size}", 64, _module, f"MLKEM{_size}", _length)


def in_heap(what: str, work: Callable[Concatenate[Scope, P], R], *arguments: P.args, **names: P.kwargs) -> R:
    """operate(), in a section of the crypto heap; CryptoHeapError where that is off."""
    if not crypto_heap._is_on():  # noqa: SLF001 - made for this package
        raise CryptoHeapError(
            f"{what} needs the crypto heap, since cryptography leaves copies of such keys: call "
            "securemem.crypto_heap.enable() first"
        )
    try:
        return operate_in_section(DEEP, work, *arguments, **names)
    except UnsupportedAlgorithm:
        raise InvalidArgumentError(f"this cryptography, or its OpenSSL, has no {what}") from None


def kind_named(name: str) -> Kind:
    """The kind of that name; InvalidArgumentError where there is none, or this cryptography has none."""
    if name in KINDS:
        return KINDS[name]
    hint = ", which this release of cryptography does not have: upgrade it" if name in POST_QUANTUM else ""
    raise InvalidArgumentError(f"there is no kind of key {name!r}{hint}: choose one of {', '.join(map(repr, KINDS))}")


_CURVES = {"P-256": "secp256r1", "P-384": "secp384r1"}  # as cryptography names them


def kind_of(key: Any) -> Kind | None:
    """The kind of an object of cryptography's."""
    for one in KINDS.values():
        if isinstance(key, one.type) and (one.public is not _POINT or key.curve.name == _CURVES[one.name]):
            return one
    return None


def check_private(kind: Kind, secret: SecureBytes) -> None:
    """TypeError for what is no SecureBytes, SizeError for one that has not the size of such a key."""
    check_secret(secret, f"a private key of {kind.name}", (kind.size,) if kind.size else range(1, _LONGEST))


def private_key(scope: Scope, kind: Kind, secret: SecureBytes) -> Any:
    """Cryptography's object; InvalidArgumentError for bytes that are no such key. Only inside in_heap()."""
    view = scope.read(secret, "the private key")
    if kind.head:
        whole = scope.scratch(len(kind.head) + len(view))
        whole[: len(kind.head)] = kind.head
        whole[len(kind.head) :] = view
        view = whole
    try:
        key = kind.load(view)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, kind.type):
        raise InvalidArgumentError(f"these bytes are no private key of {kind.name}")
    return key


def peer_key(kind: Kind, public: bytes) -> Any:
    """Cryptography's object of a public key; SizeError for another size, PeerKeyError for what is none."""
    if kind.public_size and len(public) != kind.public_size:
        raise SizeError(f"a public key of {kind.name} has {kind.public_size} bytes, not {len(public)}")
    try:
        return kind.load_public(public)
    except (ValueError, TypeError):
        raise PeerKeyError(f"these bytes are no public key of {kind.name}: refuse the peer") from None


def _public(scope: Scope, kind: Kind, secret: SecureBytes) -> bytes:
    return bytes(private_key(scope, kind, secret).public_key().public_bytes(*kind.public))


def public_bytes(kind: Kind, secret: SecureBytes) -> bytes:
    """The public key of a private one."""
    check_private(kind, secret)
    return in_heap(kind.name, _public, kind, secret)


def generate(kind: Kind, bits: int, arena: Arena | None) -> SecureBytes:
    """A new private key; bits: of RSA."""
    if kind.size:
        while True:
            secret = SecureBytes.random(kind.size, arena=arena)
            if not kind.head or in_heap(kind.name, _is_scalar, kind, secret):
                return secret
            secret.wipe()  # one in 2**32 is not below the order: FIPS 186-5, A.2.2
    if bits not in range(_LEAST_RSA, _MOST_RSA + 1, 8):
        raise SizeError(f"an RSA key has {_LEAST_RSA} to {_MOST_RSA} bits, in steps of 8, not {bits}")
    return in_heap(kind.name, _new_rsa, kind, bits, arena)


def _is_scalar(scope: Scope, kind: Kind, secret: SecureBytes) -> bool:
    try:
        private_key(scope, kind, secret)
    except InvalidArgumentError:
        return False
    return True


def _new_rsa(_scope: Scope, kind: Kind, bits: int, arena: Arena | None) -> SecureBytes:
    return SecureBytes.copy_of(kind.raw(rsa.generate_private_key(65537, bits)), arena=arena)
