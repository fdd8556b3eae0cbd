"""A cipher that is kept between messages, for hot loops: faster, and a copy of the key lies unlocked meanwhile.

`aead` builds a cipher for each message and drops it, so that nothing stays. Here cryptography holds the expanded key
in ordinary memory from the making to close(): choose it knowing that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from securemem._binding.memory import wipe
from securemem.crypto._ciphers import NOT_DECRYPTED, TOO_LONG, check_key
from securemem.crypto._workspace import DEPTH, scrub
from securemem.crypto._xaes import XAES256GCM, KeptXAES256GCM
from securemem.exceptions import DecryptionError, SizeError, WipedError

if TYPE_CHECKING:
    from securemem.crypto._ciphers import Algorithm, Cipher
    from securemem.secure_bytes import SecureBytes

__all__ = ["USE_DEPTH", "PreparedCipher"]

# A prepared cipher goes less deep than the making of one, and never deeper than 6.2 KiB (docs/reference/crypto.md).
USE_DEPTH = 12 * 1024


class PreparedCipher:
    """A cipher for many messages under one key. The caller answers for the nonces.

    XAES reads the key in place too, so that its page is open until close(). May be used by several threads at once;
    close() while one is at work takes effect when that ends. cipher: cryptography's object, None after close(); who
    uses it by itself scrubs USE_DEPTH bytes of the stack after each message.
    """

    __slots__ = ("cipher",)
    cipher: Cipher | None

    def __init__(self, algorithm: Algorithm, key: SecureBytes) -> None:
        check_key(algorithm, key)
        view = memoryview(key)
        self.cipher = None
        try:
            cipher = algorithm.cipher(view)
            if isinstance(cipher, XAES256GCM):
                cipher = KeptXAES256GCM(view, cipher.commitment)
            self.cipher = cipher
        finally:
            if not isinstance(self.cipher, KeptXAES256GCM):
                view.release()
            scrub(DEPTH)

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self.cipher is None

    def close(self) -> None:
        """Drop the cipher and what it holds of the key; may be called again."""
        cipher, self.cipher = self.cipher, None
        if isinstance(cipher, KeptXAES256GCM):
            cipher.close()
        cipher = None
        scrub(DEPTH)

    def encrypt(self, nonce: bytes, data: memoryview, aad: bytes) -> bytes:
        """Ciphertext, tag, and commitment where the algorithm has one. Raises WipedError after close()."""
        cipher = self.cipher
        if cipher is None:
            raise _closed()
        try:
            return cipher.encrypt(nonce, data, memoryview(aad))
        except OverflowError:
            raise SizeError(TOO_LONG) from None
        finally:
            cipher = None  # a traceback that is kept is not to keep the key
            scrub(USE_DEPTH)

    def encrypt_into(self, nonce: bytes, data: memoryview, aad: bytes, out: memoryview) -> None:
        """The same into a buffer of exactly that size."""
        cipher = self.cipher
        if cipher is None:
            raise _closed()
        try:
            cipher.encrypt_into(nonce, data, memoryview(aad), out)
        except OverflowError:
            raise SizeError(TOO_LONG) from None
        finally:
            cipher = None  # a traceback that is kept is not to keep the key
            scrub(USE_DEPTH)

    def decrypt_into(self, nonce: bytes, sealed: memoryview, aad: bytes, out: memoryview) -> None:
        """Decrypt into a buffer of exactly the plaintext's size; DecryptionError, out being wiped, if not authentic."""
        cipher = self.cipher
        if cipher is None:
            raise _closed()
        authentic = False
        try:
            cipher.decrypt_into(nonce, sealed, memoryview(aad), out)
            authentic = True
        except InvalidTag:
            pass  # raised below, where no context is chained
        except OverflowError:
            raise SizeError(TOO_LONG) from None
        finally:
            cipher = None
            if not authentic:
                wipe(out)
            scrub(USE_DEPTH)
        if not authentic:
            raise DecryptionError(NOT_DECRYPTED)


def _closed() -> WipedError:
    return WipedError("this cipher was closed, and its key forgotten")
