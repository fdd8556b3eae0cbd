"""One operation on a key in clear, each as the vault calls it: (version, secret, data, extra) -> result.

The vault has checked policy and state before, and passes the secret from inside its gate. docs/reference/box-format.md
has what is written here byte by byte.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from os import urandom
from typing import TYPE_CHECKING

from securemem.crypto import kdf, mac
from securemem.crypto._ciphers import open_into, plaintext_size, seal, seal_into
from securemem.crypto._workspace import bytes_view, copy_result, writable_view
from securemem.crypto.agreement import x25519_exchange, x25519_public_key
from securemem.crypto.signing import ed25519_sign
from securemem.exceptions import ExportedError, SizeError
from securemem.keystore.box import HEADER, WRAPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.crypto._ciphers import Algorithm as Cipher
    from securemem.keystore.versions import Version
    from securemem.secure_bytes import SecureBytes

__all__ = [
    "agree",
    "authenticate",
    "box_overhead",
    "box_target",
    "cipher_of",
    "decrypt",
    "decrypt_into",
    "derive",
    "discard",
    "encrypt",
    "encrypt_into",
    "held",
    "open_new",
    "parts",
    "sign",
    "unwrap",
    "wrap",
]


def cipher_of(version: Version) -> Cipher:
    """The cipher of a key for encryption or wrapping."""
    assert version.cipher is not None  # noqa: S101 - only keys for a cipher's algorithm have those usages
    return version.cipher


def box_overhead(version: Version) -> int:
    """How many bytes a box has more than its plaintext."""
    cipher = cipher_of(version)
    return HEADER + cipher.nonce_size + cipher.overhead


def encrypt(version: Version, secret: SecureBytes, data: Buffer, context: bytes) -> bytes:
    """A box: header, nonce and ciphertext, with header and context as associated data."""
    cipher, head = cipher_of(version), version.header
    nonce = urandom(cipher.nonce_size)
    return head + nonce + seal(cipher, secret, nonce, data, head + context)


def encrypt_into(version: Version, secret: SecureBytes, data: Buffer, extra: tuple[bytes, Buffer]) -> None:
    """The same into a buffer of exactly that size."""
    context, out = extra
    cipher, head = cipher_of(version), version.header
    source = bytes_view(data, "data")
    nonce = urandom(cipher.nonce_size)
    seal_into(cipher, secret, nonce, source, head + context, box_target(version, nonce, source, out))


def box_target(version: Version, nonce: bytes, source: memoryview, out: Buffer) -> memoryview:
    """The place of the ciphertext in out, with header and nonce before it."""
    target = writable_view(out, "out", source.nbytes + box_overhead(version))
    end = HEADER + len(nonce)
    target[:end] = version.header + nonce
    return target[end:]


def open_new(size: int, arena: Arena | None, into: Callable[[memoryview], None]) -> SecureBytes:
    """A new SecureBytes of that size, filled by a function that authenticates what it gives.

    Raises what that raises, and SizeError for an empty plaintext, after that was found to be authentic.
    """
    if size == 0:
        into(memoryview(bytearray()))
        raise SizeError("the plaintext is empty and no SecureBytes: use decrypt_into() with an empty buffer")
    plaintext, view = copy_result(size, arena)
    into(view)
    return plaintext


def parts(version: Version, box: memoryview) -> tuple[bytes, memoryview, int]:
    """Nonce, ciphertext, and size of the plaintext of a box."""
    cipher = cipher_of(version)
    end = HEADER + cipher.nonce_size
    return bytes(box[HEADER:end]), box[end:], plaintext_size(box.nbytes - end - cipher.overhead)


def decrypt(version: Version, secret: SecureBytes, box: memoryview, extra: tuple[bytes, Arena | None]) -> SecureBytes:
    """The plaintext of a box, one byte or more."""
    context, arena = extra
    nonce, sealed, size = parts(version, box)
    aad = version.header + context
    return open_new(size, arena, lambda view: open_into(cipher_of(version), secret, nonce, sealed, aad, view))


def decrypt_into(version: Version, secret: SecureBytes, box: memoryview, extra: tuple[bytes, Buffer]) -> None:
    """The same into a buffer of exactly the plaintext's size."""
    context, out = extra
    nonce, sealed, size = parts(version, box)
    target = writable_view(out, "out", size)
    open_into(cipher_of(version), secret, nonce, sealed, version.header + context, target)


def wrap(version: Version, secret: SecureBytes, key: SecureBytes, extra: tuple[bytes, bytes]) -> bytes:
    """A wrapped key: header, what the key is, nonce and ciphertext, with the first two and the context bound."""
    descriptor, context = extra
    cipher, head = cipher_of(version), version.header_of(WRAPPED) + descriptor
    nonce = urandom(cipher.nonce_size)
    return head + nonce + seal(cipher, secret, nonce, key, head + context)


def unwrap(version: Version, secret: SecureBytes, wrapped: memoryview, extra: tuple[int, bytes]) -> SecureBytes:
    """The key in what wrap() gave; start is where the nonce begins."""
    start, context = extra
    cipher = cipher_of(version)
    end = start + cipher.nonce_size
    size = plaintext_size(wrapped.nbytes - end - cipher.overhead)
    aad, nonce, sealed = bytes(wrapped[:start]) + context, bytes(wrapped[start:end]), wrapped[end:]
    return open_new(size, None, lambda view: open_into(cipher, secret, nonce, sealed, aad, view))


def authenticate(version: Version, secret: SecureBytes, data: Buffer, code: Buffer | None) -> bytes | None:
    """The code of data, or, where one is given, VerificationError unless it is that."""
    hash_name = version.algorithm.hash_name
    assert hash_name is not None  # noqa: S101 - only keys for HMAC have those usages
    if code is None:
        return mac.hmac(secret, data, algorithm=hash_name)
    mac.verify(secret, data, code, algorithm=hash_name)
    return None


def sign(_version: Version, secret: SecureBytes, data: Buffer, _extra: None) -> bytes:
    """The signature of data."""
    return ed25519_sign(secret, data)


def agree(_version: Version, secret: SecureBytes, peer: bytes, extra: tuple[bytes, int, Arena | None]) -> SecureBytes:
    """A key from X25519 and HKDF, bound to both public keys in the order of their bytes, and the context."""
    context, length, arena = extra
    both = sorted((x25519_public_key(secret), peer))
    info = b"securemem agree 1" + b"".join(both) + context
    with held(x25519_exchange(secret, peer)) as shared:
        return kdf.hkdf(shared, length, info=info, arena=arena)


def derive(_version: Version, secret: SecureBytes, info: bytes, length: int) -> SecureBytes:
    """Length bytes by HKDF."""
    return kdf.hkdf(secret, length, info=info)


@contextmanager
def held(secret: SecureBytes) -> Iterator[SecureBytes]:
    """A secret for the length of a with statement, then discarded; its own would hide an error behind ExportedError."""
    try:
        yield secret
    finally:
        discard(secret)


def discard(secret: SecureBytes) -> None:
    """Wipe a secret now, or, where a view of it is open still, when that is released."""
    with suppress(ExportedError):
        secret.wipe()
