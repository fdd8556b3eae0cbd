"""The header before everything that a key encrypts; docs/reference/box-format.md has each byte.

A header is whole and fixed, so it is looked up as it is: what is not the header of a version opens nothing.
"""

from __future__ import annotations

from securemem.crypto._ciphers import NOT_DECRYPTED
from securemem.exceptions import DecryptionError

__all__ = ["BOX", "DESCRIPTOR", "HEADER", "KEY_ID", "STREAM", "WRAPPED", "header", "not_decrypted"]

HEADER = 24  # bytes
KEY_ID = 16
DESCRIPTOR = 1 + KEY_ID  # of a wrapped key: its algorithm's number and its id

BOX = 1
STREAM = 2
WRAPPED = 3

_MAGIC = b"smb\x01"  # the last byte is the version of the format


def header(kind: int, algorithm: int, key_id: bytes) -> bytes:
    """The header of a box, stream or wrapped key, made by the version of that id: 24 bytes."""
    return _MAGIC + bytes((algorithm, kind, 0, 0)) + key_id


def not_decrypted() -> DecryptionError:
    """What is raised for every wrong key, context, bit or length, so that none is told from another."""
    return DecryptionError(NOT_DECRYPTED)
