"""The pytest plugin: the fixture `canary`, a secret that pytest itself never holds, searched for from outside.

A test that asks for `canary` runs in a forked child. Another process makes a random secret and gives it to the child by
a pipe, straight into a slot. That process searches the child's memory for it, in every form, when the test function is
about to return, while its variables still live; and once more after the canary was wiped and dead stack was cleared.
A copy outside locked memory, or any after the release, fails the test, and the failure says where it lies.

    def test_login_keeps_no_copy(canary):
        login("user", canary)

    @pytest.mark.canary(size=16, allowed=2)  # bytes; copies outside locked memory that are known and accepted
    def test_old_client(canary): ...

Where the system does not let the child be scanned the test is skipped, with the reason; `--canary-required` makes that
a failure. What the child changes in memory is gone after the test. Fixtures of wider scope that only such a test asks
for are set up in the child and not torn down. Processes that the test starts are not searched.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import CodeType, FrameType

    from securemem.secure_bytes import SecureBytes
    from securemem.testing._reports import Report
    from securemem.testing._watcher import Watcher

_WATCHER: pytest.StashKey[Watcher] = pytest.StashKey()
_FIXTURE: pytest.StashKey[SecureBytes] = pytest.StashKey()
_RESULTS: pytest.StashKey[_Results] = pytest.StashKey()
_MARKER = "canary(size=32, allowed=0, backend='mlock', at_rest='noaccess')"
_PROPERTY = "securemem_canary"


class _Results:
    """What the tests with canaries came to."""

    def __init__(self) -> None:
        self.clean = self.leaked = self.refused = self.scanned = 0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --canary-required."""
    group = parser.getgroup("securemem")
    group.addoption(
        "--canary-required",
        action="store_true",
        help="fail tests with a canary where the system does not let them be scanned, instead of skipping them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", f"{_MARKER}: options of the fixture canary (securemem)")
    config.stash[_RESULTS] = _Results()


@pytest.fixture
def canary(request: pytest.FixtureRequest) -> SecureBytes:
    """A random secret in a slot, made by another process, which searches for copies of it when the test ends."""
    from securemem.arenas import Arena  # noqa: PLC0415 - programs that have no canary do not load it
    from securemem.secure_bytes import SecureBytes  # noqa: PLC0415 - the same

    options = _options(request.node)
    arena = Arena(backend=options["backend"], at_rest=options["at_rest"])
    secret = SecureBytes.zeros(options["size"], arena=arena)
    request.node.stash[_WATCHER].fill(secret)
    request.node.stash[_FIXTURE] = secret
    return secret


def _options(item: pytest.Item) -> dict[str, Any]:
    given: dict[str, Any] = {"size": 32, "allowed": 0, "backend": "mlock", "at_rest": "noaccess"}
    for marker in item.iter_markers("canary"):
        if marker.args or marker.kwargs.keys() - given.keys():
            raise pytest.UsageError(f"the marker is {_MARKER}")
        given.update(marker.kwargs)
        break  # the nearest one
    return given


class _Siblings:
    """Stands for a next test of the same module: what is shared with it is not torn down in the child."""

    def __init__(self, item: pytest.Item) -> None:
        self._chain = item.listchain()[:-1]

    def listchain(self) -> list[Any]:
        return self._chain


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Run a test that has a canary in a child, and report what it reported."""
    if "canary" not in getattr(item, "fixturenames", ()):
        return None
    from securemem.testing._watcher import Watcher  # noqa: PLC0415 - the same

    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    with Watcher() as item.stash[_WATCHER]:
        for report in _in_child(item):
            _count(item.config.stash[_RESULTS], report)
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _in_child(item: pytest.Item) -> list[Any]:
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, where there are threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            _tell(item, writing)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    if status == 0:
        return [_report(item, one) for one in json.loads(said)]
    how = f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"with status {os.WEXITSTATUS(status)}"
    words = f"the child in which the test ran ended {how}"
    return [pytest.TestReport(item.nodeid, item.location, {}, "failed", words, "call")]


def _report(item: pytest.Item, data: dict[str, Any]) -> Any:
    """A report that came as JSON, which has no tuples: where the reason of a skip stands, pytest wants one."""
    tuples = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
    plain = {name: data[name] for name in ("sections", "user_properties") if name in data}
    return item.config.hook.pytest_report_from_serializable(config=item.config, data=data | tuples | plain)


def _tell(item: pytest.Item, descriptor: int) -> None:
    from _pytest.runner import runtestprotocol  # noqa: PLC0415 - not public, and the only way to run phases of one test

    siblings: Any = _Siblings(item)  # listchain() is all that is asked of it
    reports = runtestprotocol(item, log=False, nextitem=siblings)
    hook = item.config.hook
    said = [hook.pytest_report_to_serializable(config=item.config, report=one) for one in reports]
    data = json.dumps(said).encode()
    sys.stdout.flush()
    sys.stderr.flush()
    while data:
        data = data[os.write(descriptor, data) :]


class _AtReturn:
    """Calls a function when a code object's frame is about to return, with its variables still alive."""

    def __init__(self, code: CodeType, work: Callable[[], None]) -> None:
        self._code, self._work, self._before = code, work, sys.getprofile()

    def _see(self, frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is self._code:
            sys.setprofile(self._before)
            self._work()

    def __enter__(self) -> None:
        sys.setprofile(self._see)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Scan when the function returns, and after the release."""
    if _FIXTURE not in pyfuncitem.stash:
        return (yield)
    watch = _Watch(pyfuncitem)
    function = getattr(pyfuncitem.obj, "__func__", pyfuncitem.obj)
    with _AtReturn(function.__code__, watch.while_held):
        result = yield  # a test that fails by itself is not scanned: its own failure is told
    watch.after_release()
    return result


class _Watch:
    """The two scans of one test."""

    def __init__(self, item: pytest.Function) -> None:
        self._item, self._options = item, _options(item)
        self._secret, self._watcher = item.stash[_FIXTURE], item.stash[_WATCHER]
        self._held: Report | Exception | None = None

    def _scan(self) -> Report | Exception:
        try:
            return self._watcher.scan()
        except Exception as error:  # noqa: BLE001 - it is raised where pytest can report it
            return error

    def while_held(self) -> None:
        """Scan with the function's variables alive; it must not raise here."""
        self._held = self._scan()

    def after_release(self) -> None:
        """Wipe, scan again, and judge both. Raises pytest's own outcomes."""
        from securemem.secure_bytes import scrub  # noqa: PLC0415 - as above

        if not self._secret.wiped:
            try:
                self._secret.wipe()
            except BufferError:
                pytest.fail("a view of the canary is still open when the test has ended", pytrace=False)
        scrub()
        released = self._scan()
        reports = [self._checked(self._held or released), self._checked(released)]
        self._item.user_properties.append((_PROPERTY, sum(one.scanned for one in reports)))
        self._judge(*reports)

    def _checked(self, report: Report | Exception) -> Report:
        from securemem.exceptions import ScanRefusedError  # noqa: PLC0415 - as above

        if isinstance(report, ScanRefusedError):
            words = f"the canary cannot be searched for: {report.strerror}"
            self._item.user_properties.append((_PROPERTY, -1))
            if self._item.config.getoption("canary_required"):
                pytest.fail(words, pytrace=False)
            pytest.skip(words)
        if isinstance(report, Exception):
            raise report
        return report

    def _judge(self, held: Report, released: Report) -> None:
        __tracebackhide__ = True
        allowed = self._options["allowed"]
        if held.unlocked > allowed or held.locked > 1:
            pytest.fail(f"the test keeps copies of the canary: {held.describe()}", pytrace=False)
        if released.unlocked > allowed or released.locked:
            words = f"copies of the canary are left after its release: {released.describe()}"
            pytest.fail(words, pytrace=False)


def _count(results: _Results, report: Any) -> None:
    scanned = next((value for name, value in report.user_properties if name == _PROPERTY), None)
    if report.when != "call" or scanned is None:
        return
    if scanned < 0:
        results.refused += 1
        return
    results.scanned += scanned
    if report.passed:
        results.clean += 1
    else:
        results.leaked += 1


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say in a line what was searched."""
    seen = config.stash[_RESULTS]
    if seen.clean + seen.leaked + seen.refused == 0:
        return
    said = f"{seen.clean} tests left no copy, {seen.leaked} left some, {seen.refused} could not be scanned"
    terminalreporter.write_line(f"canary: {said}; {seen.scanned / (1 << 20):.0f} MiB searched")
