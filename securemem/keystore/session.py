"""A key made ready for many messages: what that gains in speed it pays with a copy of the key that lies unlocked."""

from __future__ import annotations

from os import urandom
from threading import get_ident
from typing import TYPE_CHECKING

from securemem.crypto._ciphers import TOO_LONG
from securemem.crypto._prepared import USE_DEPTH, PreparedCipher
from securemem.crypto._workspace import bytes_view, scrub, writable_view
from securemem.exceptions import KeyPolicyError, SizeError
from securemem.keystore.box import HEADER
from securemem.keystore.work import box_target, cipher_of, open_new, parts

if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn, Self

    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.keystore.handle import KeyHandle
    from securemem.keystore.vault import Vault
    from securemem.keystore.versions import Entry, Version
    from securemem.secure_bytes import SecureBytes

__all__ = ["Session"]


def _prepare(version: Version, secret: SecureBytes, _data: bytes, _extra: None) -> tuple[Version, PreparedCipher]:
    return version, PreparedCipher(cipher_of(version), secret)


class Session:
    """A key's primary version, ready for a hot loop; made by KeyHandle.session(), and ended by its with statement.

    While it lasts, cryptography holds the expanded key in ordinary memory, and for XAES the key's page is open. It ends
    too when the store is locked, or its version disabled, destroyed or deleted. After a rotation it only decrypts: end
    it, and take a new one. Boxes, policy, limits and audit are those of the handle. Several threads may share it.
    """

    __slots__ = (
        "__weakref__",
        "_cipher",
        "_entry",
        "_handle",
        "_header",
        "_nonce_size",
        "_prepared",
        "_vault",
        "version",
    )

    def __init__(self, handle: KeyHandle, vault: Vault, entry: Entry) -> None:
        self._handle = handle
        self._vault = vault
        self._entry = entry
        version: Version
        self._prepared: PreparedCipher
        version, self._prepared = vault.use(entry, "session", None, _prepare, b"")
        self._nonce_size = cipher_of(version).nonce_size
        self._cipher = self._prepared.cipher
        self._header = version.header
        self.version = version
        vault.live.add(self)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._prepared.closed

    def end(self) -> None:
        """Drop the prepared cipher; may be called again."""
        self._cipher = None
        self._vault.live.discard(self)
        self._prepared.close()

    def _check(self) -> None:
        if self._vault.locked_because is not None:
            self._vault.refuse()
        if self._prepared.closed:
            raise KeyPolicyError(f"this session of key {self._entry.name!r} has ended: take a new one")

    def _encrypt(self, _version: Version, _secret: SecureBytes, data: Buffer, context: bytes) -> bytes:
        nonce, head = urandom(self._nonce_size), self._header
        return head + nonce + self._prepared.encrypt(nonce, memoryview(data), head + context)

    def encrypt(self, data: Buffer, context: bytes = b"") -> bytes:
        """As KeyHandle.encrypt(); KeyPolicyError after the end of the session."""
        # What Vault.use() does, without its calls: nowhere else does a microsecond count.
        vault, version = self._vault, self.version
        thread = get_ident()
        vault.in_use.append(thread)
        try:
            if (
                vault.is_quiet
                and version.is_plain
                and (cipher := self._cipher) is not None
                and next(version.tickets, None) is not None
            ):
                nonce, head = urandom(self._nonce_size), self._header
                return head + nonce + cipher.encrypt(nonce, data, head + context)
        except OverflowError:
            raise SizeError(TOO_LONG) from None
        finally:
            cipher = None  # a traceback that is kept is not to keep the key
            scrub(USE_DEPTH)
            vault.in_use.remove(thread)
        self._check()
        return vault.use(self._entry, "encrypt", version, self._encrypt, data, context)  # type: ignore[no-any-return]  # what _encrypt gives

    def _encrypt_into(self, version: Version, _secret: SecureBytes, data: Buffer, extra: tuple[bytes, Buffer]) -> None:
        context, out = extra
        source, nonce = bytes_view(data, "data"), urandom(self._nonce_size)
        target = box_target(version, nonce, source, out)
        self._prepared.encrypt_into(nonce, source, version.header + context, target)

    def encrypt_into(self, data: Buffer, out: Buffer, context: bytes = b"") -> None:
        """As KeyHandle.encrypt_into(); KeyPolicyError after the end of the session."""
        self._check()
        self._vault.use(self._entry, "encrypt", self.version, self._encrypt_into, data, (context, out))

    def _decrypt(
        self, version: Version, _secret: SecureBytes, box: memoryview, extra: tuple[bytes, Arena | None]
    ) -> SecureBytes:
        context, arena = extra
        nonce, sealed, size = parts(version, box)
        aad = version.header + context
        return open_new(size, arena, lambda out: self._prepared.decrypt_into(nonce, sealed, aad, out))

    def decrypt(self, box: Buffer, context: bytes = b"", *, arena: Arena | None = None) -> SecureBytes:
        """As KeyHandle.decrypt(), for boxes of all versions; KeyPolicyError after the end of the session."""
        self._check()
        view = bytes_view(box, "box")
        if view[:HEADER] != self.version.header:
            return self._handle.decrypt(box, context, arena=arena)
        return self._vault.use(self._entry, "decrypt", self.version, self._decrypt, view, (context, arena))  # type: ignore[no-any-return]  # what _decrypt gives

    def _decrypt_into(
        self, version: Version, _secret: SecureBytes, box: memoryview, extra: tuple[bytes, Buffer]
    ) -> None:
        context, out = extra
        nonce, sealed, size = parts(version, box)
        self._prepared.decrypt_into(nonce, sealed, version.header + context, writable_view(out, "out", size))

    def decrypt_into(self, box: Buffer, out: Buffer, context: bytes = b"") -> None:
        """As KeyHandle.decrypt_into(), for boxes of all versions; KeyPolicyError after the end of the session."""
        self._check()
        view = bytes_view(box, "box")
        if view[:HEADER] != self.version.header:
            self._handle.decrypt_into(box, out, context)
        else:
            self._vault.use(self._entry, "decrypt", self.version, self._decrypt_into, view, (context, out))

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End it."""
        self.end()

    def __repr__(self) -> str:
        """Name the key and its version, and nothing of the key."""
        return f"<Session: {self._entry.name!r} version {self.version.number}{', ended' if self.ended else ''}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a Session cannot be pickled or copied: it holds a key")
