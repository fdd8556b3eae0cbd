"""Envelope encryption without a store: each box carries the data key it was made with, wrapped by a service or device.

A box is "smv" 01 ‖ the length of the wrapped data key in two bytes, big-endian ‖ the wrapped data key ‖ a ciphertext of
KC-XAES-256-GCM, which authenticates all that is before it, and the aad. It opens under one data key only (commitment).
"""

from __future__ import annotations

from operator import index
from time import monotonic

from securemem._binding.gates import apply
from securemem._binding.operations import operate
from securemem._binding.tickets import Tickets
from securemem.crypto._workspace import check_secret
from securemem.crypto.aead import Key
from securemem.exceptions import ForkedError, InvalidArgumentError, WipedError
from securemem.keystore._header import not_decrypted
from securemem.keystore.kek._checks import check_kek, wrapped_by
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Self

    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena
    from securemem.keystore.kek import KeyEncryptionKey

__all__ = ["Envelope"]

_MAGIC = b"smv\x01"
_START = len(_MAGIC) + 2  # of the wrapped data key
_KEY_SIZE = 32
_CONTEXT = b"securemem envelope 1\0"  # before the caller's, so that no root key of a store opens as a data key


class _DataKey:
    """A data key, the head of its boxes, since when it is here, and a ticket for each message it may yet encrypt."""

    __slots__ = ("born", "head", "key", "secret", "tickets")

    def __init__(self, secret: SecureBytes, head: bytes, messages: int) -> None:
        self.secret = secret
        self.key = Key(secret)
        self.head = head
        self.born = monotonic()
        self.tickets = Tickets(messages)

    def usable(self, max_age: float) -> bool:
        """Whether it is young enough, and in this process's memory still."""
        try:
            return monotonic() - self.born < max_age and not self.secret.wiped
        except ForkedError:
            return False


class Envelope:
    """Encrypts under data keys that a key-encryption key wraps; each box carries its own data key, wrapped.

    One request to the key service is needed for a data key, not for a message: a data key encrypts messages until it
    is max_age seconds old or encrypted max_messages, and data keys of boxes that were opened are kept as long. All of
    them are 32 bytes in locked memory. They are wiped by clear(), at the end of a with statement, and when the last
    use of one that is not kept any more is over. A forked child asks for its own; in arenas with fork="inherit" it has
    those that its parent had, and opens boxes with them.

    kek: a key-encryption key, by whose wrap() and unwrap() data keys pass.
    context: what boxes are for, such as b"invoices": the key-encryption key binds it, and a box of another context does
        not open. It is not in the box.
    max_age: seconds after which a data key is not used any more.
    max_messages: how many one data key encrypts.
    max_keys: how many data keys of opened boxes are kept; 0 for none.
    arena: where new data keys lie, the default one unless given; unwrapped ones lie where unwrap() puts them.

    Threads may use one Envelope at once where its key-encryption key serves threads at once: a KeyFile and a Transit
    do, a Pkcs11 does not. Two that need a data key at the same moment may each ask for one.

    Raises TypeError for what is no key-encryption key, InvalidArgumentError for numbers out of bounds.
    """

    __slots__ = ("_arena", "_context", "_current", "_kek", "_max_age", "_max_keys", "_max_messages", "_opened")

    def __init__(
        self,
        kek: KeyEncryptionKey,
        *,
        context: bytes = b"",
        max_age: float = 300.0,
        max_messages: int = 2**20,
        max_keys: int = 100,
        arena: Arena | None = None,
    ) -> None:
        check_kek(kek)
        if not isinstance(context, bytes):
            raise TypeError(f"a context is bytes, such as b'invoices', not {type(context).__name__}")
        if not max_age > 0 or index(max_messages) < 1 or index(max_keys) < 0:
            raise InvalidArgumentError("max_age is above 0 seconds, max_messages 1 or more, max_keys 0 or more")
        self._kek = kek
        self._context = _CONTEXT + context
        self._max_age = max_age
        self._max_messages = max_messages
        self._max_keys = max_keys
        self._arena = arena
        self._current: _DataKey | None = None
        self._opened: dict[bytes, _DataKey] = {}

    def encrypt(self, data: Buffer, aad: Buffer = b"") -> bytes:
        """Encrypt data into a box, and authenticate it together with aad (associated data, not in the box).

        data: any bytes-like, such as a SecureBytes; it is left as it is. The box has 78 bytes more, and the
        wrapped data key.

        Raises what the key-encryption key's wrap() raises where a new data key is needed, TypeError for what is not
        bytes-like, SizeError for more than 2**31 - 1 bytes.
        """
        while True:
            current = self._current
            while current is None or not current.usable(self._max_age) or not _taken(current):
                current = self._current = operate(0, self._made)
            try:
                return current.head + current.key.encrypt(data, _bound(current.head, aad))
            except WipedError:
                if not current.secret.wiped:
                    raise  # the caller's data; a data key that another thread's clear() wiped is replaced

    def decrypt(self, box: Buffer, aad: Buffer = b"", *, arena: Arena | None = None) -> SecureBytes:
        """Decrypt a box into a new SecureBytes, in the given arena or the default one.

        Raises DecryptionError for a box that is not authentic, of another aad, context or key-encryption key; what the
        key-encryption key's unwrap() raises where the data key is not kept; SizeError where the plaintext is empty,
        TypeError for what is not bytes-like.
        """
        view = memoryview(box).cast("B")
        head = bytes(view[: _START + int.from_bytes(view[len(_MAGIC) : _START], "big")])
        if not head.startswith(_MAGIC) or len(head) <= _START:
            raise not_decrypted()
        while True:
            found = self._opened.get(head)
            if found is None or not found.usable(self._max_age):
                found = operate(0, self._unwrapped, head)
            try:
                return found.key.decrypt(view[len(head) :], _bound(head, aad), arena=arena)
            except WipedError:
                if not found.secret.wiped:
                    raise

    def clear(self) -> None:
        """Wipe all data keys; the next use asks for another one."""
        kept = [*self._opened.values()]
        if (current := self._current) is not None:
            kept.append(current)
        apply((self, "_current", None), (self, "_opened", {}), *((one.secret,) for one in kept))

    def _made(self, scope: Scope) -> _DataKey:
        secret = SecureBytes.random(_KEY_SIZE, arena=self._arena)
        # Frames of a foreign key-encryption key, which the traceback keeps, hold it too.
        scope.on_failure((apply, (secret,)))
        wrapped = wrapped_by(self._kek, secret, self._context)
        if len(wrapped) >= 2**16:
            raise InvalidArgumentError(
                f"the key-encryption key made {len(wrapped):,} bytes of a data key: a box has room for 65,535"
            )
        return _DataKey(secret, _MAGIC + len(wrapped).to_bytes(2, "big") + wrapped, self._max_messages)

    def _unwrapped(self, _scope: Scope, head: bytes) -> _DataKey:
        secret = self._kek.unwrap(head[_START:], self._context)
        check_secret(secret, "the data key that unwrap() gave", (_KEY_SIZE,))
        found = _DataKey(secret, head, 0)
        self._opened[head] = found
        for one in [*self._opened][: max(0, len(self._opened) - self._max_keys)]:
            self._opened.pop(one, None)
        return found

    def __enter__(self) -> Self:
        """Return the envelope itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wipe all data keys."""
        self.clear()

    def __repr__(self) -> str:
        """Tell how many data keys are kept, and nothing of them."""
        return f"<Envelope: {len(self._opened) + (self._current is not None)} data keys>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("an Envelope cannot be pickled or copied: make another one of its key-encryption key")


def _taken(key: _DataKey) -> bool:
    """Take a ticket; a single step for all threads. False: there is none left."""
    return next(key.tickets, key) is None


def _bound(head: bytes, aad: Buffer) -> bytes:
    """What the ciphertext authenticates: the head tells its own length, so no two pairs are the same bytes."""
    return head + (aad if isinstance(aad, bytes) else memoryview(aad).cast("B"))
