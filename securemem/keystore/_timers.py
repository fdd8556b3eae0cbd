"""Timers that lock a store without waiting for a call: a thread for each unlocking, which ends with it."""

from __future__ import annotations

import _thread
import time
import weakref

from securemem.exceptions import InvalidArgumentError, StoreTimerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from securemem.keystore._gate import Gate

    class Lockable(Protocol):
        """What timers lock."""

        gate: Gate

        def lock(self, because: str) -> None: ...


__all__ = ["Timers", "boottime"]

_LONGEST_WAIT = 1.0  # a wait does not count the time of a suspend: look at the clock again after this many seconds


def boottime() -> float:
    """Seconds since the machine booted, those of suspend counted (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _seconds(name: str, seconds: float | None) -> float | None:
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{name} must be a number of seconds or None, not {type(seconds).__name__}")
    if not 0 < seconds <= _longest():
        raise InvalidArgumentError(
            f"{name}={seconds} must be more than 0 seconds and a time that the clock can count, or None for no timer"
        )
    return float(seconds)


def _longest() -> float:
    """The longest time that is taken for a timer, in seconds: 100 years."""
    return 100 * 366 * 86400.0


class Timers:
    """Two timers, in seconds: since the last use, and since the unlocking. A thread of their own watches them.

    Raises InvalidArgumentError for a time that is not above 0, TypeError for what is no number.
    """

    __slots__ = ("absolute", "idle")

    def __init__(self, idle: float | None, absolute: float | None) -> None:
        self.idle: float | None = _seconds("idle_timeout", idle)
        self.absolute: float | None = _seconds("absolute_timeout", absolute)

    @property
    def any(self) -> bool:
        """Whether there is a timer."""
        return self.idle is not None or self.absolute is not None

    def start(self, locked: Lockable) -> None:
        """Have a thread watch the opening that comes next. Raises StoreTimerError where none can be started."""
        if not self.any:
            return
        try:
            _thread.start_new_thread(_watch, (weakref.ref(locked), self, locked.gate.epoch + 1))
        except RecursionError:  # no refusal of a thread
            raise
        except RuntimeError as error:
            raise StoreTimerError(
                "no thread can be started for the store's timers, so it stays locked: end some threads, or raise "
                f"RLIMIT_NPROC or the cgroup's pids.max ({error})"
            ) from None

    def due(self, gate: Gate) -> tuple[float, str]:
        """The seconds until one ends, and which it is."""
        now = boottime()
        absolute = float("inf") if self.absolute is None else gate.opened + self.absolute - now
        if self.idle is None:
            return absolute, "absolute"
        idle = self.idle if gate.in_use else gate.used + self.idle - now
        return (idle, "idle") if idle < absolute else (absolute, "absolute")


def _watch(reference: weakref.ref[Lockable], timers: Timers, epoch: int) -> None:
    """Lock when a timer ends. Done when the store is locked, opened anew, or nobody has it any more."""
    pause = 0.001
    while True:
        time.sleep(pause)
        locked = reference()
        if locked is None or locked.gate.epoch > epoch:
            return
        if locked.gate.epoch < epoch:  # not opened yet
            pause = min(2 * pause, _LONGEST_WAIT)
        elif not locked.gate.is_open:
            return
        else:
            left, which = timers.due(locked.gate)
            if left <= 0:
                locked.lock(f"by its {which} timer")
                return
            pause = min(left, _LONGEST_WAIT)
        del locked  # a store that nobody else has ends, and its thread with it
