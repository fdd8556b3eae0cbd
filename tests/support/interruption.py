"""Interrupts an operation wherever it can be interrupted, and checks what it left.

An operation is run again and again with fresh objects. At each attempt one thing goes wrong, one step later than at the
attempt before: an exception at the N-th bytecode (`Bytecodes`), the N-th request for memory refused (`Allocations`), or
a stack that is N frames deep (`Depth`). The attempts end when the operation completes. After each one, with the
exception and its traceback still held, `Checks` looks for what must never be left.

Counted are the bytecodes of the code under test, and of all that it calls (the standard library, cryptography), but for
code of the tests, which it calls back.
"""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import securemem
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

    from securemem import SecureBytes

OURS = str(Path(securemem.__file__).parent) + os.sep
TESTS = str(ROOT / "tests") + os.sep
NEVER = 2**62
# A gate that is kept is kept for ever. An idle machine needs a millisecond; one that is loaded may need seconds.
PATIENCE = 5.0


class Lockable(Protocol):
    """A key store, as the checks see it."""

    @property
    def locked(self) -> bool:
        """Whether every key is wiped."""
        ...

    def lock(self) -> None:
        """Wipe every key, once the uses of other threads have ended."""
        ...


@dataclass
class Case:
    """Fresh objects for one attempt, the operation on them, and what is known of its end."""

    operate: Callable[[], object]  # the one public call
    secrets: list[SecureBytes] = field(default_factory=list)  # the test's own, made before
    store: Lockable | None = None  # its gate must be empty, and lock() must wipe
    unlock: Callable[[], object] | None = None  # afterwards the store must open again
    destination: bytearray | SecureBytes | None = None  # must be zero when the operation failed,
    whole: SecureBytes | None = None  # or this, where the exception came after all was done
    folder: Path | None = None  # no file may be left in it
    files: frozenset[str] = frozenset()  # but these
    after: Callable[[Attempt], object] = lambda _attempt: None  # what a program does next, before it is looked at
    before_scan: Callable[[], object] = lambda: None  # what it does, the exception still held, before a scan
    check: Callable[[Attempt], str | None] = lambda _attempt: None  # what is wrong besides
    dropped: Callable[[], str | None] = lambda: None  # what is wrong when the exception is dropped
    windows: Callable[[Attempt], int] = lambda _attempt: 0  # how many may be open, at most
    watched: SecureBytes | None = None  # its bytes must be nowhere but in locked memory


class Operation(NamedTuple):
    """A public operation, and how its cases are made: `make` gets an empty folder."""

    name: str
    make: Callable[[Path], Case]
    converts: tuple[type[BaseException], ...] = ()  # what it is documented to raise instead
    refusals: tuple[type[BaseException], ...] = ()  # what it may raise besides where memory is refused
    recovers: tuple[type[BaseException], ...] = ()  # what it may deal with itself, so that nothing is raised
    least: int = 1  # bytecodes that it surely has: with fewer the driver sees nothing
    watched: bool = False  # its cases have a watched secret
    ours: str = OURS  # the code under test lies under this path


class Attempt(NamedTuple):
    """How an attempt ended."""

    error: BaseException | None
    result: object
    fired: bool  # something went wrong
    planned: BaseException | None  # what was raised, where that is known
    where: str = ""
    loses: bool = False  # CPython itself keeps a frame alive


class Mechanism(Protocol):
    """A way to make something go wrong at step `at`."""

    name: str
    loses_frames: bool  # what a frame holds may stay alive for good, by no fault of the operation

    def attempt(self, operate: Callable[[], object], at: int, ours: str) -> Attempt:
        """Run the operation."""
        ...


class _Tracer:
    """sys.settrace: for Python 3.11."""

    def __init__(self, step: Callable[[FrameType], None], ours: str) -> None:
        self._step = step
        self._ours = ours

    def _begin(self, frame: FrameType, _event: str, _argument: object) -> Any:
        name, caller = frame.f_code.co_filename, frame.f_back
        called_by_us = caller is not None and caller.f_trace is not None and not name.startswith(TESTS)
        if not name.startswith(self._ours) and not called_by_us:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._opcode

    def _opcode(self, frame: FrameType, event: str, _argument: object) -> Any:
        if event == "opcode":
            self._step(frame)
        return self._opcode

    def __enter__(self) -> None:
        sys.settrace(self._begin)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)


class _Monitor:
    """sys.monitoring: from Python 3.12 on."""

    def __init__(self, step: Callable[[FrameType], None], ours: str) -> None:
        self._step = step
        self._ours = ours
        self._thread = threading.get_ident()
        self._monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore] # 3.11 has none

    def _is_counted(self, frame: FrameType | None) -> bool:
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(self._ours):
                return True
            if name.startswith(TESTS):
                return False
            frame = frame.f_back
        return False

    def _instruction(self, _code: CodeType, _offset: int) -> None:
        if threading.get_ident() != self._thread:
            return
        frame = sys._getframe(1)
        if self._is_counted(frame):
            try:
                self._step(frame)
            except BaseException:
                self._monitoring.set_events(self._monitoring.DEBUGGER_ID, 0)
                raise

    def __enter__(self) -> None:
        monitoring = self._monitoring
        monitoring.use_tool_id(monitoring.DEBUGGER_ID, "interruption")
        monitoring.register_callback(monitoring.DEBUGGER_ID, monitoring.events.INSTRUCTION, self._instruction)
        monitoring.set_events(monitoring.DEBUGGER_ID, monitoring.events.INSTRUCTION)

    def __exit__(self, *_: object) -> None:
        monitoring = self._monitoring
        monitoring.set_events(monitoring.DEBUGGER_ID, 0)
        monitoring.register_callback(monitoring.DEBUGGER_ID, monitoring.events.INSTRUCTION, None)
        monitoring.free_tool_id(monitoring.DEBUGGER_ID)


class Bytecodes:
    """An exception before the N-th bytecode, as a signal handler could raise it there."""

    loses_frames = False

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind
        self.name = f"{kind.__name__} at bytecode"
        self._at = 0
        self._planned: BaseException | None = None
        self._where = ""
        self._loses = False
        self.count = 0
        self.record: list[tuple[CodeType, int]] | None = None  # where each bytecode was, if that is asked for

    def _step(self, frame: FrameType) -> None:
        self.count += 1
        code = frame.f_code
        if self.record is not None:
            self.record.append((code, frame.f_lasti))
        if self.count == self._at:
            # CPython 3.11 loses a reference where a trace function raises at the ends of an except clause.
            self._loses = frame.f_lineno is None or sys.exc_info()[0] is not None
            self._where = f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_qualname}"
            self._planned = self.kind("planned")
            raise self._planned

    def attempt(self, operate: Callable[[], object], at: int, ours: str) -> Attempt:
        """Run the operation; `count` is then the number of bytecodes until the exception or the end."""
        self.count, self._at, self._planned, self._loses = 0, at, None, False
        watch = _Monitor(self._step, ours) if hasattr(sys, "monitoring") else _Tracer(self._step, ours)
        error, result = None, None
        try:
            with watch:
                result = operate()
        except BaseException as raised:  # noqa: BLE001 - whatever it was is looked at
            error = raised
        planned, self._planned = self._planned, None  # it holds the frames, and so what is in them
        return Attempt(error, result, planned is not None, planned, self._where, self._loses)


class Allocations:
    """The N-th request for memory is refused (CPython's _testcapi)."""

    name = "memory refused at request"
    loses_frames = True  # CPython's own: where it has no memory for the frame of a traceback, one stays alive

    def __init__(self) -> None:
        import _testcapi  # type: ignore[import-not-found,unused-ignore] # not every Python has it

        self._refuse, self._end = _testcapi.set_nomemory, _testcapi.remove_mem_hooks

    def attempt(self, operate: Callable[[], object], at: int, ours: str) -> Attempt:  # noqa: ARG002 - wherever it is
        """Run the operation."""
        error, result = None, None
        self._refuse(at, at + 1)
        try:
            result = operate()
        except BaseException as raised:  # noqa: BLE001 - whatever it was is looked at
            error = raised
        finally:
            self._end()
        return Attempt(error, result, error is not None, None)


class Depth:
    """A stack with room for N more frames."""

    name = "RecursionError at depth"
    loses_frames = False

    def attempt(self, operate: Callable[[], object], at: int, ours: str) -> Attempt:  # noqa: ARG002 - wherever it is
        """Run the operation."""
        usual, error, result = sys.getrecursionlimit(), None, None
        frame: FrameType | None = sys._getframe()
        depth = 0
        while frame is not None:
            depth, frame = depth + 1, frame.f_back
        try:
            sys.setrecursionlimit(depth + 1 + at)
            result = operate()
        except BaseException as raised:  # noqa: BLE001 - whatever it was is looked at
            error = raised
        finally:
            sys.setrecursionlimit(usual)
        return Attempt(error, result, error is not None, None)


class _Worker:
    """Another thread, in which things are tried that hang where something is held."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._tasks: queue.SimpleQueue[tuple[Callable[[], object], list[object], threading.Event]] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            task, outcome, done = self._tasks.get()
            try:
                task()
            except BaseException as error:  # noqa: BLE001 - told to the caller
                outcome.append(error)
            del task, outcome
            done.set()

    def does(self, task: Callable[[], object]) -> str | None:
        """None, or what went wrong."""
        outcome: list[object] = []
        done = threading.Event()
        self._tasks.put((task, outcome, done))
        if not done.wait(self._patience):
            return "hangs"
        return f"raises {outcome[0]!r}" if outcome else None


def descriptors() -> frozenset[str]:
    """The open descriptors, by number and what they are open on."""
    found = set()
    for one in list(Path("/proc/self/fd").iterdir()):
        try:
            found.add(f"{one.name} {one.readlink()}")
        except FileNotFoundError:  # the one that lists
            continue
    return frozenset(found)


class Driver:
    """Runs the attempts of one operation and collects what is wrong."""

    def __init__(self, operation: Operation, folder: Path, *, patience: float = PATIENCE) -> None:
        self.operation = operation
        self.folder = folder
        self.problems: list[str] = []
        self.attempts = 0
        self.broken = False  # something is held for good: no further attempt can be made
        self._numbered = 0
        self._patience = patience
        self._worker = _Worker(patience)
        self._lost: list[BaseException | None] = []
        for _ in range(3):  # what is made at a first use is made now
            error = self._plain()
            if error is not None:
                raise AssertionError(f"{operation.name} fails uninterrupted") from error
        gc.collect()
        gc.freeze()
        self._base = securemem.statistics().live_secrets

    def case(self) -> Case:
        """A fresh case in a fresh folder."""
        self._numbered += 1
        place = self.folder / str(self._numbered)
        place.mkdir()
        return self.operation.make(place)

    def _plain(self) -> BaseException | None:
        case = self.case()
        try:
            result = case.operate()
            case.after(Attempt(None, result, fired=False, planned=None))
        except BaseException as error:  # noqa: BLE001 - told to the caller
            return error
        wrong = case.check(Attempt(None, result, fired=False, planned=None))
        return None if wrong is None else AssertionError(wrong)

    def attempt(self, mechanism: Mechanism, at: int, look: Callable[[Case], None] | None = None) -> bool:
        """One attempt with all checks; whether something went wrong in it, as planned.

        look: called with the case while the exception is held, before the checks change anything.
        """
        self.attempts += 1
        case = self.case()
        before = descriptors()
        self._lost.clear()
        usual = sys.unraisablehook
        sys.unraisablehook = lambda lost: self._lost.append(lost.exc_value)
        gc.disable()
        try:
            ended = mechanism.attempt(case.operate, at, self.operation.ours)
        finally:
            gc.enable()
            sys.unraisablehook = usual
        if look is not None and ended.fired:
            case.before_scan()
            look(case)
        case.after(ended)
        found = [*self._wrong(case, ended, before)]
        fired, where, dropped, loses = ended.fired, ended.where, case.dropped, ended.loses
        del case, ended
        self._lost.clear()
        gc.collect()
        if (wrong := dropped()) is not None:
            found.append(wrong)
        del dropped
        left = securemem.statistics().live_secrets - self._base
        self._base += left
        if left and not found and not (mechanism.loses_frames or loses):  # what was found may keep them
            found.append(f"{left} secrets are alive after all is dropped")
        self._lost.clear()
        place = f" ({where})" if where else ""
        self.problems += [f"{self.operation.name}: {mechanism.name} {at}{place}: {one}" for one in found]
        return fired

    def _wrong(self, case: Case, ended: Attempt, before: frozenset[str]) -> Iterator[str]:
        yield from self._wrong_exception(ended)
        now = securemem.statistics()
        if now.open_windows > case.windows(ended):
            yield f"{now.open_windows} windows are open"
        if more := descriptors() - before:
            yield f"descriptors are open: {sorted(more)}"
        if case.folder is not None and (names := {one.name for one in case.folder.iterdir()} - case.files):
            yield f"files are left: {sorted(names)}"
        if ended.error is not None and case.destination is not None and not _is_settled(case.destination, case.whole):
            yield "the destination of a failed operation is not wiped"
        if (wrong := case.check(ended)) is not None:
            yield wrong
        if case.store is not None:
            yield from self._wrong_store(case, case.store, ended)
        if (wrong := self._worker.does(self._again)) is not None:
            yield f"the same operation in another thread {wrong}"
            self.broken = True

    def _wrong_exception(self, ended: Attempt) -> Iterator[str]:
        error, planned = ended.error, ended.planned
        if planned is not None:
            if error is None and not isinstance(planned, self.operation.recovers):
                yield f"the exception is lost{': it was unraisable' if planned in self._lost else ''}"
            elif error is not None and error is not planned and not isinstance(error, self.operation.converts):
                yield f"the exception became {error!r}"
        elif error is not None and type(error).__module__ != "pyo3_runtime":
            # cryptography's Rust panics (pyo3) where the interpreter has no memory, without securemem too.
            expected: tuple[type[BaseException], ...] = (
                MemoryError,
                RecursionError,
                *self.operation.converts,
                *self.operation.refusals,
            )
            if not isinstance(error, expected):
                yield f"raised {error!r}"

    def _wrong_store(self, case: Case, store: Lockable, ended: Attempt) -> Iterator[str]:
        if (wrong := self._worker.does(store.lock)) is not None:
            yield f"lock() from another thread {wrong}"
            self._worker = _Worker(self._patience)
            return
        if not store.locked:
            yield "the store is not locked after lock()"
        if (now := securemem.statistics()).open_windows:
            yield f"{now.open_windows} windows are open in a locked store"
        own = sum(not one.wiped for one in case.secrets) + _secrets_in(ended.result)
        if (alive := securemem.statistics().live_secrets - self._base - own) > 0:
            yield f"{alive} secrets are alive in a locked store"
        if case.unlock is not None and (wrong := self._worker.does(case.unlock)):
            yield f"unlocking {wrong}"
            self._worker = _Worker(self._patience)

    def _again(self) -> None:
        error = self._plain()
        if error is not None:
            raise error


def _secrets_in(result: object) -> int:
    parts = result if isinstance(result, tuple) else (result,)
    return sum(isinstance(one, securemem.SecureBytes) and not one.wiped for one in parts)


def _is_settled(buffer: bytearray | SecureBytes, whole: SecureBytes | None) -> bool:
    return _is_zero(buffer) or (whole is not None and whole == buffer)


def _is_zero(buffer: bytearray | SecureBytes) -> bool:
    if isinstance(buffer, bytearray):
        return not any(buffer)
    return buffer.wiped or buffer == bytes(len(buffer))
