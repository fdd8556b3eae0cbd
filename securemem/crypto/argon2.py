"""Argon2id (RFC 9106): keys from passwords, at a cost in memory that guessing has to pay too.

Through argon2-cffi-bindings (`pip install 'securemem[argon2]'`), whose reference C code is given the password and the
result in place, and zeroes its memory. cryptography's Argon2id keeps a copy of the password and is not used.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from securemem._binding.memory import bytes_of
from securemem._binding.operations import operate
from securemem._frozen import Frozen
from securemem.crypto._argon2_bindings import ffi, lib
from securemem.crypto._workspace import DEEP, check_integer, check_length, check_secret
from securemem.exceptions import InvalidArgumentError, OutOfMemoryError, SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = ["Cost", "argon2id", "calibrate"]

_LEAST_KIB, _MOST_KIB = 8, 4 * 1024 * 1024
_MOST_PASSES = 2**16
_LEAST_SALT, _MOST_SALT = 8, 2**16
_SHORTEST_KEY = 4


class Cost(Frozen):
    """What one derivation costs. Store it beside the salt: the same cost is needed to derive the key again.

    memory_kib: KiB of memory, from 8 to 4,194,304 (4 GiB). passes: over it, from 1 to 65,536. One lane, always.
    The defaults are the second recommendation of RFC 9106, with one lane.

    Raises InvalidArgumentError for a cost out of these bounds, TypeError for what is no integer.
    """

    memory_kib: int = 64 * 1024
    passes: int = 3

    def __post_init__(self) -> None:
        """Bound the cost, which may come from a file that someone else wrote."""
        if not _LEAST_KIB <= check_integer(self.memory_kib, "memory_kib") <= _MOST_KIB:
            raise InvalidArgumentError(f"memory_kib must be from {_LEAST_KIB} to {_MOST_KIB}")
        if not 1 <= check_integer(self.passes, "passes") <= _MOST_PASSES:
            raise InvalidArgumentError(f"passes must be from 1 to {_MOST_PASSES}")


_DEFAULT = Cost()


def argon2id(
    password: SecureBytes, salt: Buffer, length: int = 32, *, cost: Cost = _DEFAULT, arena: Arena | None = None
) -> SecureBytes:
    """Derive length bytes (4 to 2**20) from a password, into a SecureBytes. Other Python threads run meanwhile.

    salt: random and public, from 8 bytes on; 16 are usual. The working memory is not locked; it holds nothing of the
    password, but the key could be computed from its end, and so it is zeroed when the function returns.

    Raises SizeError for a salt or length out of bounds, OutOfMemoryError where the working memory cannot be had,
    WipedError or ForkedError when the password cannot be read, and TypeError for an argument of another type.
    """
    check_secret(password, "the password")
    if not isinstance(cost, Cost):
        raise TypeError(f"cost must be an argon2.Cost, not {type(cost).__name__}")
    plain_salt = bytes_of(salt, "salt")
    if not _LEAST_SALT <= len(plain_salt) <= _MOST_SALT:
        raise SizeError(f"the salt has {len(plain_salt)} bytes: it must have from {_LEAST_SALT} to {_MOST_SALT}")
    if check_length(length) < _SHORTEST_KEY:
        raise SizeError(f"Argon2 derives keys of {_SHORTEST_KEY} bytes or more, not of {length}")
    return operate(DEEP, _derive, password, plain_salt, length, cost, arena)


def _derive(
    scope: Scope, password: SecureBytes, salt: bytes, length: int, cost: Cost, arena: Arena | None
) -> SecureBytes:
    result = SecureBytes.zeros(length, arena=arena)
    # They hold the views for as long as they live: to the end of this function, or its frame's clearing.
    source = ffi.from_buffer("uint8_t[]", scope.read(password, "the password"))
    target = ffi.from_buffer("uint8_t[]", scope.write(result, "the result"))
    salt_bytes = ffi.from_buffer("uint8_t[]", salt)
    context = ffi.new(
        "argon2_context *",
        {
            "version": lib.ARGON2_VERSION_13,
            "out": target,
            "outlen": length,
            "pwd": source,
            "pwdlen": len(source),
            "salt": salt_bytes,
            "saltlen": len(salt),
            "t_cost": cost.passes,
            "m_cost": cost.memory_kib,
            "lanes": 1,
            "threads": 1,
            "flags": 0,
        },
    )
    status = lib.argon2_ctx(context, lib.Argon2_id)
    if status == lib.ARGON2_MEMORY_ALLOCATION_ERROR:
        raise OutOfMemoryError(f"no {cost.memory_kib} KiB of memory for Argon2id: free some, or lower the cost")
    if status != lib.ARGON2_OK:
        raise InvalidArgumentError(f"Argon2id refused: {ffi.string(lib.argon2_error_message(status)).decode()}")
    return result


def calibrate(target_seconds: float, *, memory_kib: int = 64 * 1024) -> Cost:
    """The cost that takes about target_seconds (from 0.001 to 60) on this machine as busy as it is now.

    memory_kib is used if one pass over it is fast enough, else halved until it is, down to 8 MiB; then as many passes
    as fit, one at least. Takes a few times target_seconds. Raises InvalidArgumentError for a target or memory out of
    bounds.
    """
    if not isinstance(target_seconds, int | float):
        raise TypeError(f"target_seconds must be a number, not {type(target_seconds).__name__}")
    if not 0.001 <= target_seconds <= 60:  # noqa: PLR2004 - the bounds named in the docstring
        raise InvalidArgumentError("target_seconds must be from 0.001 to 60")
    cost = Cost(memory_kib, 1)
    with SecureBytes.random(16) as password:
        seconds = _seconds(password, cost)
        while seconds > target_seconds and cost.memory_kib >= 2 * _SMALL_KIB:
            cost = Cost(cost.memory_kib // 2, 1)
            seconds = _seconds(password, cost)
        # The first pass also asks the kernel for the memory: the others are measured apart from it.
        further = max((_seconds(password, Cost(cost.memory_kib, 3)) - seconds) / 2, 1e-6)
    passes = 1 + int(max(0.0, target_seconds - seconds) / further)
    return Cost(cost.memory_kib, min(passes, _MOST_PASSES))


_SMALL_KIB = 8 * 1024


def _seconds(password: SecureBytes, cost: Cost) -> float:
    start = time.perf_counter()
    argon2id(password, bytes(16), cost=cost).wipe()
    return time.perf_counter() - start
