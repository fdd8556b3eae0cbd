"""Power that is cut after any write or sync of a change: the store is as before it or as after it, and opens.

What is written after the last sync may be on the disk in part, or not at all. The controls leave out syncs.
"""

from __future__ import annotations

import json

import pytest

from tests.support import programs, shims


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    """The library that records what is done to files."""
    return shims.built("faults/store_writes.c", tmp_path_factory.mktemp("writes"))


def outcomes(recorder, directory, synchronous, one_of):
    """How many disks had the state before, the one after, neither, or not what had been promised to last."""
    directory.chmod(0o700)
    words = ("tests.faults.store_power", directory, synchronous, one_of)
    said = programs.run_module(*words, environment={"LD_PRELOAD": str(recorder)}, quiet=False, timeout=300)
    return json.loads(said.splitlines()[-1])


def test_cut_power_leaves_the_state_before_or_after(recorder, tmp_path):
    """Of 1,400 disks that there may be, one of five; all of those there may be when the method has returned."""
    seen = outcomes(recorder, tmp_path, "EXTRA", 5)
    assert seen.keys() == {"before", "after"}
    assert seen["before"] >= 150
    assert seen["after"] >= 50


@pytest.mark.parametrize(("synchronous", "one_of", "sign"), [("OFF", 12, "wrong"), ("NORMAL", 60, "lost")])
def test_a_missing_sync_is_found(recorder, tmp_path, synchronous, one_of, sign):
    """The control: without syncs states are mixed, and without the last one a change does not last."""
    assert outcomes(recorder, tmp_path, synchronous, one_of)[sign] >= 5
