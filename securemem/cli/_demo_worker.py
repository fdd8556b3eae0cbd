"""The process that `securemem demo` attacks: it holds a key, encrypts and decrypts a file, and lets the key go.

It speaks to its parent over its standard streams. Out: the key, raw and straight from where it lies, then a line of
JSON at each moment at which it stands still; what fails goes to standard error. In: a byte, when it may go on.
"""

from __future__ import annotations

import json
import os
import sys

from securemem.cli._controls import round_trip_plain, round_trip_protected
from securemem.exceptions import SecureMemError
from securemem.secure_bytes import SecureBytes

KEY_BYTES = 32
_IN, _OUT = 0, 1


def _stand_still(**told: object) -> None:
    os.write(_OUT, json.dumps(told).encode() + b"\n")
    os.read(_IN, 1)


def _protected(descriptor: int) -> None:
    key = SecureBytes.random(KEY_BYTES)
    os.write(_OUT, key)
    _stand_still(protection=key.protection.as_dict())
    _stand_still(compared=round_trip_protected(descriptor, key))
    key.wipe()
    _stand_still()


def _plain(descriptor: int) -> None:
    key = os.urandom(KEY_BYTES)
    os.write(_OUT, key)
    _stand_still()
    _stand_still(compared=round_trip_plain(descriptor, key))
    del key
    _stand_still()


def main(kind: str, descriptor: int) -> int:
    """Be the worker of one kind, "plain" or "protected", on an open file; its exit status."""
    try:
        (_protected if kind == "protected" else _plain)(descriptor)
    except (SecureMemError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
