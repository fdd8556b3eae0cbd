"""A store locks before sleep and with the session: told by a logind that plays its part on a bus of its own."""

from __future__ import annotations

import gc
import os
import select
import shutil
import subprocess
import threading
import time

import pytest

from securemem import KeyStore
from securemem.adapters import logind
from securemem.exceptions import NoKeyEncryptionKeyError
from tests.support.stores import passphrase
from tests.support.waiting import PATIENCE, until

jeepney = pytest.importorskip("jeepney", reason="the extra logind is not installed")
blocking = pytest.importorskip("jeepney.io.blocking")

MANAGER = jeepney.DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")
SESSION = "/org/freedesktop/login1/session/_31"


class Logind:
    """Answers as logind does, hands out inhibitors, and tells what it is told to tell."""

    def __init__(self, address, *, session=True):
        self.connection = blocking.open_dbus_connection(bus=address, enable_fds=True)
        self.connection.send_and_get_reply(jeepney.message_bus.RequestName("org.freedesktop.login1"))
        self.session = session
        self.calls, self.inhibitors = [], []
        self.stopping, self.stop = os.pipe()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        """Answer calls until close()."""
        while True:
            ready = select.select([self.connection.sock, self.stopping], [], [])[0]
            if self.stopping in ready:
                return
            try:
                while True:
                    message = self.connection.receive(timeout=0)
                    if message.header.message_type is jeepney.MessageType.method_call:
                        self.answer(message)
            except TimeoutError:
                continue

    def answer(self, message):
        """One call."""
        member = message.header.fields[jeepney.HeaderFields.member]
        self.calls.append((member, message.body))
        if member == "Inhibit":
            kept, given = os.pipe()
            reply = jeepney.new_method_return(message, "h", (given,))
            with self.lock:
                self.connection.send(reply)
            os.close(given)
            self.inhibitors.append(kept)
            return
        known = member == "GetSessionByPID" and self.session
        reply = (
            jeepney.new_method_return(message, "o", (SESSION,))
            if known
            else jeepney.new_error(message, "org.freedesktop.login1.No")
        )
        with self.lock:
            self.connection.send(reply)

    def tell(self, member, signature=None, body=(), address=MANAGER):
        """Send a signal."""
        with self.lock:
            self.connection.send(jeepney.new_signal(address, member, signature, body))

    def is_released(self, number):
        """Whether the inhibitor was given back: the other end of its pipe is closed."""
        return bool(select.select([self.inhibitors[number]], [], [], 0)[0])

    def close(self):
        """End."""
        os.write(self.stop, b"x")
        self.thread.join()
        self.connection.close()
        for one in (self.stop, self.stopping, *self.inhibitors):
            os.close(one)


@pytest.fixture
def bus(tmp_path):
    """The address of a bus of its own."""
    if not shutil.which("dbus-daemon"):
        pytest.skip("dbus-daemon is not installed")
    socket = tmp_path / "bus"
    configuration = tmp_path / "bus.conf"
    configuration.write_text(
        '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" '
        '"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd"><busconfig><type>session</type>'
        f'<listen>unix:path={socket}</listen><policy context="default"><allow send_destination="*" eavesdrop="true"/>'
        '<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>'
    )
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile"])
    until(socket.exists)
    yield f"unix:path={socket}"
    daemon.terminate()
    daemon.wait(PATIENCE)


def test_it_locks_before_sleep(bus):
    """The store is locked before the inhibitor is given back, and another one is taken after waking."""
    service, store = Logind(bus), KeyStore(passphrase())
    store.generate("key")
    seen = []
    try:
        with logind.lock_with_session(store, address=bus) as watch:
            assert watch.by == "logind"
            assert (
                "Inhibit",
                ("sleep", "securemem", "locks a key store before the machine sleeps", "delay"),
            ) in service.calls
            until(lambda: service.inhibitors)
            for number in range(2):
                assert not service.is_released(number)
                assert not store.locked
                service.tell("PrepareForSleep", "b", (True,))
                until(lambda number=number: service.is_released(number))
                seen.append(store.locked)
                service.tell("PrepareForSleep", "b", (False,))
                until(lambda number=number: len(service.inhibitors) == number + 2)
                store.unlock(passphrase())
        assert seen == [True, True]
        until(lambda: service.is_released(2))
    finally:
        service.close()


def test_it_locks_with_the_session(bus):
    """The Lock signal of its own session locks it; other signals, and other sessions', do not."""
    service, store = Logind(bus), KeyStore(passphrase())
    try:
        with logind.lock_with_session(store, address=bus):
            other = jeepney.DBusAddress(
                "/org/freedesktop/login1/session/_32", interface="org.freedesktop.login1.Session"
            )
            own = jeepney.DBusAddress(SESSION, interface="org.freedesktop.login1.Session")
            service.tell("Lock", address=other)
            service.tell("Unlock", address=own)
            service.tell("PrepareForSleep", "b", (False,))
            assert not store.locked
            service.tell("Lock", address=own)
            until(lambda: store.locked)
            assert not service.is_released(0)
    finally:
        service.close()


def test_a_process_without_a_session_is_told_of_sleep(bus):
    """As a service is."""
    service, store = Logind(bus, session=False), KeyStore(passphrase())
    try:
        with logind.lock_with_session(store, address=bus):
            service.tell("PrepareForSleep", "b", (True,))
            until(lambda: store.locked)
    finally:
        service.close()


@pytest.mark.parametrize("there", [False, True])
def test_without_logind_the_clock_tells(tmp_path, bus, monkeypatch, there):
    """No bus, or one whose logind goes away: the store is locked once the machine woke, and not before."""
    slept = [1.0]
    monkeypatch.setattr(logind, "_ahead", lambda: slept[0])
    store = KeyStore(passphrase())
    service = Logind(bus) if there else None
    with logind.lock_with_session(store, address=bus if there else f"unix:path={tmp_path}/nothing") as watch:
        assert watch.by == ("logind" if there else "clock")
        if service is not None:
            service.close()
        slept[0] += 0.1
        time.sleep(1.5)
        assert not store.locked
        slept[0] += 10
        until(lambda: store.locked)


@pytest.mark.parametrize("error", [LookupError, SystemExit])
def test_an_audit_that_raises(bus, monkeypatch, error):
    """The machine may sleep all the same, it is told as of a thread, and the next sleep locks the store again."""
    told, raising = [], threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda words: told.append(words.exc_type))

    def audit(_event):
        if raising.is_set():
            raise error("the log is full")

    service, store = Logind(bus), KeyStore(passphrase(), audit=audit)
    try:
        with logind.lock_with_session(store, address=bus):
            for number in range(2):
                until(lambda number=number: len(service.inhibitors) == number + 1)
                raising.set()
                service.tell("PrepareForSleep", "b", (True,))
                until(lambda number=number: service.is_released(number))
                assert store.locked
                raising.clear()
                store.unlock(passphrase())
                service.tell("PrepareForSleep", "b", (False,))
        assert told == [error, error]
    finally:
        service.close()


def test_the_clocks_run_alike_while_nobody_sleeps():
    """What the fallback goes by does not grow by itself."""
    before = logind._ahead()
    time.sleep(0.1)
    assert abs(logind._ahead() - before) < logind._SLEPT


def test_the_thread_ends_with_the_store(tmp_path):
    """Nobody has to close it; closing twice is no error; a store that cannot be locked is refused."""
    store = KeyStore(passphrase())
    watch = logind.lock_with_session(store, address=f"unix:path={tmp_path}/nothing")
    del store
    gc.collect()
    until(lambda: not watch._thread.is_alive())
    watch.close()
    watch.close()
    with pytest.raises(NoKeyEncryptionKeyError):
        logind.lock_with_session(KeyStore())
