"""Locks a key store before the machine sleeps, and when the session is locked, as systemd-logind says it.

`pip install 'securemem[logind]'` for D-Bus. A delay inhibitor lets logind wait until the store is locked, so that no
key is in RAM while the machine sleeps, or is written to disk by hibernation. Where there is no D-Bus or no logind, the
store is locked within a second after waking: the clock that counts sleep (CLOCK_BOOTTIME) ran ahead of the other.
Sources: org.freedesktop.login1(5), systemd-inhibit(1), clock_gettime(2).
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from securemem.exceptions import NoKeyEncryptionKeyError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from securemem.keystore.store import KeyStore

__all__ = ["SessionWatch", "lock_with_session"]

_NAME = "org.freedesktop.login1"
_PATH = "/org/freedesktop/login1"
_LOOK = 1.0  # seconds between two looks at the clocks
_SLEPT = 0.5  # seconds by which one clock runs ahead of the other: the machine slept
_PATIENCE = 5.0  # seconds for logind to answer


def _ahead() -> float:
    """Seconds of sleep since the machine booted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class _Bus:
    """A connection to logind, its signals, and the inhibitor. Raises OSError and ImportError where there is none."""

    def __init__(self, address: str | None) -> None:
        from jeepney import MatchRule, message_bus  # noqa: PLC0415 - an extra
        from jeepney.io.blocking import open_dbus_connection  # noqa: PLC0415 - it is there where the line above is

        try:
            self._connection = open_dbus_connection(bus=address or "SYSTEM", enable_fds=True)
        except (KeyError, RuntimeError, ValueError) as error:
            raise OSError(f"there is no D-Bus: {error}") from None
        self._inhibitor: Any = None
        self._pending: list[tuple[str, tuple[Any, ...]]] = []
        try:
            rules = [MatchRule(type="signal", sender=_NAME, interface=f"{_NAME}.Manager", member="PrepareForSleep")]
            session = self._session()
            if session is not None:
                of_session = f"{_NAME}.Session"
                rules.append(MatchRule(type="signal", sender=_NAME, path=session, interface=of_session, member="Lock"))
            for rule in rules:
                self._ask(message_bus.AddMatch(rule))
            self.inhibit()
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """What becomes readable when logind says something."""
        return int(self._connection.sock.fileno())

    def _ask(self, message: Any) -> tuple[Any, ...]:
        """The reply; signals that come before it are kept. OSError for an error."""
        from jeepney import HeaderFields, MessageType  # noqa: PLC0415 - an extra

        serial, end = next(self._connection.outgoing_serial), time.monotonic() + _PATIENCE
        self._connection.send(message, serial=serial)
        while True:
            answer = self._connection.receive(timeout=max(0.0, end - time.monotonic()))
            if answer.header.fields.get(HeaderFields.reply_serial) == serial:
                break
            self._keep(answer)
        if answer.header.message_type is MessageType.error:
            raise OSError(f"logind refuses: {answer.header.fields.get(HeaderFields.error_name)}")
        body: tuple[Any, ...] = answer.body
        return body

    def _call(self, member: str, signature: str, *arguments: object) -> tuple[Any, ...]:
        from jeepney import DBusAddress, new_method_call  # noqa: PLC0415 - an extra

        manager = DBusAddress(_PATH, bus_name=_NAME, interface=f"{_NAME}.Manager")
        return self._ask(new_method_call(manager, member, signature, arguments))

    def _session(self) -> str | None:
        """The object of the session that this process belongs to; a service belongs to none."""
        with suppress(OSError):
            return str(self._call("GetSessionByPID", "u", os.getpid())[0])
        with suppress(OSError, KeyError):
            return str(self._call("GetSession", "s", os.environ["XDG_SESSION_ID"])[0])
        return None

    def inhibit(self) -> None:
        """Let logind wait with the next sleep until release()."""
        if self._inhibitor is None:
            (self._inhibitor,) = self._call(
                "Inhibit", "ssss", "sleep", "securemem", "locks a key store before the machine sleeps", "delay"
            )

    def release(self) -> None:
        """Let the machine sleep."""
        inhibitor, self._inhibitor = self._inhibitor, None
        if inhibitor is not None:
            inhibitor.close()

    def _keep(self, message: Any) -> None:
        from jeepney import HeaderFields, MessageType  # noqa: PLC0415 - an extra

        if message.header.message_type is MessageType.signal:
            self._pending.append((message.header.fields.get(HeaderFields.member), message.body))

    def signals(self) -> list[tuple[str, tuple[Any, ...]]]:
        """What logind said since the last call. Raises OSError where the connection is gone."""
        with suppress(TimeoutError):
            while True:
                self._keep(self._connection.receive(timeout=0))
        found, self._pending = self._pending, []
        return found

    def close(self) -> None:
        """End the connection, and the inhibitor."""
        self.release()
        self._connection.close()


class SessionWatch:
    """Locks a store with the session, until close(), the end of a with statement, or the end of the store.

    by: "logind", or "clock" where logind cannot be asked.
    """

    def __init__(self, store: KeyStore, address: str | None = None) -> None:
        if not store._contents.gate.can_be_unlocked:  # noqa: SLF001 - no other way tells before it is too late
            raise NoKeyEncryptionKeyError("the store has no key-encryption key: its keys would be lost when it locks")
        self._store = weakref.ref(store)
        self._bus: _Bus | None = None
        with suppress(OSError, ImportError):
            self._bus = _Bus(address)
        self._mine, self._wake = socket.socketpair()
        self._slept = _ahead()
        self._thread = threading.Thread(target=self._watch, name="securemem-logind", daemon=True)
        self._thread.start()

    @property
    def by(self) -> str:
        """Who tells of sleep."""
        return "clock" if self._bus is None else "logind"

    def _watch(self) -> None:
        while True:
            bus = self._bus
            files: list[Any] = [self._mine] if bus is None else [self._mine, bus]
            ready = select.select(files, [], [], _LOOK)[0]
            if self._mine in ready or self._store() is None:
                break
            try:
                self._look(bus)
            except OSError:  # logind or the bus has gone: the clock is left
                self._bus = None
                if bus is not None:
                    bus.close()
        if self._bus is not None:
            self._bus.close()

    def _look(self, bus: _Bus | None) -> None:
        ahead = _ahead()
        if ahead - self._slept > _SLEPT:
            self._lock()
        self._slept = ahead
        for member, body in [] if bus is None else bus.signals():
            if member == "Lock" or body == (True,):
                self._lock()
            if bus is not None and member == "PrepareForSleep":
                (bus.release if body == (True,) else bus.inhibit)()

    def _lock(self) -> None:
        """Lock the store. What its audit raises is told as by a thread that it ends, but the watch goes on."""
        store = self._store()
        try:
            if store is not None:
                store.lock()
        except BaseException:  # noqa: BLE001 - SystemExit would end the watch too, without a word
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), self._thread)))

    def close(self) -> None:
        """Watch no more, and let the machine sleep. Closing again is no error."""
        if self._thread.is_alive():
            with suppress(OSError):
                self._wake.send(b"x")
            self._thread.join()
        self._mine.close()
        self._wake.close()

    def __enter__(self) -> Self:
        """Return the watch itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it."""
        self.close()


def lock_with_session(store: KeyStore, *, address: str | None = None) -> SessionWatch:
    """Lock a store before each sleep of the machine, and when its session is locked, from now on.

    A thread does it; keep the result, and close() it at the end. address: of another D-Bus than the system's. Locking
    waits for the uses that go on in other threads; logind waits five seconds for it, unless it is set up otherwise
    (InhibitDelayMaxSec). A process that belongs to no session gets no word of its locking. What the store's audit
    raises goes to threading.excepthook(); the store is locked all the same.

    Raises NoKeyEncryptionKeyError for a store that could not be unlocked again.
    """
    return SessionWatch(store, address)
