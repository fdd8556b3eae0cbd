"""What happens at RLIMIT_MEMLOCK and at max_bytes, to an ordinary user: each case in a child that gave up root."""

from __future__ import annotations

import json
import os
import textwrap

import pytest

from securemem import Arena, SecureBytes
from securemem.exceptions import ArenaFullError
from tests.support.programs import run

PAGE = os.sysconf("SC_PAGE_SIZE")
MEBIBYTE = 1 << 20
LIMITS = pytest.mark.parametrize("limit", [8 * MEBIBYTE, 64 * 1024, 0])
SIZES = pytest.mark.parametrize("size", [32, 100, 4000, 65536])

PRELUDE = """
import itertools, json, sys, warnings
import securemem
from securemem import *
from securemem._memory_map import mappings
from tests.support.ordinary_user import become

limit, size = int(sys.argv[1]), int(sys.argv[2])
become(limit)

def content(number, size):
    return (number.to_bytes(8, "big") * (size // 8 + 1))[:size]

def fill(arena, size):
    kept = []
    try:
        for number in itertools.count():
            kept.append(SecureBytes.copy_of(content(number, size), arena=arena))
    except LockLimitError as error:
        return kept, error

def intact(kept, size):
    return all(one == content(number, size) for number, one in enumerate(kept))
"""


def child(program: str, limit: int, size: int = 32) -> dict[str, object]:
    """What a program prints as JSON that runs as an ordinary user under a limit."""
    return json.loads(run(PRELUDE + textwrap.dedent(program), limit, size, timeout=300, quiet=False))


@LIMITS
def test_the_error_tells_limit_used_wanted_and_the_way_out(limit):
    """LockLimitError holds the three figures, true ones, and its message says how to raise the limit."""
    found = child(
        """
        kept, error = fill(Arena(), size)
        print(json.dumps({"figures": [error.limit, error.used, error.wanted], "message": str(error), "n": len(kept),
                          "locked": statistics().process_locked, "memory": isinstance(error, MemoryError)}))
        """,
        limit,
    )
    assert found["figures"] == [limit, found["locked"], PAGE]
    assert found["locked"] + PAGE > limit >= found["locked"]
    assert (found["n"] == 0) == (limit == 0)
    assert found["memory"]
    for words in (f"{PAGE} bytes", f"{limit} bytes", "RLIMIT_MEMLOCK", "ulimit -l", "LimitMEMLOCK="):
        assert words in found["message"]


@pytest.mark.parametrize("limit", [8 * MEBIBYTE, 64 * 1024])
@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
def test_earlier_secrets_stay_intact_and_locked(limit, at_rest):
    """The request that fails costs nothing: every earlier secret has its bytes, in pages the kernel shows as locked."""
    found = child(
        f"""
        arena = Arena(at_rest={at_rest!r})
        kept, error = fill(arena, size)
        ours = [one for one in mappings() if {{"dd", "dc"}} <= one.flags]
        resident = sum(one.sizes["Locked"] for one in ours) * 1024
        states = [kept[0].protection, kept[-1].protection]
        print(json.dumps({{"intact": intact(kept, size), "resident": resident, "used": error.used,
                          "pages": arena.statistics().page_bytes, "locked": all(one.locked for one in states),
                          "unlocked_accessible": sum(one.accessible and not one.locked for one in ours)}}))
        """,
        limit,
    )
    assert found["intact"]
    assert found["locked"]
    assert found["resident"] == found["used"] == found["pages"] <= limit
    assert found["unlocked_accessible"] == 0


def test_smaps_shows_what_is_not_locked():
    """The control for the test above: with lock="warn" past the limit, the same reading finds unlocked pages."""
    found = child(
        """
        warnings.simplefilter("ignore")
        arena = Arena(at_rest="readwrite", lock="warn")
        kept = [SecureBytes.zeros(4000, arena=arena) for _ in range(40)]
        ours = [one for one in mappings() if {"dd", "dc"} <= one.flags]
        print(json.dumps({"unlocked_accessible": sum(one.accessible and not one.locked for one in ours),
                          "locked": kept[-1].protection.locked}))
        """,
        64 * 1024,
    )
    assert found["unlocked_accessible"] > 0
    assert not found["locked"]


@pytest.mark.parametrize("limit", [64 * 1024, 0])
def test_warn_gives_a_warning_and_a_secret_that_works(limit):
    """lock="warn" past the limit: LockWarning, and a secret protected in every other way."""
    found = child(
        """
        arena = Arena(lock="warn")
        kept = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            while not caught:
                kept.append(SecureBytes.copy_of(content(len(kept), size), arena=arena))
        last = kept[-1].protection
        print(json.dumps({"category": caught[0].category.__name__, "intact": intact(kept, size), "n": len(kept),
                          "locked": last.locked, "others": [last.dump_excluded, last.guarded, last.closed,
                          last.fork_policy == "excluded", not last.mergeable]}))
        """,
        limit,
    )
    assert found["category"] == "LockWarning"
    assert found["intact"]
    assert not found["locked"]
    assert all(found["others"])
    assert (found["n"] == 1) == (limit == 0)


@pytest.mark.parametrize("limit", [8 * MEBIBYTE, 64 * 1024])
@SIZES
def test_fits_tells_exactly_what_will_fit(limit, size):
    """fits() before the first secret and with some alive equals the number that then can be made."""
    found = child(
        """
        with Arena() as trial:
            foretold = trial.fits(size)
            fitted = len(fill(trial, size)[0])
        arena = Arena()
        some = [SecureBytes.zeros(size, arena=arena) for _ in range(foretold // 3)]
        rest = arena.fits(size)
        kept, _ = fill(arena, size)
        print(json.dumps({"empty": [foretold, fitted], "begun": [rest, len(kept)], "full": arena.fits(size)}))
        """,
        limit,
        size,
    )
    assert found["empty"][0] == found["empty"][1]
    assert found["begun"][0] == found["begun"][1]
    assert found["full"] == 0


def test_fits_nothing_at_limit_zero():
    """At limit 0 fits() says 0, as the first secret will be refused."""
    assert child("print(json.dumps({'fits': fits(size)}))", 0) == {"fits": 0}


def test_a_wiped_secret_makes_room_again():
    """At the limit, dropping one secret lets one more be made, and pages of one size go to another when idle."""
    found = child(
        """
        arena = Arena()
        kept, _ = fill(arena, size)
        kept.pop().wipe()
        kept.append(SecureBytes.zeros(size, arena=arena))
        again = arena.fits(size)
        kept.clear()
        other = SecureBytes.zeros(40_000, arena=arena)
        print(json.dumps({"again": again, "other": len(other)}))
        """,
        64 * 1024,
    )
    assert found == {"again": 0, "other": 40_000}


@SIZES
def test_max_bytes_is_an_error_of_its_own(size):
    """An arena's own bound raises ArenaFullError when fits() says so, and leaves its secrets as they are."""
    bound = 256 * 1024
    with Arena(max_bytes=bound) as arena:
        foretold = arena.fits(size)
        kept = [SecureBytes.copy_of(b"\x5a" * size, arena=arena) for _ in range(foretold)]
        with pytest.raises(ArenaFullError, match="max_bytes"):
            SecureBytes.zeros(size, arena=arena)
        assert foretold > 0
        assert arena.statistics().page_bytes <= bound
        assert all(one == b"\x5a" * size for one in kept)


def test_the_figures_are_of_the_request_where_the_trial_fails_too():
    """Finding out whether the limit binds takes address space; without any, the error still tells what was wanted."""
    found = child(
        """
        import resource
        kept, error = fill(None, size)
        used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize:")) << 10
        room = used + (1 << 20)  # for a page, not for a trial mapping of the whole limit
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        try:
            SecureBytes.zeros(4000)
        except LockLimitError as error:
            print(json.dumps([error.limit, error.wanted]))
        """,
        8 * MEBIBYTE,
        4000,
    )
    assert found == [8 * MEBIBYTE, PAGE]
