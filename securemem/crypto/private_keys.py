"""Private keys in PEM, DER and OpenSSH form, from and to locked memory.

A private key that is loaded lies in a SecureBytes as `signing`, `agreement`, `kem` and `rsa_oaep` take it. cryptography
leaves copies everywhere when it reads and writes these forms, but in the crypto heap: each function raises
CryptoHeapError while `securemem.crypto_heap` is off.

Kinds: "Ed25519", "Ed448", "X25519", "X448", "P-256", "P-384", "RSA", and where cryptography has them "ML-DSA-44",
"ML-DSA-65", "ML-DSA-87", "ML-KEM-768", "ML-KEM-1024".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from securemem.crypto import _key_kinds as kinds
from securemem.crypto._workspace import check_secret
from securemem.exceptions import DecryptionError, FormatError, InvalidArgumentError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = ["Form", "KeyKind", "dump_private_key", "load_private_key"]

KeyKind = Literal[
    "Ed25519",
    "Ed448",
    "X25519",
    "X448",
    "P-256",
    "P-384",
    "RSA",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
    "ML-KEM-768",
    "ML-KEM-1024",
]
Form = Literal["PEM", "DER", "OpenSSH"]

_FORMS = {
    "PEM": (Encoding.PEM, PrivateFormat.PKCS8),
    "DER": (Encoding.DER, PrivateFormat.PKCS8),
    "OpenSSH": (Encoding.PEM, PrivateFormat.OpenSSH),
}
_OPENSSH, _PEM = b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----BEGIN "


def load_private_key(
    data: SecureBytes | Buffer, *, password: SecureBytes | None = None, arena: Arena | None = None
) -> tuple[KeyKind, SecureBytes]:
    """The kind of a private key, and the key, in the given arena or the default one.

    data: PEM, DER (PKCS #8, PKCS #1 or SEC 1) or OpenSSH form; give a SecureBytes, such as doors.read_file() makes, so
        that no copy is outside locked memory. It is left as it is.
    password: of an encrypted one. That of OpenSSH form needs the package bcrypt. It is left as it is.

    cryptography takes a password as bytes, and gives a key as bytes or int: these copies lie in the crypto heap and are
    wiped before the function returns. Sources: RFC 5208, RFC 5958, PROTOCOL.key of OpenSSH.

    Raises DecryptionError for a wrong password, or none where one is needed, FormatError for what is no private key, or
    of a kind that is not supported, TypeError for a password that is no SecureBytes, and CryptoHeapError.
    """
    if password is not None:
        check_secret(password, "the password")
    kind, secret, reason = kinds.in_heap("loading private keys", _load, data, password, arena)
    if reason:
        raise DecryptionError(reason)
    if secret is None:
        raise FormatError(
            "there is no private key of a kind that is supported: PEM, DER and OpenSSH form are, of "
            f"{', '.join(kinds.KINDS)}"
        )
    return cast("KeyKind", kind), secret


def _load(
    scope: Scope, data: SecureBytes | Buffer, password: SecureBytes | None, arena: Arena | None
) -> tuple[str, SecureBytes | None, str]:
    view = scope.read(data, "the data")
    word = None if password is None else bytes(scope.read(password, "the password"))
    start = bytes(view[: len(_OPENSSH)]).lstrip()
    try:
        if start.startswith(_OPENSSH):
            key: Any = serialization.load_ssh_private_key(view, word)
        elif start.startswith(_PEM):
            key = serialization.load_pem_private_key(view, word)
        else:
            key = serialization.load_der_private_key(view, word)
    except TypeError:
        return "", None, "the private key is encrypted: give its password" if word is None else _NOT_ENCRYPTED
    except (ValueError, UnsupportedAlgorithm):
        return "", None, "" if word is None else "the private key could not be decrypted with this password"
    kind = kinds.kind_of(key)
    if kind is None:
        return "", None, ""
    return kind.name, SecureBytes.copy_of(kind.raw(key), arena=arena), ""


_NOT_ENCRYPTED = "the private key is not encrypted: give no password"


def dump_private_key(
    kind: KeyKind,
    private_key: SecureBytes,
    form: Form = "PEM",
    *,
    password: SecureBytes | None = None,
    arena: Arena | None = None,
) -> SecureBytes:
    """A private key in one of the forms, in the given arena or the default one; doors.write_fd() writes it.

    kind, private_key: as load_private_key() gives them; the key is left as it is.
    password: encrypts it, by PBES2 with AES-256-CBC in PEM and DER. OpenSSH form takes none here. It is left as it is.

    The password, and the result, are copied as bytes into the crypto heap and wiped there before the function returns.

    Raises InvalidArgumentError for a kind or form that does not exist, bytes that are no such key, or a kind that has
    not that form; SizeError for a key of another size, TypeError for a key or password that is no SecureBytes, and
    CryptoHeapError.
    """
    chosen = kinds.kind_named(kind)
    if form not in _FORMS:
        raise InvalidArgumentError(f"form {form!r} does not exist: choose one of {', '.join(map(repr, _FORMS))}")
    if password is not None:
        check_secret(password, "the password")
        if form == "OpenSSH":
            raise InvalidArgumentError("OpenSSH form takes no password here: choose PEM, or encrypt the result")
    kinds.check_private(chosen, private_key)
    result = kinds.in_heap("writing private keys", _dump, chosen, private_key, form, password, arena)
    if result is None:
        raise InvalidArgumentError(f"keys of {kind} have no {form} form")
    return result


def _dump(
    scope: Scope, kind: kinds.Kind, secret: SecureBytes, form: str, password: SecureBytes | None, arena: Arena | None
) -> SecureBytes | None:
    key = kinds.private_key(scope, kind, secret)
    how: serialization.KeySerializationEncryption = NoEncryption()
    if password is not None:
        how = serialization.BestAvailableEncryption(bytes(scope.read(password, "the password")))
    try:
        return SecureBytes.copy_of(key.private_bytes(*_FORMS[form], how), arena=arena)
    except (ValueError, UnsupportedAlgorithm):
        return None
