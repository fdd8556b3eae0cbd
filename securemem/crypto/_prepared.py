"""A cipher that is kept between messages, for hot loops: faster, and a copy of the key lies unlocked meanwhile.

`aead` builds a cipher for each message and drops it, so that nothing stays. Here cryptography holds the expanded key
in ordinary memory from the making to close(): choose it knowing that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem.crypto._ciphers import check_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem.crypto._ciphers import Algorithm
    from securemem.secure_bytes import SecureBytes

__all__ = ["USE_DEPTH", "PreparedCipher"]

USE_DEPTH = 12 * 1024


class PreparedCipher:
    """A cipher for many messages under one key. The caller answers for the nonces.

    May be used by several threads at once; close() while one is at work takes effect when that ends.
    """

    __slots__ = ("_cipher", "prepared")

    def __init__(self, algorithm: Algorithm, key: SecureBytes) -> None:
        check_key(algorithm, key)
        self._cipher = algorithm.cipher
        self.prepared = algorithm.cipher.prepare(key)

    @property
    def cipher(self) -> PreparedCipher | None:
        """Itself, until close()."""
        return None if self.closed else self

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self.prepared.closed

    def close(self) -> None:
        """Drop what cryptography holds of the key; may be called again."""
        self.prepared.close()

    def encrypt(self, nonce: bytes, data: Buffer, aad: Buffer) -> bytes:
        """Ciphertext, tag, and commitment where the algorithm has one. Raises WipedError after close()."""
        return self._cipher.seal(self.prepared, b"", nonce, data, aad)

    def encrypt_into(self, nonce: bytes, data: Buffer, aad: Buffer, out: Buffer) -> None:
        """Encrypt as encrypt() does, into a buffer of exactly that size, which is wiped on failure."""
        self._cipher.seal_into(self.prepared, b"", nonce, data, aad, out)

    def decrypt_into(self, nonce: bytes, sealed: Buffer, aad: Buffer, out: Buffer) -> None:
        """Decrypt into a buffer of exactly the plaintext's size; DecryptionError, out being wiped, if not authentic."""
        self._cipher.open_into(self.prepared, 0, nonce, sealed, aad, out)
