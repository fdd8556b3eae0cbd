"""An arena against a model: any order of making, viewing, freezing, wiping, dropping, purging, closing and forking.

The model is a list of entries with the bytes each secret must have, its open views, and whether it is frozen, doomed
or wiped. After every step the arena's statistics and the contents of all secrets are compared with it.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from securemem import Arena, ExportedError, ForkedError, SecureBytes, SecureMemError, WipedError, purge, statistics
from securemem.exceptions import ArenaClosedError, BackendUnavailableError, FrozenError

# Around the edges of size classes, of a page, and of a large run.
SIZES = st.one_of(
    st.integers(1, 130),
    st.sampled_from([2040, 2041, 4087, 4088, 4089, 4096, 4097, 8191, 8192, 8193, 70_000]),
)
INDEX = st.integers(0, 63)


def raised(use):
    """The exception of securemem's that a use raises, as a type; None."""
    try:
        use()
    except SecureMemError as error:
        return type(error)
    return None


class Entry:
    """What the model knows of one secret. The object itself is None once its last name was dropped."""

    def __init__(self, secret, content):
        """A live secret without views."""
        self.secret = secret
        self.content = bytearray(content)
        self.views = []  # (memoryview, the Reveal that it came from or None)
        self.frozen = self.doomed = self.wiped = False

    @property
    def writers(self):
        """How many of its views are writable."""
        return sum(not view.readonly for view, _ in self.views)

    def doom(self):
        """What wiping, purging and closing do: at once without views, else at the last one's release."""
        self.doomed = True
        self.wiped = not self.views

    def refusal(self):
        """What every use of its bytes raises."""
        return WipedError if self.doomed else None


class ArenaMachine(RuleBasedStateMachine):
    """Every operation on an arena and its secrets; subclasses name the policies."""

    at_rest = "noaccess"
    backend = "mlock"

    def __init__(self):
        """Make the arena."""
        super().__init__()
        self.arena = Arena(at_rest=self.at_rest, backend=self.backend)
        self.entries = []
        self.closed = False

    def _named(self, index):
        named = [entry for entry in self.entries if entry.secret is not None]
        return named[index % len(named)]

    def _some_named(self):
        return any(entry.secret is not None for entry in self.entries)

    def _viewed(self):
        return [entry for entry in self.entries if entry.views]

    def _forget_gone(self):
        self.entries = [entry for entry in self.entries if entry.secret is not None or entry.views]

    # -- making --

    def _make(self, make, content):
        if self.closed:
            assert raised(make) is ArenaClosedError
            return
        secret = make()
        if content is None:
            with secret.reveal() as view:
                content = bytes(view)
        self.entries.append(Entry(secret, content))

    @initialize(size=SIZES)
    def first(self, size):
        """An arena without any secret says little."""
        self.zeros(size)

    @rule(size=SIZES)
    def zeros(self, size):
        """SecureBytes.zeros."""
        self._make(lambda: SecureBytes.zeros(size, arena=self.arena), bytes(size))

    @rule(size=SIZES)
    def random(self, size):
        """SecureBytes.random, whose bytes the model learns by a view."""
        self._make(lambda: SecureBytes.random(size, arena=self.arena), None)

    @rule(size=SIZES, fill=st.binary(min_size=1, max_size=7))
    def copy_of(self, size, fill):
        """SecureBytes.copy_of leaves its source."""
        source = bytearray((fill * size)[:size])
        kept = bytes(source)
        self._make(lambda: SecureBytes.copy_of(source, arena=self.arena), kept)
        assert source == kept

    @rule(size=SIZES, fill=st.binary(min_size=1, max_size=7))
    def take(self, size, fill):
        """SecureBytes.take wipes its source, but where it failed."""
        source = bytearray((fill * size)[:size])
        kept = bytes(source)
        self._make(lambda: SecureBytes.take(source, arena=self.arena), kept)
        assert source == (kept if self.closed else bytes(size))

    @precondition(_some_named)
    @rule(index=INDEX, start=st.integers(-70, 70), stop=st.integers(-70, 70), step=st.sampled_from([1, 1, 2, -1, -3]))
    def slice(self, index, start, stop, step):
        """A slice is a secret of its own, in the same arena."""
        entry = self._named(index)
        content = bytes(entry.content[start:stop:step])
        if not content:
            assert raised(lambda: entry.secret[start:stop:step]) is not None
        elif entry.refusal() is not None:
            assert raised(lambda: entry.secret[start:stop:step]) is entry.refusal()
        else:
            self._make(lambda: entry.secret[start:stop:step], content)

    # -- windows --

    @precondition(_some_named)
    @rule(index=INDEX, writable=st.booleans(), by_reveal=st.booleans())
    def export(self, index, writable, by_reveal):
        """Open a view and keep it."""
        entry = self._named(index)
        expected = entry.refusal() or (FrozenError if writable and entry.frozen else None)
        reveal = entry.secret.reveal(writable) if by_reveal or writable else None

        def use():
            view = reveal.__enter__() if reveal is not None else memoryview(entry.secret)
            entry.views.append((view, reveal))

        assert raised(use) is expected

    @precondition(_viewed)
    @rule(index=INDEX, which=INDEX)
    def release(self, index, which):
        """Close one view; the last one of a doomed secret wipes it."""
        entry = self._viewed()[index % len(self._viewed())]
        view, reveal = entry.views.pop(which % len(entry.views))
        if reveal is not None:
            reveal.__exit__(None, None, None)
        else:
            view.release()
        if entry.doomed and not entry.views:
            entry.wiped = True
        del view, reveal
        self._forget_gone()

    @precondition(_some_named)
    @rule(index=INDEX, byte=st.integers(0, 255))
    def write(self, index, byte):
        """Write first and last byte through a view of its own."""
        entry = self._named(index)

        def use():
            with entry.secret.reveal(writable=True) as view:
                view[0] = view[-1] = byte

        expected = entry.refusal() or (FrozenError if entry.frozen else None)
        assert raised(use) is expected
        if expected is None:
            entry.content[0] = entry.content[-1] = byte

    @precondition(lambda self: any(entry.writers for entry in self.entries))
    @rule(index=INDEX, byte=st.integers(0, 255))
    def write_through_kept_view(self, index, byte):
        """Write through a view that is open already, be its secret doomed or dropped."""
        entry = [entry for entry in self.entries if entry.writers][index % sum(bool(e.writers) for e in self.entries)]
        view = next(view for view, _ in entry.views if not view.readonly)
        view[len(view) // 2] = entry.content[len(view) // 2] = byte

    # -- states --

    @precondition(_some_named)
    @rule(index=INDEX)
    def freeze(self, index):
        """Freezing waits for no writer."""
        entry = self._named(index)
        expected = entry.refusal() or (ExportedError if entry.writers else None)
        assert raised(entry.secret.freeze) is expected
        entry.frozen |= expected is None

    @precondition(_some_named)
    @rule(index=INDEX)
    def wipe(self, index):
        """Wiping dooms a secret that is viewed."""
        entry = self._named(index)
        assert raised(entry.secret.wipe) is (ExportedError if entry.views else None)
        entry.doom()

    @precondition(_some_named)
    @rule(index=INDEX)
    def drop(self, index):
        """The last name goes; views keep the secret."""
        self._named(index).secret = None
        self._forget_gone()

    @rule()
    def purge(self):
        """Everything of this process is wiped, or doomed."""
        others = statistics().open_windows - self.arena.statistics().open_windows  # kept by a traceback somewhere
        assert purge() == others + sum(len(entry.views) for entry in self.entries)
        for entry in self.entries:
            entry.doom()

    @rule(sure=st.integers(0, 9))
    def close(self, sure):
        """The arena is closed, now and then."""
        if sure:
            return
        assert self.arena.close() == sum(len(entry.views) for entry in self.entries)
        self.closed = True
        for entry in self.entries:
            entry.doom()

    # -- looks --

    @precondition(_some_named)
    @rule(index=INDEX, other=INDEX)
    def compare(self, index, other):
        """== between two secrets, and with ordinary bytes."""
        one, two = self._named(index), self._named(other)
        for right, bytes_ in ((two.secret, two.content), (bytes(one.content), one.content)):
            refused = one.doomed or (right is two.secret and two.doomed)
            if refused:
                assert raised(lambda right=right: one.secret == right) is WipedError
            else:
                assert (one.secret == right) is (one.content == bytes_)
                assert (one.secret != right) is (one.content != bytes_)

    @precondition(_some_named)
    @rule(index=INDEX)
    def look_at_protection(self, index):
        """The kernel's word: locked always, closed when nobody looks, open while its own view is."""
        entry = self._named(index)
        if entry.doomed:
            assert raised(lambda: entry.secret.protection) is WipedError
            return
        found = entry.secret.protection
        assert found.locked, found
        assert found.dump_excluded, found
        assert found.guarded, found
        assert found.fork_policy == "excluded", found
        assert found.backend == self.backend, found
        if entry.views or self.at_rest == "readwrite":
            assert not found.closed, found
        elif not self._viewed():
            assert found.closed, found

    @rule()
    def fork_and_check(self):
        """In a child everything is refused and something can be made; the parent goes on."""
        pid = os.fork()
        if pid == 0:
            try:
                uses = [lambda: SecureBytes.zeros(8, arena=self.arena), self.arena.statistics, self.arena.close]
                for entry in self.entries:
                    if entry.secret is not None and not entry.wiped:
                        uses += [entry.secret.wipe, entry.secret.reveal().__enter__, entry.secret.__len__]
                refused = all(raised(use) is ForkedError for use in uses)
                own = SecureBytes.copy_of(b"own", arena=Arena(at_rest=self.at_rest, backend=self.backend))
                os._exit(0 if refused and own == b"own" and own.protection.locked else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    # -- what always holds --

    @invariant()
    def statistics_are_the_model_s(self):
        """Counts by the arena and by the model are the same, and all pages are locked."""
        now = self.arena.statistics()
        living = [entry for entry in self.entries if not entry.wiped]
        assert now.live_secrets == len(living), now
        assert now.live_bytes == sum(len(entry.content) for entry in living), now
        assert now.open_windows == sum(len(entry.views) for entry in self.entries), now
        assert now.locked_bytes == now.page_bytes >= now.live_bytes, now
        assert (now.stuck_pages, now.pending_wipes) == (0, 0), now
        assert (now.runs == 0) is (now.page_bytes == 0), now

    @invariant()
    def contents_are_the_model_s(self):
        """Every secret has its bytes, through itself and through every view kept; the wiped have none."""
        for entry in self.entries:
            if entry.secret is not None:
                assert entry.secret.wiped is entry.doomed
                if not entry.doomed:
                    assert entry.secret == entry.content
                    assert len(entry.secret) == len(entry.content)
            for view, _ in entry.views:
                assert view == entry.content

    def teardown(self):
        """When all is dropped, and the arena closed, no page is left."""
        for entry in self.entries:
            for view, reveal in entry.views:
                if reveal is not None:
                    reveal.__exit__(None, None, None)
                view.release()
            entry.views.clear()
            entry.secret = None
        self.entries.clear()
        entry = view = reveal = None  # the loops' last, or they would live on here
        self.arena.close()
        now = self.arena.statistics()
        assert (now.live_secrets, now.open_windows, now.runs, now.page_bytes, now.mappings) == (0, 0, 0, 0, 0), now


@pytest.mark.parametrize("backend", ["mlock", "memfd_secret"])
@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
def test_arena_behaves_like_its_model(at_rest, backend):
    """Sequences of up to 40 operations, on both policies and both backends, end where the model ends."""
    try:
        SecureBytes.zeros(8, arena=Arena(backend=backend))
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    machine = type("Machine", (ArenaMachine,), {"at_rest": at_rest, "backend": backend})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
