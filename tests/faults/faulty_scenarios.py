"""Stories of failure on the faulty platform, one function each; run in a process of its own.

    python -m tests.faults.faulty_scenarios SHARED_OBJECT SCENARIO

ends with a traceback and status 1 where the story goes otherwise.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings

from tests.support.faulty_core import VERBS, end_plan, fired, lib, plan

START = ("random", "reserve", "protect", "wipe_on_fork")


def plan_fires():
    """Positive control: without a plan all works and is counted; with one, the planned call fails."""
    from securemem import SecureBytes, statistics
    from securemem.exceptions import OutOfMemoryError

    end_plan()
    secret = SecureBytes.random(32)
    calls = {verb: lib.faulty_calls(i) for i, verb in enumerate(VERBS)}
    expected = {
        "reserve": 1,
        "lock_on_fault": 1,
        "populate": 1,
        "lock": 0,
        "exclude_from_dumps": 1,
        "exclude_from_fork": 1,
        "random": 1,
        "unmap": 0,
    }
    assert {verb: calls[verb] for verb in expected} == expected, calls
    assert calls["protect"] == 2, calls  # open the page for its first secret, close it behind that
    plan("reserve")
    try:
        SecureBytes.zeros(100_000)
    except OutOfMemoryError as error:
        assert "100" in str(error) or "4096" in str(error)  # noqa: PT017 - no pytest in this process
    else:
        raise AssertionError("the planned failure did not happen")
    assert end_plan() > 0
    assert len(secret) == 32
    assert statistics().live_secrets == 1


def stuck_close():
    """A page that cannot be closed is counted, shown, tried again with each next window, and closed at last."""
    from securemem import Arena, SecureBytes, statistics

    arena = Arena()
    secret, other = SecureBytes.random(32, arena=arena), SecureBytes.random(5000, arena=arena)
    before = statistics().failed_closes
    plan("protect", first=2)
    with secret.reveal() as view:
        assert len(view) == 32
    now = statistics()
    assert now.failed_closes == before + 1
    assert now.stuck_pages == 1
    assert now.open_windows == 0
    assert secret.protection.failed_close
    assert not secret.protection.closed
    assert fired() > 3  # the closing, and the trials that statistics and protection made
    end_plan()
    with other.reveal():
        pass  # the end of any window tries the others again
    now = statistics()
    assert now.stuck_pages == 0
    assert now.failed_closes == before + 1
    assert secret.protection.closed
    assert not secret.protection.failed_close


def stuck_page_unmapped():
    """A page that could not be closed may be unmapped: nobody tries to close what is gone."""
    from securemem import Arena, SecureBytes, statistics

    arena = Arena()
    secret = SecureBytes.random(5000, arena=arena)
    plan("protect", first=2)
    with secret.reveal():
        pass
    assert statistics().stuck_pages == 1
    end_plan()
    plan("protect", first=2)  # the wiping opens it, and what would be called next fails
    del secret
    arena.close()
    assert statistics().stuck_pages == 0
    assert statistics().runs == 0
    end_plan()


def pending(how):
    """A secret that cannot be opened for wiping stays counted as live, opens no view, and is wiped in the end."""
    import securemem
    from securemem import Arena, SecureBytes
    from securemem.exceptions import ProtectionError
    from tests.faults import faulty_child

    arena = Arena()
    secret = SecureBytes.copy_of(b"\x5a" * 40, arena=arena)
    address = faulty_child.address_of(secret)
    plan("protect", error=errno.EACCES)
    if how == "wiped":
        try:
            secret.wipe()
        except ProtectionError:
            assert secret.wiped
        else:
            raise AssertionError("wiped without access")
        try:
            memoryview(secret)
        except securemem.WipedError:
            pass
        else:
            raise AssertionError("a view of a secret to be wiped")
    elif how == "purged":
        assert securemem.purge() == 0
    else:
        del secret
        assert securemem.purge() == 0
    now = securemem.statistics()
    assert now.pending_wipes == now.live_secrets == 1, now
    assert faulty_child.memory(address, 40) == b"\x5a" * 40  # so the reading finds what is there
    end_plan()
    if how == "dropped_then_purged":
        assert securemem.purge() == 0
        assert faulty_child.memory(address, 40) == bytes(40)  # before statistics() tries too
    now = securemem.statistics()
    assert now.pending_wipes == now.live_secrets == 0, now
    assert faulty_child.memory(address, 40) == bytes(40)
    secret = None
    arena.close()
    now = securemem.statistics()
    assert now.runs == 0, f"a slot was lost: {now}"


def pending_wiped():
    """After wipe(), which says so."""
    pending("wiped")


def pending_purged():
    """After purge(), with the object alive."""
    pending("purged")


def pending_dropped():
    """After the last reference went: the next look at statistics wipes it."""
    pending("dropped")


def pending_dropped_then_purged():
    """The same, and the purge wipes it: its slot goes back too."""
    pending("dropped_then_purged")


def left_mapped():
    """Pages that cannot be unmapped are wiped, stay counted, and are unmapped later."""
    from securemem import Arena, SecureBytes, statistics
    from tests.faults import faulty_child

    before = faulty_child.held()
    arena = Arena()
    secret = SecureBytes.copy_of(b"\x5a" * 5000, arena=arena)
    address = faulty_child.address_of(secret)
    plan("unmap")
    arena.close()
    del secret
    now = statistics()
    assert (now.live_secrets, now.runs) == (0, 1), now
    assert now.page_bytes == now.locked_bytes == 8192, now
    assert faulty_child.memory(address, 5000) == bytes(5000)
    assert faulty_child.held()[1] == 8192
    assert end_plan() > 1  # statistics tried again
    now = statistics()
    assert now.runs == now.page_bytes == now.locked_bytes == now.mappings == 0, now
    assert faulty_child.held() == before


def pending_refused_by_purge():
    """A purge that is refused the first trial leaves the dropped secret to the next; its slot is not lost."""
    import securemem
    from securemem import Arena, SecureBytes

    arena = Arena()
    secret = SecureBytes.random(40, arena=arena)
    plan("protect", count=2)
    del secret
    assert securemem.purge() == 0
    assert end_plan() == 2
    assert securemem.statistics().pending_wipes == 0
    arena.close()
    assert securemem.statistics().runs == 0


def want_of_bookkeeping():
    """Where the C library has no memory, the error names calloc, and not what the kernel refused before."""
    from securemem import Arena, SecureBytes
    from securemem.exceptions import OutOfMemoryError, ProtectionError

    arena = Arena()
    plan("exclude_from_dumps", error=errno.EINVAL)
    expect_error(ProtectionError, "exclude_from_dumps", lambda: SecureBytes.zeros(32, arena=arena))
    plan("calloc")
    expect_error(OutOfMemoryError, "calloc", lambda: SecureBytes.zeros(32, arena=arena))
    expect_error(OutOfMemoryError, "calloc", Arena)
    plan("calloc", first=2)
    expect_error(OutOfMemoryError, "calloc", lambda: SecureBytes.zeros(32, arena=arena))
    end_plan()
    assert len(SecureBytes.zeros(32, arena=arena)) == 32


def expect_error(kind, named, action):
    """The action raises the kind, and its message names the call."""
    try:
        action()
    except kind as error:
        message = str(error)
    else:
        raise AssertionError(f"no {kind.__name__}")
    assert named in message, message


def left_mapped_in_fork():
    """A forked child has no part in what its parent could not unmap."""
    from securemem import Arena, SecureBytes, statistics

    arena = Arena()
    secret = SecureBytes.random(5000, arena=arena)
    plan("unmap")
    arena.close()
    del secret
    child = os.fork()
    if child == 0:
        end_plan()
        os._exit(0 if statistics().runs == 0 and len(SecureBytes.random(5000)) == 5000 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    end_plan()


def warned():
    """lock="warn" tells once, and the secret is there, protected in every other way."""
    from securemem import Arena, LockWarning, SecureBytes, statistics

    arena = Arena(lock="warn")
    plan("lock_on_fault")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        secret = SecureBytes.random(32, arena=arena)
    assert [one.category for one in seen] == [LockWarning]
    end_plan()
    assert not secret.protection.locked
    assert secret.protection.closed
    assert secret.protection.dump_excluded
    assert secret.protection.guarded
    assert statistics().locked_bytes == 0


def without_mlock2():
    """Before Linux 4.4, or where a filter forbids mlock2, mlock locks and populates; nothing is warned of."""
    from securemem import Arena, SecureBytes

    for error in (errno.ENOSYS, errno.EINVAL):
        plan("lock_on_fault", error=error)
        secret = SecureBytes.random(32, arena=Arena())
        assert lib.faulty_calls(VERBS.index("lock")) == 1
        assert lib.faulty_calls(VERBS.index("populate")) == 1
        assert end_plan() > 0
        assert secret.protection.locked
    plan("lock", error=errno.EAGAIN)
    kept = SecureBytes.random(32, arena=Arena())  # mlock2 works: mlock is not asked
    assert end_plan() == 0
    assert kept.protection.locked


def hardening_refused():
    """harden() raises what the kernel refused, by name, and leaves nothing changed; the report tells or raises it."""
    import resource

    from securemem._binding import process as binding
    from securemem.exceptions import ProtectionError
    from securemem.process import harden, report

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    for verb in ("get_merging", "get_dumpable", "set_dumpable"):
        plan(verb, error=errno.EPERM)
        try:
            harden()
        except ProtectionError as error:
            assert error.errno == errno.EPERM  # noqa: PT017 - no pytest in this process
            assert verb in str(error)  # noqa: PT017 - the same
        else:
            raise AssertionError(f"hardened although {verb} failed")
        assert end_plan() > 0
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == hard
        assert binding.dumpable() == 1
    plan("get_merging", error=errno.EINVAL)  # a kernel without the flag merges nothing by default
    assert not report().pages.merged_by_default
    assert end_plan() > 0
    for verb, error in (("secret_file", errno.ENOSYS), ("map_secret", errno.EAGAIN), ("close", errno.EIO)):
        plan(verb, error=error)
        found = report().secret_memory
        assert end_plan() > 0
        assert not found.available
        assert found.error == errno.errorcode[error]
    plan("read_own_memory", error=errno.ENOSYS)
    assert report().interpreter.wipes_freed is None
    assert end_plan() > 0
    assert harden().changes


def refused_start():
    """What fails while the module is loaded is an ImportError that names the call; the next import succeeds."""
    for verb in START:
        plan(verb)
        try:
            importlib.import_module("securemem")
        except ImportError as error:
            assert verb in str(error), error  # noqa: PT017 - no pytest in this process
        else:
            raise AssertionError(f"imported although {verb} failed")
        assert end_plan() > 0
        for name in [name for name in sys.modules if name.startswith("securemem.") and name != "securemem._core"]:
            del sys.modules[name]
    import securemem

    assert len(securemem.SecureBytes.random(32)) == 32


if __name__ == "__main__":
    globals()[sys.argv[2]]()
