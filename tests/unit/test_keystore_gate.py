"""The gate of a store: who waits for whom, what happens to those inside, and that nothing outlives the lock."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from contextlib import suppress

import pytest

import securemem
from securemem import KeyNotFoundError, KeyStore, Policy, SecureBytes, StoreLockedError
from securemem.crypto import wrap
from securemem.exceptions import KeyPolicyError, StoreBusyError, StoreTimerError
from securemem.keystore import _timers

PATIENCE = 30


class Device:
    """A key-encryption key: AES-KW, as a device would do it."""

    def __init__(self):
        self.secret = SecureBytes.random(32)
        self.child = None

    def wrap(self, key, _context):
        """Encrypt."""
        return wrap.wrap(self.secret, key)

    def unwrap(self, wrapped, _context):
        """Decrypt."""
        return wrap.unwrap(self.secret, wrapped)


class InAnyProcess(Device):
    """One whose key a forked child has too."""

    def __init__(self):
        super().__init__()
        self.plain = os.urandom(32)

    def wrap(self, key, _context):
        """Encrypt."""
        return wrap.wrap(SecureBytes.copy_of(self.plain), key)

    def unwrap(self, wrapped, _context):
        """Decrypt."""
        return wrap.unwrap(SecureBytes.copy_of(self.plain), wrapped)


@pytest.fixture
def device():
    """A key-encryption key."""
    return Device()


@pytest.fixture
def store(device):
    """A store with it."""
    return KeyStore(device)


@pytest.fixture
def switching():
    """Threads change places as often as can be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def gate_of(store):
    """The gate, to look into."""
    return store._contents.gate


def held_use(store):
    """A use by another thread, which goes on until it is told; (thread, tell)."""
    inside, go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=gate_of(store).run, args=(lambda: (inside.set(), go_on.wait(PATIENCE)),))
    thread.start()
    assert inside.wait(PATIENCE)
    return thread, go_on.set


class StoppedError(Exception):
    """Raised by a signal handler."""


@pytest.fixture
def alarm():
    """A signal that raises after so many seconds."""

    def stop(*_):
        raise StoppedError

    former = signal.signal(signal.SIGALRM, stop)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


def test_a_lock_that_is_interrupted_does_not_say_locked(store, alarm):
    """While it waits for a use; the use that goes on then wipes, and only then the store is locked."""
    store.generate("key").encrypt(b"x")
    thread, go_on = held_use(store)
    alarm(0.1)
    with pytest.raises(StoppedError):
        store.lock()
    assert not store.locked
    assert gate_of(store).held == 2
    with pytest.raises(StoreLockedError):
        store["key"].encrypt(b"x")
    go_on()
    thread.join(PATIENCE)
    assert store.locked
    assert gate_of(store).held == 0


def test_an_interrupted_use_leaves_the_gate(store, alarm):
    """Whatever bytecode the exception comes at: the gate is empty, and lock() returns."""
    key = store.generate("key")
    interrupted = 0
    for number in range(300):
        try:
            alarm(2e-5 + number * 1e-6)
            while True:
                key.encrypt(b"x")
        except StoppedError:
            interrupted += 1
        assert not gate_of(store).in_use
    assert interrupted == 300
    store.lock()
    assert store.locked


def test_recursion_leaves_the_gate(store):
    """A RecursionError at whatever depth: a store whose gate stayed entered would never lock again."""
    key, depths = store.generate("key"), []

    def walk(depth):
        try:
            walk(depth + 1)
        finally:
            with suppress(RecursionError):
                key.encrypt(b"x")
                depths.append(depth)

    with pytest.raises(RecursionError):
        walk(0)
    assert len(depths) > 0
    assert not gate_of(store).in_use


@pytest.mark.parametrize("algorithm", ["AES-256-GCM", "KC-XAES-256-GCM"])
@pytest.mark.parametrize("how", ["lock", "destroy", "disable", "delete"])
def test_a_session_that_is_made_while_its_key_goes_has_ended(device, algorithm, how):
    """The audit hears of the session before the caller has it, and takes the key away: nothing lives on."""
    armed = []

    def audit(event):
        if event.operation == "session" and armed:
            armed.pop()()

    store = KeyStore(device, audit=audit)
    key = store.generate("key", algorithm)
    take = {"lock": store.lock, "delete": lambda: store.delete("key")}
    armed.append(take[how] if how in take else lambda: getattr(key, how)(1))
    session = key.session()
    assert session.ended
    assert gate_of(store).held == (0 if how == "lock" else 1)
    with pytest.raises((StoreLockedError, KeyPolicyError, KeyNotFoundError)):
        session.encrypt(b"x")


def test_sessions_that_come_while_another_thread_locks_have_ended(store, device, switching):  # noqa: ARG001 - it sets the interpreter
    """By chance, many times: after lock() returned, no session that began before lives."""
    key, made, stop = store.generate("key", "AES-256-GCM"), [], threading.Event()

    def make():
        while not stop.is_set():
            with suppress(StoreLockedError):
                made.append(key.session())

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    survivors, ended, deadline = 0, 0, time.monotonic() + 2
    while time.monotonic() < deadline:
        store.lock()
        time.sleep(0.002)  # what was inside has returned by now
        survivors += sum(not session.ended for session in tuple(made))
        ended += len(made)
        made.clear()
        store.unlock(device)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert ended > 0
    assert survivors == 0


def test_keys_are_destroyed_while_sessions_come_and_go(store, switching):  # noqa: ARG001 - it sets the interpreter
    """The list of what is in clear changes under the feet of destroy() and lock(), and they do their work."""
    key, other, stop = store.generate("key", "AES-256-GCM"), store.generate("other", "AES-256-GCM"), threading.Event()
    keep, errors = [other.session() for _ in range(200)], []

    def make():
        while not stop.is_set():
            mine = [other.session() for _ in range(20)]
            for session in mine:
                session.end()

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            number = key.rotate().number
            key.encrypt(b"x")
            version = key._key.versions[number - 2]
            gate_of(store).run(store._contents.opened, version)
            assert version.value is not None
            key.destroy(number - 1)
            assert version.value is None
            assert version.facts.record == b""
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert errors == []
    store.lock()
    assert all(session.ended for session in keep)


def test_unlocking_an_unlocked_store_disturbs_nobody(store, device, switching):  # noqa: ARG001 - it sets the interpreter
    """Uses and changes of other threads go on; the kek is checked all the same."""
    store.put("secret", bytearray(b"abc"))
    key, errors, stop = store.generate("key"), [], threading.Event()

    def use():
        number = 0
        while not stop.is_set():
            number += 1
            try:
                assert store.get("secret") == b"abc"
                key.encrypt(b"x")
                store.put("other", bytearray(b"abc"))
            except Exception as error:  # noqa: BLE001 - any is a failure
                errors.append(error)
                return

    thread = threading.Thread(target=use)
    thread.start()
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        store.unlock(device)
    stop.set()
    thread.join(PATIENCE)
    assert errors == []
    with pytest.raises(securemem.DecryptionError):
        store.unlock(Device())
    assert not store.locked


def test_a_store_whose_timer_cannot_start_stays_locked(device, monkeypatch):
    """Fail closed, with an error that says what to do; and no store is made without its timer."""
    store = KeyStore(device, idle_timeout=3600)
    key = store.generate("key")
    store.lock()

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(_timers._thread, "start_new_thread", refuse)
        with pytest.raises(StoreTimerError, match="RLIMIT_NPROC"):
            store.unlock(device)
        assert store.locked
        assert gate_of(store).held == 0
        with pytest.raises(StoreLockedError):
            key.encrypt(b"x")
        with pytest.raises(StoreTimerError):
            KeyStore(device, absolute_timeout=1)
    store.unlock(device)
    assert key.encrypt(b"x")


def test_a_change_within_a_change_is_refused(store):
    """As a signal handler could try: one of the two would be lost. A use, and lock(), are let in."""
    key = store.generate("key")

    class Reentrant(Device):
        def wrap(self, wrapped, context):
            store.put("within a wrap", bytearray(b"x"))  # not a change yet: the key-encryption key takes its time
            return super().wrap(wrapped, context)

    store.change_kek(Reentrant())
    assert "within a wrap" in store
    answers, box = [], key.encrypt(b"x")
    gate_of(store).close_keys()

    def work():
        answers.append(key.decrypt(box) == b"x")
        with pytest.raises(StoreBusyError):
            key.rotate()

    gate_of(store).change(work)
    assert answers == [True]
    assert [version.number for version in key.versions] == [1]
    assert key.rotate().number == 2


def test_two_uses_that_lock_their_store_do_not_wait_for_each_other(store):
    """Each is inside: whoever leaves last wipes."""
    both = threading.Barrier(2, timeout=PATIENCE)

    def use():
        gate_of(store).run(lambda: (both.wait(), store.lock()))

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert store.locked
    assert gate_of(store).held == 0


def test_a_change_that_locks_does_not_wait_for_those_that_wait_for_it(store, device):
    """A use that wants to change keys waits for a change that calls lock(): neither hangs."""
    key = store.generate("key")
    changing, go_on, ended = threading.Event(), threading.Event(), []

    def change():
        changing.set()
        go_on.wait(PATIENCE)
        store.lock()

    def use():
        with suppress(StoreLockedError, KeyNotFoundError):
            gate_of(store).run(key.rotate)
        ended.append(True)

    first, second = threading.Thread(target=gate_of(store).change, args=(change,)), threading.Thread(target=use)
    first.start()
    assert changing.wait(PATIENCE)
    second.start()
    time.sleep(0.05)
    go_on.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert ended == [True]
    assert store.locked
    store.unlock(device)
    assert key.encrypt(b"x")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads, which is what is tested
def test_forks_while_other_threads_hold_every_lock(switching):  # noqa: ARG001 - it sets the interpreter
    """Counting bytes, drawing tickets, rotating: no child hangs, and each can unlock and use the store."""
    kek = InAnyProcess()
    store, stop = KeyStore(kek), threading.Event()
    key, other = store.generate("key", "AES-256-GCM", Policy(max_bytes=1)), store.generate("other")

    def work():
        while not stop.is_set():
            with suppress(KeyPolicyError):
                key.encrypt(b"xx")
            other.rotate()
            store.put("secret", bytearray(b"x"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    statuses = []
    try:
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(PATIENCE)
                try:
                    assert store.locked
                    store.unlock(kek)
                    with suppress(KeyPolicyError):
                        key.encrypt(b"xx")
                    assert other.decrypt(other.encrypt(b"x")) == b"x"
                    other.rotate()
                except BaseException:  # noqa: BLE001 - the parent hears of it by the status
                    os._exit(1)
                os._exit(0)
            statuses.append(os.waitpid(pid, 0)[1])
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert statuses == [0] * 40


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # as above
def test_a_use_that_began_before_a_fork_does_not_count_in_the_child():
    """A callback forks: in the child its use ends, and takes nothing away from those of the child."""
    kek = InAnyProcess()
    store = KeyStore(kek)
    gate = gate_of(store)

    def forks():
        pid = os.fork()
        if pid:
            return pid
        held, in_use = gate.held, gate.in_use
        store.unlock(kek)
        return (held, in_use, store.locked)

    answer = gate.run(forks)
    if isinstance(answer, tuple):
        good = answer == (0, False, False) and not gate.in_use
        store.lock()
        os._exit(0 if good and store.locked else 1)
    assert os.waitpid(answer, 0)[1] == 0
    assert not store.locked
    assert not gate.in_use


def test_what_nobody_holds_is_wiped_at_once():
    """Keys and store refer to each other, but the secrets do not wait for the collector; a handle keeps the store."""
    gc.disable()
    try:
        with securemem.Arena() as arena:
            store = KeyStore(arena=arena)
            key = store.generate("key", "AES-256-GCM")
            session = key.session()
            del store
            assert key.encrypt(b"x")
            del key
            assert session.encrypt(b"x")
            assert arena.statistics().live_secrets == 2
            del session
            assert arena.statistics().live_secrets == 0
    finally:
        gc.enable()
