"""A key made ready for many messages: what that gains in speed it pays with a copy of the key that lies unlocked."""

from __future__ import annotations

from securemem.keystore import _boxes
from securemem.keystore._header import HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn, Self

    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.keystore._boxes import Kept
    from securemem.keystore._gate import Keeper
    from securemem.keystore._stored import Use, Version
    from securemem.secure_bytes import SecureBytes

__all__ = ["Session"]


class Session:
    """A key's primary version, ready for a hot loop; made by KeyHandle.session(), and ended by its with statement.

    While it lasts, cryptography holds the expanded key in ordinary memory, and for XAES the key's page is open. It ends
    too when the store is locked, or its version disabled, destroyed or deleted. After a rotation it only decrypts: end
    it, and take a new one. Boxes, policy, limits and audit are those of the handle. Several threads may share it.
    """

    __slots__ = ("__weakref__", "_keeper", "_kept", "_use")

    def __init__(self, kept: Kept, keeper: Keeper) -> None:
        self._kept = kept
        self._keeper = keeper
        self._use: Use = kept.version.key.use

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._kept.value is None

    def end(self) -> None:
        """Drop the prepared cipher; may be called again."""
        self._kept.end()

    def encrypt(self, data: Buffer, context: bytes = b"") -> bytes:
        """As KeyHandle.encrypt(); KeyPolicyError after the end of the session."""
        return self._use(_boxes.encrypt_kept, self._kept, data, context)

    def encrypt_into(self, data: Buffer, out: Buffer, context: bytes = b"") -> None:
        """As KeyHandle.encrypt_into(); KeyPolicyError after the end of the session."""
        self._use(_boxes.encrypt_into_kept, self._kept, data, out, context)

    def _other_version(self, box: Buffer) -> Version | None:
        """The version that made a box, unless it is the session's own; DecryptionError where none of this key did."""
        kept = self._kept
        if type(box) is bytes and box[:HEADER] == kept.header:
            return None
        version = _boxes.version_of(kept.version.key, box)
        if kept.value is None and kept.version.key.contents.gate.is_open:
            kept.refuse()
        return None if version is kept.version else version

    def decrypt(self, box: Buffer, context: bytes = b"", *, arena: Arena | None = None) -> SecureBytes:
        """As KeyHandle.decrypt(), for boxes of all versions; KeyPolicyError after the end of the session."""
        other = self._other_version(box)
        if other is not None:
            return self._use(_boxes.decrypt, other, box, context, arena)
        return self._use(_boxes.decrypt_kept, self._kept, box, context, arena)

    def decrypt_into(self, box: Buffer, out: Buffer, context: bytes = b"") -> None:
        """As KeyHandle.decrypt_into(), for boxes of all versions; KeyPolicyError after the end of the session."""
        other = self._other_version(box)
        if other is not None:
            self._use(_boxes.decrypt_into, other, box, out, context)
        else:
            self._use(_boxes.decrypt_into_kept, self._kept, box, out, context)

    @property
    def version(self) -> int:
        """The number of the version that it encrypts with."""
        return self._kept.version.facts.number

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End it."""
        self._kept.end()

    def __repr__(self) -> str:
        """Name the key and its version, and nothing of the key."""
        return f"<Session: {self._kept.version.key.name!r} version {self.version}{', ended' if self.ended else ''}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a Session cannot be pickled or copied: it holds a key")
