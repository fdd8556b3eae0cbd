"""The timers of a store: it locks itself, whether a call comes or not."""

from __future__ import annotations

import gc
import time
import weakref

import pytest

import securemem
from securemem import (
    KeyStore,
    Passphrase,
    SecureBytes,
    StoreLockedError,
)
from securemem.crypto.argon2 import Cost
from securemem.exceptions import InvalidArgumentError
from securemem.keystore import _timers
from tests.support.waiting import PATIENCE, until

CHEAP = Cost(8, 1)


def passphrase(text=b"correct horse"):
    """A passphrase, at a cost for tests."""
    return Passphrase(SecureBytes.copy_of(text), cost=CHEAP)


def test_the_idle_timer_locks_when_no_call_comes():
    """Uses put it off; then the arena is empty without any call to the store, and the error names the timer."""
    with securemem.Arena() as arena:
        store = KeyStore(passphrase(), arena=arena, idle_timeout=0.5)
        key = store.generate("key")
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            key.encrypt(b"x")
            time.sleep(0.02)
        assert arena.statistics().live_secrets > 0
        until(lambda: arena.statistics().live_secrets == 0)
        with pytest.raises(StoreLockedError, match="idle timer"):
            key.encrypt(b"x")
        store.unlock(passphrase())
        key.encrypt(b"x")
        until(lambda: store.locked)


def test_the_absolute_timer_locks_whatever_is_used():
    """It counts from the unlocking; a session that is used all the time ends."""
    store = KeyStore(passphrase(), absolute_timeout=0.4)
    session = store.generate("key").session()
    deadline = time.monotonic() + PATIENCE
    with pytest.raises(StoreLockedError, match="absolute timer"):
        while time.monotonic() < deadline:
            session.encrypt(b"x")
    until(lambda: session.ended)


def test_timers_count_suspend(monkeypatch):
    """They read CLOCK_BOOTTIME, once a second at least: when that jumps, the store locks."""
    assert abs(_timers.boottime() - time.clock_gettime(time.CLOCK_BOOTTIME)) < PATIENCE
    store = KeyStore(passphrase(), idle_timeout=3600)
    store.generate("key")
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(_timers, "boottime", lambda: now + 7200)
    until(lambda: store.locked)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [(0, InvalidArgumentError), (-1, InvalidArgumentError), (float("inf"), InvalidArgumentError), ("1", TypeError)],
)
def test_timers_that_cannot_be(timeout, error):
    """More than 0 seconds, and a number."""
    for name in ("idle_timeout", "absolute_timeout"):
        with pytest.raises(error, match=name):
            KeyStore(passphrase(), **{name: timeout})


def test_a_store_that_nobody_has_ends_with_its_timer():
    """The thread does not keep the store alive."""
    store = KeyStore(passphrase(), idle_timeout=3600)
    store.generate("key")
    contents = weakref.ref(store._contents)
    del store
    gc.collect()
    until(lambda: contents() is None)
