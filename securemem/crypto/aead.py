"""Authenticated encryption under a key in locked memory: nonces are made inside, and counted where they run out.

A ciphertext is nonce ‖ encrypted bytes ‖ tag, and for KC-XAES-256-GCM ‖ commitment. It is no secret, and plain bytes.
"""

from __future__ import annotations

from operator import index, length_hint
from typing import TYPE_CHECKING

from securemem.crypto._ciphers import AlgorithmName, algorithm_named, check_key
from securemem.crypto._counts import shared_tickets
from securemem.exceptions import SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing import NoReturn

    from typing_extensions import Buffer

    from securemem.arenas import Arena

__all__ = ["AlgorithmName", "Key"]

_MET = 2**32  # random nonces of 96 bits


class Key:
    """A secret that encrypts by one algorithm, and the count of the messages it encrypted.

    secret: the key, used in place and not copied: 32 bytes, 16 for AES-128-GCM, 64 for AES-256-SIV. Who
        made it wipes it.
    algorithm: "KC-XAES-256-GCM" (192-bit nonces, and a 32-byte commitment: a ciphertext opens under one key only),
        "XAES-256-GCM", "AES-256-GCM", "AES-128-GCM", "AES-256-GCM-SIV", "ChaCha20-Poly1305" or "AES-256-SIV".
    messages: how many it encrypted before, where the key is older than this object.

    AES-256-SIV has random 128-bit nonces and a limit of 2**48 messages; the four before it random 96-bit nonces, and a
    limit of 2**32, which holds over this process and the children that it forks (in an arena with fork="inherit"). Each
    operation builds its cipher, or with the crypto heap on has it ready in locked memory, drops
    it, then clears vector registers and dead stack: no copy of the key or the plaintext is left. While it runs,
    cryptography holds the expanded key in unlocked memory.

    Every operation raises WipedError or ForkedError when the key, data or out cannot be read, TypeError for what is not
    bytes-like, SourceError for a buffer in pieces, and SizeError for more than 2**31 - 1 bytes. One that fails leaves
    no view open, and wipes the buffer that it was to write to.

    Sources: NIST SP 800-38D (GCM), RFC 8452 (GCM-SIV), RFC 8439 (ChaCha20-Poly1305), RFC 5297 (SIV),
    C2SP XAES-256-GCM and ePrint 2025/758 (XAES, and its commitment).

    Raises InvalidArgumentError for an algorithm that does not exist, SizeError for a key of another size or a negative
    count.
    """

    __slots__ = ("__weakref__", "_algorithm", "_cipher", "_overhead", "_secret", "_tickets")

    def __init__(self, secret: SecureBytes, algorithm: AlgorithmName = "KC-XAES-256-GCM", *, messages: int = 0) -> None:
        """Check the key against the algorithm."""
        self._algorithm = algorithm_named(algorithm)
        check_key(self._algorithm, secret)
        most = self._algorithm.most_messages
        if not 0 <= index(messages) <= most:
            raise SizeError(f"messages is how many the key encrypted before: 0 or more, up to {most}")
        self._secret = secret
        self._cipher = self._algorithm.cipher
        self._overhead = self._algorithm.nonce_size + self._algorithm.overhead
        # One for each message left; to take one is a single step for all threads. A limit that can be met holds over
        # forked children too.
        self._tickets = shared_tickets(messages, most) if most <= _MET else iter(range(messages, most))

    @classmethod
    def generate(cls, algorithm: AlgorithmName = "KC-XAES-256-GCM", *, arena: Arena | None = None) -> Key:
        """A key with a new random secret, in the given arena or the default one."""
        return cls(SecureBytes.random(algorithm_named(algorithm).key_size, arena=arena), algorithm)

    @property
    def secret(self) -> SecureBytes:
        """The key itself."""
        return self._secret

    @property
    def algorithm(self) -> AlgorithmName:
        """The name of the algorithm."""
        return self._algorithm.name

    @property
    def messages(self) -> int:
        """How many messages the key encrypted; those of forked children count where there is a limit of 2**32."""
        return self._algorithm.most_messages - length_hint(self._tickets)

    @property
    def overhead(self) -> int:
        """How many bytes a ciphertext has more than its plaintext."""
        return self._overhead

    def __repr__(self) -> str:
        """Name the algorithm, and nothing of the key."""
        return f"<Key: {self._algorithm.name}, {self.messages} messages>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a Key cannot be pickled or copied: its messages would be counted twice")

    def encrypt(self, data: Buffer, aad: Buffer = b"") -> bytes:
        """Encrypt data, and authenticate it together with aad (associated data, not in the ciphertext).

        Raises KeyExhaustedError when the key may encrypt no more.
        """
        return self._cipher.seal(self._secret, b"", self._tickets, data, aad)

    def encrypt_into(self, data: Buffer, out: Buffer, aad: Buffer = b"") -> None:
        """Encrypt into a writable buffer of exactly len(data) + overhead bytes, which must not overlap data.

        Raises SizeError for another size, KeyExhaustedError when the key may encrypt no more.
        """
        self._cipher.seal_into(self._secret, b"", self._tickets, data, aad, out)

    def decrypt(self, ciphertext: Buffer, aad: Buffer = b"", *, arena: Arena | None = None) -> SecureBytes:
        """Decrypt into a new SecureBytes, in the given arena or the default one.

        Raises DecryptionError, always with the same message, when the ciphertext is not authentic; SizeError when its
        plaintext is empty, as no secret is: decrypt_into() takes an empty buffer.
        """
        return self._cipher.open(self._secret, 0, None, ciphertext, aad, arena)

    def decrypt_into(self, ciphertext: Buffer, out: Buffer, aad: Buffer = b"") -> None:
        """Decrypt into a writable buffer of exactly len(ciphertext) - overhead bytes; it must not overlap ciphertext.

        Raises DecryptionError, out being wiped, when the ciphertext is not authentic; SizeError for another size.
        """
        self._cipher.open_into(self._secret, 0, None, ciphertext, aad, out)
