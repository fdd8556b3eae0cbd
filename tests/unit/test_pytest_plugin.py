"""The fixture `canary`: what leaks fails and is told, what does not passes, and what cannot be seen is skipped."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CLEAN = """
import hmac
from securemem import SecureBytes

def test_clean(canary):
    assert isinstance(canary, SecureBytes) and len(canary) == 32
    with canary.reveal() as view:
        assert any(view)
    digest = hmac.digest(canary, b"message", "sha256")
    assert len(digest) == 32
"""
LEAKS = {
    "kept in a variable": "copy = bytes(memoryview(canary))",
    "hex": "copy = bytes(memoryview(canary)).hex()",
    "kept by the module": "KEPT.append(bytearray(memoryview(canary)))",
    "a second secret": "second = SecureBytes.copy_of(canary)",
}


@pytest.fixture
def run(pytester):
    """Run some test code in a pytest of its own, with options."""

    def start(code, *options):
        pytester.makepyfile(code)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)

    return start


def test_a_clean_test_passes(run):
    """It uses the canary and keeps no copy; the summary says how much was searched."""
    result = run(CLEAN)
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [r"canary: 1 tests left no copy, 0 left some, 0 could not be scanned; \d+ MiB searched"]
    )


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_leaking_test_fails_and_says_where(run, leak):
    """A copy that a variable, the module or another secret holds fails the test, with its place."""
    result = run(f"from securemem import SecureBytes\nKEPT = []\ndef test_leaks(canary):\n    {leak}\n")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"the test keeps copies of the canary: \d+ copies outside locked memory, \d in it",
            r" +(raw|hex|.*base64.*|.*8 bytes of.*) in \S+.* at 0x[0-9a-f]+ \(offset 0x[0-9a-f]+; .*locked\)",
            r"canary: 0 tests left no copy, 1 left some, 0 could not be scanned; .*",
        ]
    )


def test_a_copy_that_only_lives_on_after_release_fails(run):
    """A cache that takes its copy when the function has returned is found by the second scan."""
    result = run("""
        import pytest
        class Late:
            def __init__(self, secret): self.secret = secret
            def __del__(self): KEPT.append(bytes(memoryview(self.secret)))
        KEPT = []
        def test_late(canary):
            late = Late(canary)
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["copies of the canary are left after its release: 1 copies outside locked memory*"])


def test_marker(run):
    """Its options: size, accepted copies, backend; others are a wrong usage."""
    result = run("""
        import pytest
        KEPT = []
        @pytest.mark.canary(size=16, allowed=1)
        def test_known(canary):
            assert len(canary) == 16
            KEPT.append(bytes(memoryview(canary)))
        @pytest.mark.canary(at_rest="readwrite")
        def test_open(canary):
            assert not canary.protection.closed
        @pytest.mark.canary(length=3)
        def test_wrong(canary): pass
    """)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*the marker is canary(size=32, allowed=0*"])


def test_a_tests_own_failure_is_told(run):
    """A failed assertion, an error of a fixture, a skip, and a child that dies are what pytest reports."""
    result = run("""
        import os, pytest
        def test_wrong(canary): assert len(canary) == 7
        @pytest.fixture
        def broken(): raise RuntimeError("out of order")
        def test_broken(canary, broken): pass
        def test_skipped(canary): pytest.skip("no network")
        def test_dies(canary): os._exit(3)
        def test_killed(canary): os.kill(os.getpid(), 9)
        def test_other(): pass
    """)
    result.assert_outcomes(failed=3, errors=1, skipped=1, passed=1)
    result.stdout.fnmatch_lines(["*assert 32 == 7*"])
    result.stdout.fnmatch_lines(["*out of order*"])
    result.stdout.fnmatch_lines(["*ended with status 3*"])
    result.stdout.fnmatch_lines(["*ended by signal 9*"])


def test_open_view(run):
    """A view that is kept is told, for the secret cannot be wiped under it."""
    result = run("KEPT = []\ndef test_view(canary): KEPT.append(memoryview(canary))")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["a view of the canary is still open when the test has ended"])


def test_pytest_itself_never_holds_the_canary(run):
    """The test runs in a child, and what it does to the module stays there; shared fixtures live on in pytest."""
    result = run("""
        import os, pytest
        PID, SEEN = os.getpid(), []
        @pytest.fixture(scope="module")
        def shared():
            yield os.getpid()
            SEEN.append("torn down")
        def test_first(shared): assert shared == PID
        def test_child(canary, shared):
            assert os.getpid() != PID and shared == PID and not SEEN
            SEEN.append(canary)
        def test_parent(shared): assert SEEN == []
    """)
    result.assert_outcomes(passed=3)


REFUSED = """
import ctypes, os
def test_hidden(canary):
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(0x59616D61, 0, 0, 0, 0)
    from securemem.testing import Watcher
    from securemem.exceptions import ScanRefusedError
    def refuse(self, pid=None): raise ScanRefusedError(1, "ptrace is forbidden here")
    Watcher.scan = refuse  # in the child only: root is refused nothing
"""


def test_what_cannot_be_scanned_is_skipped_with_the_reason(run):
    """And is a failure with --canary-required."""
    result = run(REFUSED, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*the canary cannot be searched for: ptrace is forbidden here*"])
    result.stdout.fnmatch_lines(["canary: 0 tests left no copy, 0 left some, 1 could not be scanned; 0 MiB searched"])
    run(REFUSED, "--canary-required").assert_outcomes(failed=1)


def test_works_unprivileged(pytester):
    """As an ordinary user a clean test passes and a leaking one fails; one that is not dumpable is skipped."""
    from tests.support.ordinary_user import run_as_ordinary_user

    path = pytester.makepyfile(
        CLEAN
        + """
def test_leaks(canary):
    copy = bytes(memoryview(canary))

def test_hidden(canary):
    import ctypes
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
"""
    )
    for folder in (path, *path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    done = run_as_ordinary_user("-m", "pytest", "-p", "no:cacheprovider", "-rs", str(path))
    if "1 passed" not in done.stdout:
        assert "3 skipped" in done.stdout, done.stdout + done.stderr
        pytest.skip("the system does not let an ordinary user's processes be scanned")
    assert "1 failed, 1 passed, 1 skipped" in done.stdout
    assert "PR_SET_DUMPABLE" in done.stdout
