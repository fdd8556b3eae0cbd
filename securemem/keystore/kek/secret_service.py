"""A key-encryption key in the desktop's keyring (GNOME Keyring, KWallet, KeePassXC), which a login unlocks.

secretstorage takes and gives bytes: copies of 32 bytes that the keyring keeps (not of the root key) pass through
ordinary memory, encrypted on the bus. How many stay is in the guide to key services.
Source: the Secret Service API (freedesktop.org).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jeepney
import secretstorage
from secretstorage.exceptions import ItemNotFoundException, SecretStorageException

from securemem import doors
from securemem.exceptions import KeyServiceError
from securemem.keystore.kek._service import AWAY, REFUSED, WRONG, ServiceKey

if TYPE_CHECKING:
    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["SecretService"]


class SecretService(ServiceKey):
    """Keys of 32 bytes in a keyring, one for each wrapping, found again by an attribute.

    connection: of `secretstorage.dbus_init()`.
    label: what the user reads beside the entry in the keyring.
    attempts: how often the keyring is asked while it does not answer.

    A wrapping that is given up leaves its entry in the keyring: `forget(wrapped)` deletes it.

    Raises InvalidArgumentError for no attempts.
    """

    __slots__ = ("_connection", "_label")
    _MAGIC = b"sks\x01"
    _NAME = "the keyring"

    def __init__(self, connection: Any, label: str = "Key of a securemem store", *, attempts: int = 2) -> None:
        super().__init__(attempts)
        self._connection = connection
        self._label = label

    def forget(self, wrapped: bytes) -> None:
        """Delete the entry that can unwrap this: nothing else can, ever again.

        Raises DecryptionError for what wrap() did not give or was forgotten before, KeyServiceError as wrap().
        """
        sealed, _ = self._parts(wrapped)
        self._asked(lambda: self._found(sealed).delete(), WRONG)

    def _collection(self) -> Any:
        collection = secretstorage.get_default_collection(self._connection)
        if collection.is_locked() and collection.unlock():
            raise KeyServiceError("the keyring is locked, and its prompt was dismissed: unlock it and try again")
        return collection

    def _seal(self, _scope: Scope, own: SecureBytes, _context: bytes) -> bytes:
        name = uuid4().bytes
        attributes = {"application": "securemem", "key": name.hex()}
        create = self._collection().create_item
        doors.with_bytes(
            own, lambda plain: create(self._label, attributes, plain, content_type="application/octet-stream")
        )
        return name

    def _found(self, sealed: bytes) -> Any:
        """The entry of one wrapping."""
        for item in self._collection().search_items({"application": "securemem", "key": sealed.hex()}):
            return item
        raise ItemNotFoundException("there is no such entry")

    def _unseal(self, scope: Scope, sealed: bytes, _context: bytes, own: SecureBytes) -> None:
        item = self._found(sealed)
        scope.receive(scope.write(own, "the key"), item.get_secret)

    def _judged(self, error: Exception) -> str | None:
        if isinstance(error, ItemNotFoundException):
            return WRONG
        if isinstance(error, (OSError, jeepney.DBusErrorResponse, TimeoutError)) and not isinstance(
            error, KeyServiceError
        ):
            return AWAY
        return REFUSED if isinstance(error, SecretStorageException) else None

    def __repr__(self) -> str:
        """Tell the label."""
        return f"<SecretService: {self._label!r}>"
