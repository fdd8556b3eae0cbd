"""The table of all operations that are interrupted, and of the driver's controls."""

from __future__ import annotations

from tests.interruption import (
    crypto_operations,
    defects,
    doors_operations,
    file_store_operations,
    kek_operations,
    process_operations,
    secure_bytes_operations,
    store_operations,
)

OPERATIONS = [
    *secure_bytes_operations.OPERATIONS,
    *crypto_operations.OPERATIONS,
    *store_operations.OPERATIONS,
    *file_store_operations.OPERATIONS,
    *kek_operations.OPERATIONS,
    *doors_operations.OPERATIONS,
    *process_operations.OPERATIONS,
]
EVERY = {one.name: one for one in [*OPERATIONS, *defects.OPERATIONS]}
