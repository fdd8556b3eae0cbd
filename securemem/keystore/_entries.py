"""What is said of a name, as bytes to be sealed: which key or secret it is, its rules, and its versions."""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from securemem.keystore._stored import Facts, StoredKey

__all__ = ["of_key", "of_secret"]

_KEY, _SECRET = 1, 2
_VERSION = struct.Struct(">I16s16sBQQB")  # number, id, record, state, drawn, protected, length of the public key
_STATES = ("pending", "primary", "active", "disabled", "destroyed")


def _short(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def of_key(key: StoredKey, policy: bytes, versions: Iterable[Facts]) -> bytes:
    """A key with its rules and versions."""
    head = bytes((_KEY, key.algorithm.number)) + _short(key.name.encode()) + _short(policy)
    return head + b"".join(map(_of_version, versions))


def _of_version(facts: Facts) -> bytes:
    state, public = _STATES.index(facts.state), facts.public
    numbers = (facts.drawn, facts.protected, len(public))
    return _VERSION.pack(facts.number, facts.key_id, facts.record, state, *numbers) + public


def of_secret(name: str, value: bytes) -> bytes:
    """An opaque secret, and where it lies."""
    return bytes((_SECRET, 0)) + _short(name.encode()) + value
