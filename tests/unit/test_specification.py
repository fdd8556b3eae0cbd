"""The specification of the mlock family, and the kernel held to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from securemem.cli import main
from securemem.locking import specification
from securemem.testing.conformance import Outcome, Row, all_rows, run
from securemem.testing.conformance._rows import CannotStageError
from tests.support.programs import run as run_program

OPEN = Path("/proc/self/fd")
NAMES = ["mlock", "mlock2", "munlock", "mlockall", "munlockall"]
# What the sources say that no Linux of today does: each is a finding, named here so that a new one is seen.
KNOWN_TO_DIFFER = {
    ("mlock", "EINVAL where len is not positive"),
    ("mlock", "a call that fails changes no lock"),
    ("mlock", "after that failure neither lock nor charge stay"),
    ("mlock", "only the superuser may lock"),
    ("munlock", "a call that fails changes no lock"),
    ("munlock", "EINVAL where len is not positive"),
    ("mlockall", "under MCL_FUTURE, what asks for memory over the limit fails with ENOMEM"),
    ("mlockall", "EPERM without CAP_IPC_LOCK, whatever the limit"),
}


@pytest.fixture(scope="module")
def outcomes():
    """Every row, staged once, by a process that has locked nothing."""
    began = time.monotonic()
    words = [sys.executable, "-m", "securemem", "conformance", "--json"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = [Outcome(**row) for row in json.loads(said)["rows"]]
    assert time.monotonic() - began < 60, "rows that hang are ended, and there are few of them"
    return found


def test_every_call_is_specified():
    """The five calls are there, each with all its tables, every statement with its source."""
    assert [call.name for call in specification.CALLS] == NAMES
    for call in specification.CALLS:
        assert call.errors
        assert call.effects
        assert call.transitions
        assert call.notes
        assert all(one.source for one in (*call.errors, *call.notes))
        assert specification.specification(call.name) is call
    with pytest.raises(KeyError):
        specification.specification("mmap")


def test_the_kernel_is_held_to_it(outcomes):
    """At least 90 rows are staged; those that differ are known, and those that cannot be staged say why."""
    differ = {(one.call, one.statement) for one in outcomes if one.verdict == "differs"}
    assert differ <= KNOWN_TO_DIFFER, [one for one in outcomes if (one.call, one.statement) in differ - KNOWN_TO_DIFFER]
    assert all(one.why for one in outcomes if one.verdict == "cannot be staged")
    if os.geteuid() == 0:
        assert sum(one.verdict != "cannot be staged" for one in outcomes) >= 90


def test_every_source_of_an_error_is_staged():
    """Each call has rows, and each errno of the specification is the subject of one."""
    rows = all_rows()
    for call in specification.CALLS:
        said = " ".join(f"{one.statement} {one.expected}" for one in rows if one.call == call.name)
        for error in call.errors:
            if call.name != "munlockall":  # its one errno needs a death
                assert error.name in said or error.name in {"EINTR", "EAGAIN"}, (call.name, error)


def _wrong(probe):
    page = probe.map(1)
    return probe.mlock(page, 4096)


def _dead(probe):
    os.kill(os.getpid(), 9)
    return str(probe)


def _failing(probe):
    raise ValueError(type(probe).__name__)


def _unable(probe):
    raise CannotStageError(f"{type(probe).__name__} may not")


def test_a_kernel_that_differs_is_seen():
    """Positive control: a wrong expectation, a death, an exception and an impossibility each have their verdict."""
    rows = [Row("mlock", "s", "test", "EPERM", stage) for stage in (_wrong, _dead, _failing, _unable)]
    found = run(rows)
    assert [one.verdict for one in found] == ["differs", "differs", "differs", "cannot be staged"]
    assert [one.seen for one in found] == ["0", "the process died", "ValueError: Probe", ""]
    assert found[3].why == "Probe may not"


def test_staging_leaves_nothing(outcomes):
    """Neither locks nor descriptors nor children of the rows remain here."""
    del outcomes
    before = sorted(OPEN.iterdir())
    run(all_rows()[:12])
    assert sorted(OPEN.iterdir()) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_spec_prints(capsys):
    """`securemem spec` prints every call, or one; --json is read by scripts."""
    assert main(["spec"]) == 0
    page = capsys.readouterr().out
    assert all(f"{call.prototype}\n" in page for call in specification.CALLS)
    assert max(map(len, page.splitlines())) <= 80
    assert main(["spec", "munlock", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    assert [one["name"] for one in told["calls"]] == ["munlock"]
    with pytest.raises(SystemExit) as error:
        main(["spec", "mmap"])
    assert error.value.code == 2


def test_conformance_prints(capsys):
    """`securemem conformance` counts the verdicts and names what differs; --json has every row."""
    assert main(["conformance", "--all"]) == 0
    page = capsys.readouterr().out
    assert "differs" in page
    assert "mlock: addr is rounded down to a page [mlock(2)]" in page
    assert main(["conformance", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["verdict"] for one in told["rows"]} <= {"held", "differs", "cannot be staged"}
    assert len(told["rows"]) == len(all_rows())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_can_run_it():
    """Without privileges the rows that need them say so, and the rest is staged."""
    told = run_program("""
        import json
        from securemem.testing.conformance import all_rows, run
        from tests.support.ordinary_user import become
        rows = all_rows()
        become(1 << 20)
        print(json.dumps([[one.verdict, one.why] for one in run(rows)]))
    """)
    rows = json.loads(told)
    assert sum(verdict == "held" for verdict, _ in rows) >= 50
    assert any("CAP_IPC_LOCK is missing" in why for _, why in rows)
