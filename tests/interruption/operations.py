"""The table of all operations that are interrupted, and of the driver's controls."""

from __future__ import annotations

from tests.interruption import (
    crypto_operations,
    defects,
    doors_operations,
    keystore_operations,
    secure_bytes_operations,
    store_operations,
)

OPERATIONS = [
    *secure_bytes_operations.OPERATIONS,
    *crypto_operations.OPERATIONS,
    *keystore_operations.OPERATIONS,
    *store_operations.OPERATIONS,
    *doors_operations.OPERATIONS,
]
EVERY = {one.name: one for one in [*OPERATIONS, *defects.OPERATIONS]}
# What is known to fail, and what mends it.
_SESSION = "a session that the interrupted program still holds keeps its key expanded in ordinary memory, as documented"
OWED: dict[str, str] = {
    "KeyStore: session.decrypt": _SESSION,
    "KeyStore: lock with a session": _SESSION,
}
