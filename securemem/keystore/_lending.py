"""A key lent to what takes it out of its store: wrapped by another key, or exported; if its policy lets it leave."""

from __future__ import annotations

from securemem._binding.operations import operate
from securemem.exceptions import KeyNotFoundError, KeyPolicyError
from securemem.keystore import _boxes
from securemem.keystore._stored import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec, TypeVar

    from securemem._types import Scope
    from securemem.keystore._stored import StoredKey, Version
    from securemem.secure_bytes import SecureBytes

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["lend", "wrap"]


def lend(
    key: StoredKey,
    operation: str,
    number: int | None,
    work: Callable[Concatenate[Version, SecureBytes, P], R],
    *args: P.args,
    **_: P.kwargs,
) -> R:
    """What the work makes of a version, the primary one unless it is numbered, and its key in clear."""
    return operate(0, _lent, key, operation, number, work, args)


def _lent(
    _scope: Scope, key: StoredKey, operation: str, number: int | None, work: Callable[..., R], args: tuple[object, ...]
) -> R:
    version: Version | None = None
    try:
        version = key.primary if number is None else key.numbered(number)
        result = key.contents.gate.run(_inside, version, work, args)
    except BaseException as error:
        key.contents.tell(operation, key, version, type(error).__name__)
        raise
    key.contents.tell(operation, key, version)
    return result


def _inside(version: Version, work: Callable[..., R], args: tuple[object, ...]) -> R:
    key = version.key
    if key.gone:
        raise KeyNotFoundError(f"key {key.name!r} was deleted")
    if not key.policy.extractable:
        raise KeyPolicyError(f"key {key.name!r} may not leave the store (extractable)")
    if version.facts.number == 0:
        raise KeyPolicyError(f"key {key.name!r} has no primary version: nothing can leave the store")
    if version.state in {State.DISABLED, State.DESTROYED}:
        raise KeyPolicyError(
            f"key {key.name!r} has version {version.facts.number} {version.state}: nothing can leave the store"
        )
    return work(version, key.contents.opened(version), *args)


def wrap(version: Version, secret: SecureBytes, by: StoredKey, context: bytes) -> bytes:
    """The lent key, wrapped by another one."""
    descriptor = version.key.algorithm.number.to_bytes(1, "big") + version.facts.key_id
    return by.use(_boxes.wrap, by.primary, secret, descriptor, context)
