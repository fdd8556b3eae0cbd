"""The rules of a key, fixed when it is made: what it may be used for, when, how often, and whether it may leave."""

from __future__ import annotations

from typing import Literal

from securemem._frozen import Frozen
from securemem.exceptions import InvalidArgumentError
from securemem.keystore._operations import USAGES, usages_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from securemem.keystore._algorithms import KeyAlgorithm

__all__ = ["Policy", "Usage"]

Usage = Literal["encrypt", "decrypt", "wrap", "unwrap", "mac", "verify_mac", "sign", "verify", "agree", "derive"]

_ALL = frozenset(USAGES)


class Policy(Frozen, kw_only=True):
    """What a key may be used for; it cannot be changed later, only its extractability be given up.

    usages: any of "encrypt" and "decrypt"; "wrap" and "unwrap"; "mac" and "verify_mac"; "sign" and "verify"; "agree";
        "derive". All of one purpose, that is of one of these groups. None: all that its algorithm is usually for.
    extractable: whether the key may be wrapped, and exported in clear.
    not_before, not_after: from when to when the key protects something new (encrypt, wrap, mac, sign, agree, derive);
        what it protected can be read afterwards too. With a time zone. The originator-usage period of NIST SP 800-57.
    max_messages, max_bytes: how much each version of the key protects at most; 1 or more. A stream is one message.

    Raises InvalidArgumentError for what contradicts itself, TypeError for other types.
    """

    usages: frozenset[Usage] | None = None
    extractable: bool = False
    not_before: datetime | None = None
    not_after: datetime | None = None
    max_messages: int | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        """Check every rule by itself and against the others."""
        if self.usages is not None:
            object.__setattr__(self, "usages", _checked_usages(self.usages))
        if not isinstance(self.extractable, bool):
            raise TypeError("extractable must be True or False")
        for name in ("not_before", "not_after"):
            _check_time(name, getattr(self, name))
        if self.not_before and self.not_after and self.not_before >= self.not_after:
            raise InvalidArgumentError("not_before must come before not_after: the key could never be used")
        for name in ("max_messages", "max_bytes"):
            _check_limit(name, getattr(self, name))

    def for_algorithm(self, algorithm: KeyAlgorithm) -> Policy:
        """The policy with its usages named, which must be what keys of the algorithm can be used for."""
        if self.usages is None:
            return self.__replace__(usages=usages_of(algorithm.purposes[0]))
        possible = [usages_of(purpose) for purpose in algorithm.purposes]
        if not any(self.usages <= one for one in possible):
            groups = " or ".join(_listed(one) for one in possible)
            raise InvalidArgumentError(f"a key for {algorithm.name} is for {groups}, not for {_listed(self.usages)}")
        return self

    @property
    def bounds_each_use(self) -> bool:
        """Whether time or bytes have to be looked at whenever the key protects something."""
        return self.max_bytes is not None or self.not_before is not None or self.not_after is not None

    def encoded(self) -> bytes:
        """The policy in one way to write it, to be authenticated together with the key."""
        times = [repr(one.timestamp()) if one else "" for one in (self.not_before, self.not_after)]
        limits = ["" if one is None else str(one) for one in (self.max_messages, self.max_bytes)]
        fields = [",".join(sorted(self.usages or ())), str(int(self.extractable)), *times, *limits]
        return ";".join(fields).encode()

    @classmethod
    def decoded(cls, encoded: bytes) -> Policy:
        """The policy that encoded() wrote so, its times in UTC; ValueError for anything else."""
        names, extractable, not_before, not_after, max_messages, max_bytes = encoded.decode("ascii").split(";")
        policy = cls(
            usages=frozenset(usage for usage in USAGES if usage in names.split(",")),
            extractable=extractable == "1",
            not_before=_read_time(not_before),
            not_after=_read_time(not_after),
            max_messages=int(max_messages) if max_messages else None,
            max_bytes=int(max_bytes) if max_bytes else None,
        )
        if policy.encoded() != encoded:
            raise ValueError("no policy is written so")
        return policy


def _listed(usages: Iterable[str]) -> str:
    return " and ".join(map(repr, sorted(usages)))


def _checked_usages(usages: Iterable[Usage]) -> frozenset[Usage]:
    if isinstance(usages, str):
        raise TypeError("usages must be a set of words, such as {'encrypt', 'decrypt'}")
    given = frozenset(usages)
    if unknown := given - _ALL:
        raise InvalidArgumentError(f"usages {_listed(unknown)} do not exist: choose from {_listed(_ALL)}")
    if not given or len({USAGES[one] for one in given}) > 1:
        raise InvalidArgumentError(f"a key has one purpose: usages {_listed(given) or 'of none'} are not of one")
    return given


def _read_time(text: str) -> datetime | None:
    if not text:
        return None
    from datetime import UTC, datetime  # noqa: PLC0415 - few policies have times

    return datetime.fromtimestamp(float(text), UTC)


def _check_time(name: str, time: datetime | None) -> None:
    if time is None:
        return
    from datetime import datetime  # noqa: PLC0415 - few policies have times

    if not isinstance(time, datetime):
        raise TypeError(f"{name} must be a datetime or None")
    if time.tzinfo is None:
        raise InvalidArgumentError(f"{name} must have a time zone: datetime.now(UTC) has one")


def _check_limit(name: str, limit: int | None) -> None:
    if limit is None:
        return
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(f"{name} must be an integer or None")
    if not 0 < limit <= 2**62:
        raise InvalidArgumentError(f"{name}={limit} must be from 1 to 2**62, or None for no bound of its own")
