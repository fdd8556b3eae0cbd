"""What opens a store and what locks it: the protocol of key-encryption keys, and timers that wait for no call."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from securemem.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from securemem.secure_bytes import SecureBytes

__all__ = ["KeyEncryptionKey", "Timers", "boottime"]

_LONGEST_WAIT = 1.0  # a wait does not count the time of a suspend: look at the clock again after this many seconds


@runtime_checkable
class KeyEncryptionKey(Protocol):
    """What encrypts a store's root key: a passphrase, or a key that a device or service keeps.

    Both methods are called with the root key's context, which has to be bound (as associated data, for instance). They
    leave no copy of the key but the one returned.
    """

    def wrap(self, key: SecureBytes, context: bytes) -> bytes:
        """Encrypt a key of 32 bytes; the key is left as it is."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:
        """Decrypt what wrap() gave; DecryptionError when that was with another key or context."""
        ...


def boottime() -> float:
    """Seconds since the machine booted, those of suspend counted (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lockable(Protocol):
    """What timers lock."""

    def lock(self, because: str) -> None: ...
    def is_busy(self) -> bool: ...


def _seconds(name: str, seconds: float | None) -> float | None:
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{name} must be a number of seconds or None")
    if not 0 < seconds < float("inf"):
        raise InvalidArgumentError(f"{name}={seconds} must be more than 0 seconds, or None for no timer")
    return float(seconds)


class Timers:
    """Two timers, in seconds: since the last use, and since the unlocking. A daemon thread of their own watches them.

    Raises InvalidArgumentError for a time that is not above 0, TypeError for what is no number.
    """

    __slots__ = ("_idle", "_stop", "_total", "_until", "used")

    def __init__(self, idle: float | None, total: float | None) -> None:
        self._idle = _seconds("idle_timeout", idle)
        self._total = _seconds("absolute_timeout", total)
        self._until = 0.0
        self._stop: threading.Event | None = None
        self.used = 0.0

    @property
    def any(self) -> bool:
        """Whether there is a timer."""
        return self._idle is not None or self._total is not None

    @property
    def idle(self) -> bool:
        """Whether uses have to be noted."""
        return self._idle is not None

    def start(self, locked: Lockable) -> None:
        """Begin both anew."""
        self.stop()
        if not self.any:
            return
        self.used = boottime()
        self._until = self.used + (self._total or float("inf"))
        self._stop = threading.Event()
        arguments = (weakref.ref(locked), self, self._stop)
        threading.Thread(target=_watch, args=arguments, name="securemem key store timer", daemon=True).start()

    def stop(self) -> None:
        """End the thread, which may be the calling one."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def forget(self) -> None:
        """In a forked child: there is no thread."""
        self._stop = None

    def due(self, locked: Lockable) -> tuple[float, str]:
        """The seconds until one ends, and which it is."""
        now = boottime()
        total = self._until - now
        if self._idle is None:
            return total, "absolute"
        if locked.is_busy():
            self.used = now
        idle = self.used + self._idle - now
        return (idle, "idle") if idle < total else (total, "absolute")


def _watch(reference: weakref.ref[Lockable], timers: Timers, stop: threading.Event) -> None:
    wait = 0.0
    while not stop.wait(wait):
        locked = reference()
        if locked is None:
            return
        left, which = timers.due(locked)
        if left <= 0:
            locked.lock(f"by its {which} timer")
            return
        wait = min(left, _LONGEST_WAIT)
        del locked  # a store that nobody else has ends, and its thread with it
