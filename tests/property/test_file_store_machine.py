"""A store in a file against one in memory: whatever is done, by whom, and with what crashes, both are the same."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from securemem import KeyStore, SecureMemError
from securemem.keystore._book import Book
from securemem.keystore.kek.key_file import KeyFile
from securemem.storage import sqlite

NAMES = st.sampled_from(["one", "two", "three", "four"])
NUMBERS = st.integers(1, 3)
PLACES = st.sampled_from(["here", "there", "there, then crashes", "reopened"])


def value_of(store, name):
    """An opaque secret as bytes."""
    with store.get(name) as secret, secret.reveal() as view:
        return bytes(view)


def outcome(operation, store):
    """What it gives, or the name of its error."""
    try:
        return repr(operation(store))
    except SecureMemError as error:
        return type(error).__name__


def everything(store):
    """All that can be seen of a store."""
    found = {}
    for name in sorted(store):
        item = store.item(name)
        said = [item.labels, item.algorithm, item.former]
        if item.algorithm:
            said += [(one.number, str(one.state), one.messages) for one in store[name].versions]
        else:
            said.append(value_of(store, name))
        found[name] = said
    return found


def _dies(*_):
    os.kill(os.getpid(), signal.SIGKILL)


class FileStoreMachine(RuleBasedStateMachine):
    """Each rule does one thing to both, to the one in the file in this process or another one."""

    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="securemem-machine-"))
        self.kek = KeyFile.generate(self.directory / "key")
        self.path = self.directory / "store"
        self.store = KeyStore.create(self.path, self.kek)
        self.model = KeyStore(self.kek)

    def teardown(self):
        """Close it, and check all of it once more."""
        try:
            self.store.check()
            self.store.close()
        finally:
            shutil.rmtree(self.directory)

    @initialize(name=NAMES)
    def begin(self, name):
        """A key, a secret and what no rule ever touches."""
        self.both("here", lambda store: store.generate(name, "AES-256-GCM") and None)
        self.both("here", lambda store: store.put("always", bytearray(b"there")))

    def both(self, where, operation):
        """Do it to both, and see the same come of it."""
        expected = outcome(operation, self.model)
        if where.startswith("there"):
            assert self.elsewhere(operation, crashes="crashes" in where) == expected
            return
        if where == "reopened":
            self.store.close()
            self.store = KeyStore.open(self.path, self.kek, at_least=self.generation)
        assert outcome(operation, self.store) == expected
        self.generation = self.store.generation

    def elsewhere(self, operation, *, crashes):
        """Do it in another process, which closes its store, or just ends."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                store = KeyStore.open(self.path, self.kek)
                os.write(write, outcome(operation, store).encode())
                if crashes:
                    _dies()
                store.close()
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as said:
            found = said.read()
        os.waitpid(child, 0)
        return found

    @rule(where=PLACES, name=NAMES, value=st.binary(min_size=1, max_size=20), keep=st.sampled_from([None, 0, 2]))
    def put(self, where, name, value, keep):
        """An opaque secret."""
        more = {} if keep is None else {"keep": keep}
        self.both(where, lambda store: store.put(name, bytearray(value), **more))

    @rule(where=PLACES, name=NAMES)
    def delete(self, where, name):
        """A name goes."""
        self.both(where, lambda store: store.delete(name))

    @rule(where=PLACES, name=NAMES, new=NAMES)
    def rename(self, where, name, new):
        """A name becomes another."""
        self.both(where, lambda store: store.rename(name, new))

    @rule(where=PLACES, name=NAMES, labels=st.lists(st.sampled_from(["mail", "work", "Ä"]), max_size=2))
    def label(self, where, name, labels):
        """Labels in the place of others."""
        self.both(where, lambda store: store.set_details(name, labels=labels))

    @rule(where=PLACES, name=NAMES, algorithm=st.sampled_from(["AES-256-GCM", "KC-XAES-256-GCM"]))
    def generate(self, where, name, algorithm):
        """A key."""
        self.both(where, lambda store: store.generate(name, algorithm) and None)

    @rule(where=PLACES, name=NAMES, pending=st.booleans())
    def rotate(self, where, name, pending):
        """A version more."""
        self.both(where, lambda store: store[name].rotate(pending=pending) and None)

    @rule(where=PLACES, name=NAMES, number=NUMBERS, what=st.sampled_from(["promote", "disable", "enable", "destroy"]))
    def move(self, where, name, number, what):
        """A version into another state."""
        self.both(where, lambda store: getattr(store[name], what)(number) and None)

    @rule(where=st.sampled_from(["here", "there", "reopened"]), name=NAMES)
    def encrypt(self, where, name):
        """A message, which counts; decrypted again."""
        self.both(where, lambda store: store[name].decrypt(store[name].encrypt(b"text")) == b"text")

    @rule(text=st.sampled_from(["o", "MAIL", "ä", "three", "nothing"]))
    def find(self, text):
        """The same names are found."""
        self.both("here", lambda store: [one.name for one in store.find(text)])

    @rule()
    def lock_and_unlock(self):
        """What is locked refuses, and comes back."""
        for store in (self.store, self.model):
            store.lock()
        self.both("here", lambda store: store.put("one", bytearray(b"x")))
        for store in (self.store, self.model):
            store.unlock(self.kek)

    @rule()
    def rotate_root(self):
        """All records are sealed anew; the names and secrets are the same."""
        self.store.rotate_root(self.kek)
        self.generation = self.store.generation

    @rule(name=NAMES)
    def cut_off(self, name):
        """Another process dies in the middle of its commit: nothing has changed."""
        child = os.fork()
        if child == 0:
            sqlite.patiently, whole = lambda c, s, *v: _dies() if s == "COMMIT" else whole(c, s, *v), sqlite.patiently
            try:
                KeyStore.open(self.path, self.kek).put(f"new {name}", bytearray(b"lost"))
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    @invariant()
    def same(self):
        """All that can be seen is the same."""
        assert everything(self.store) == everything(self.model)
        assert len(self.store) == len(self.model)


FileStoreMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
test_a_store_in_a_file_is_as_one_in_memory = FileStoreMachine.TestCase


def test_the_machine_sees_a_store_that_is_stale(monkeypatch):
    """The control: where other processes' changes are not taken up, the two are soon not the same."""
    monkeypatch.setattr(Book, "moved", lambda _self: False)
    quick = settings(FileStoreMachine.TestCase.settings, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises((AssertionError, SecureMemError, BaseExceptionGroup)):
        run_state_machine_as_test(FileStoreMachine, settings=quick)
