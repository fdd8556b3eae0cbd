"""A key-encryption key from a passphrase, by Argon2id (RFC 9106)."""

from __future__ import annotations

import struct
from os import urandom

from securemem._binding.gates import apply
from securemem._binding.operations import operate
from securemem.crypto._workspace import check_secret
from securemem.crypto.aead import Key
from securemem.crypto.argon2 import Cost, argon2id
from securemem.exceptions import DecryptionError, InvalidArgumentError
from securemem.keystore._header import not_decrypted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Self

    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["Passphrase"]

_MAGIC = b"smp\x01"
_HEAD = struct.Struct(">4sII16s")  # magic and version, memory_kib, passes, salt
_DEFAULT = Cost()
_HIGHEST = Cost(memory_kib=1024 * 1024, passes=64)


class Passphrase:
    """A passphrase that wraps or unwraps the root key of a store, once.

    secret: the passphrase. It is wiped by the one wrap() or unwrap(), whether it was right or wrong, and at the end of
        a with statement: read it anew for each unlocking.
    cost: of what wrap() writes; it is kept beside the wrapped key, so that unwrap() knows it.
    highest: the highest cost that unwrap() accepts from a wrapped key, which someone else may have written; 1 GiB and
        64 passes unless given.

    Raises TypeError, WipedError or ForkedError when the secret cannot be read.
    """

    __slots__ = ("_cost", "_highest", "_salt", "_secret")

    def __init__(self, secret: SecureBytes, *, cost: Cost = _DEFAULT, highest: Cost = _HIGHEST) -> None:
        check_secret(secret, "the passphrase")
        _check_cost(cost, highest)
        self._secret = secret
        self._salt = urandom(16)
        self._cost = cost
        self._highest = highest

    def wrap(self, key: SecureBytes, context: bytes) -> bytes:
        """Encrypt a key under the passphrase, which is wiped.

        Raises OutOfMemoryError where Argon2id cannot have its memory, WipedError when the passphrase was used before.
        """
        return operate(0, self._wrap, key, context)

    def _wrap(self, scope: Scope, key: SecureBytes, context: bytes) -> bytes:
        scope.at_end((apply, (self._secret,)))
        salt = self._salt
        head = _HEAD.pack(_MAGIC, self._cost.memory_kib, self._cost.passes, salt)
        return head + Key(argon2id(self._secret, salt, cost=self._cost)).encrypt(key, head + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:
        """Decrypt what wrap() gave. The passphrase is wiped.

        Raises DecryptionError for another passphrase or context, or what was changed; InvalidArgumentError for a cost
        above the highest, OutOfMemoryError and WipedError as wrap().
        """
        return operate(0, self._unwrap, wrapped, context)

    def _unwrap(self, scope: Scope, wrapped: bytes, context: bytes) -> SecureBytes:
        scope.at_end((apply, (self._secret,)))
        head, salt, cost = self._read(wrapped)
        key = Key(argon2id(self._secret, salt, cost=cost))
        return key.decrypt(memoryview(wrapped)[_HEAD.size :], head + context)

    def beside(self, others: Sequence[bytes]) -> None:
        """Let wrap() take the salt of one of the others of the same cost: one derivation then tries all of them."""
        for one in others:
            if one.startswith(_MAGIC) and len(one) >= _HEAD.size:
                _, memory_kib, passes, salt = _HEAD.unpack_from(one)
                if (memory_kib, passes) == (self._cost.memory_kib, self._cost.passes):
                    self._salt = salt

    def unwrap_any(self, wrapped: Sequence[bytes], context: bytes) -> SecureBytes:
        """Decrypt the first that this passphrase wrapped: one derivation for each salt and cost. It is wiped.

        Raises DecryptionError where it wrapped none of them, InvalidArgumentError for a cost above the highest,
         OutOfMemoryError and WipedError as wrap().
        """
        return operate(0, self._unwrap_any, wrapped, context)

    def _unwrap_any(self, scope: Scope, wrapped: Sequence[bytes], context: bytes) -> SecureBytes:
        scope.at_end((apply, (self._secret,)))
        derived: dict[bytes, SecureBytes] = {}
        for one in wrapped:
            if len(one) < _HEAD.size or not one.startswith(_MAGIC):
                continue
            head, salt, cost = self._read(one)
            if head not in derived:
                derived[head] = argon2id(self._secret, salt, cost=cost)
            try:
                return Key(derived[head]).decrypt(memoryview(one)[_HEAD.size :], head + context)
            except DecryptionError:
                continue
        raise not_decrypted()

    def _read(self, wrapped: bytes) -> tuple[bytes, bytes, Cost]:
        """The head of what wrap() gave, and the salt and cost in it."""
        if len(wrapped) < _HEAD.size or not wrapped.startswith(_MAGIC):
            raise not_decrypted()
        _, memory_kib, passes, salt = _HEAD.unpack_from(wrapped)
        cost = Cost(memory_kib, passes)
        _check_cost(cost, self._highest)
        return wrapped[: _HEAD.size], salt, cost

    def __enter__(self) -> Self:
        """Return the passphrase itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wipe it, if it was not used."""
        apply((self._secret,))

    def __repr__(self) -> str:
        """Tell the cost, and nothing of the passphrase."""
        return f"<Passphrase: Argon2id, {self._cost.memory_kib} KiB, {self._cost.passes} passes>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a Passphrase cannot be pickled or copied")


def _check_cost(cost: Cost, highest: Cost) -> None:
    for name, given in (("cost", cost), ("highest", highest)):
        if not isinstance(given, Cost):
            raise TypeError(f"{name} must be a securemem.crypto.argon2.Cost, not {type(given).__name__}")
    if cost.memory_kib > highest.memory_kib or cost.passes > highest.passes:
        raise InvalidArgumentError(
            f"the cost of {cost.memory_kib} KiB and {cost.passes} passes is above the highest that this Passphrase "
            f"accepts, {highest.memory_kib} KiB and {highest.passes} passes: give another `highest`"
        )
