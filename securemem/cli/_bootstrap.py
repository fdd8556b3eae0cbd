"""The first program of the interpreter that `securemem run` starts: it hardens the process and becomes the program.

It is run by its path. Everything the program can see is then as `python PROGRAM` would have it: sys.path, sys.argv,
`__main__`, the environment.
"""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # this file's folder, which must not answer the imports that follow

import builtins
import io
import json
import os
import pkgutil
import runpy
from contextlib import suppress
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType, ModuleType
from typing import Literal, NamedTuple

_CANNOT_START = 2


class Plan(NamedTuple):
    """What to run and how.

    module: the target is a module's name, else a path. target: the program. restore: environment variables as they
    were before, None for unset. strict: do not run it if something cannot be done. lock_everything: as for harden().
    crypto_heap: as for KeyStore.
    """

    module: bool
    target: str
    restore: dict[str, str | None]
    strict: bool
    lock_everything: bool
    crypto_heap: Literal["auto", "require", "off"]


def restore_environment(before: dict[str, str | None]) -> None:
    """Set variables back, for this process's os.environ and for what its children get."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _import_securemem() -> None:
    """Import what hardens; from beside this file where sys.path leads elsewhere."""
    root = str(Path(__file__).resolve().parents[2])
    sys.path.append(root)
    try:
        import securemem.process  # noqa: F401, PLC0415 - sys.path was just made ready for it
    finally:
        sys.path.pop()


def _say(what: str) -> None:
    """Tell it on standard error, if that is open and takes it: the program runs all the same."""
    if sys.stderr is not None:
        with suppress(OSError):  # past the buffer, which would keep what cannot be written for the program's end
            os.write(sys.stderr.fileno(), f"securemem run: {what}\n".encode())


def _why_not_wiped(c_library: str) -> str:
    if not c_library.startswith("glibc"):
        return f"this C library ({c_library}) has no setting for it"
    if sys.flags.ignore_environment:
        return "Python was started with -E or -I, and ignores PYTHONMALLOC"
    return "the allocators did not take PYTHONMALLOC and GLIBC_TUNABLES"


def _turn_crypto_heap_on(wanted: Literal["auto", "require", "off"]) -> list[str]:
    """Serve cryptography's memory from the crypto heap; why that cannot be, as a sentence. "auto" only says it."""
    if wanted == "off":
        return []
    from securemem import crypto_heap  # noqa: PLC0415 - see _import_securemem
    from securemem.exceptions import SecureMemError  # noqa: PLC0415 - the same

    try:
        why = crypto_heap._turn_on(wanted)  # noqa: SLF001 - made for this
    except SecureMemError as error:
        return [str(error)]
    if why:
        _say(why)
    return []


def harden_process(*, lock_everything: bool) -> list[str]:
    """Do all that can be done; what could not, as sentences."""
    from securemem.exceptions import SecureMemError  # noqa: PLC0415 - see _import_securemem
    from securemem.process import _interpreter as interpreter  # noqa: PLC0415 - the same
    from securemem.process import harden  # noqa: PLC0415 - the same

    failures = []
    wiped = interpreter.wipes_freed()  # before hardening, which may forbid to look
    if wiped is None:
        failures.append("it cannot be told whether freed memory is wiped: the kernel does not let the process look")
    elif not wiped:
        failures.append(f"freed memory is not wiped: {_why_not_wiped(interpreter.c_library())}")
    # One after the other, since a harden() that is refused changes nothing at all.
    for what, locked in (("hardened", False), ("locked as a whole", True)):
        try:
            if lock_everything or not locked:
                harden(lock_everything=locked)
        except SecureMemError as error:
            failures.append(f"the process is not {what}: {error}")
    return failures


def _original_command(plan: Plan, arguments: list[str]) -> list[str]:
    """A command line that starts the program this way again, for programs that restart themselves."""
    python = sys.orig_argv[: len(sys.orig_argv) - len(arguments) - 2]
    flags = ["--strict"] * plan.strict + ["--lock-everything"] * plan.lock_everything
    flags += {"auto": [], "require": ["--crypto-heap"], "off": ["--no-crypto-heap"]}[plan.crypto_heap]
    return [*python, "-m", "securemem", "run", *flags, *["-m"] * plan.module, plan.target, *arguments]


def _load(path: str) -> tuple[SourceFileLoader | SourcelessFileLoader, CodeType | None]:
    """The code of a source or compiled file, compiled afresh as for any main program, and the loader it names."""
    with io.open_code(path) as file:  # read once and never from its start again: it may be a pipe
        start = file.read(len(MAGIC_NUMBER))
        if start == MAGIC_NUMBER:
            compiled = SourcelessFileLoader("__main__", path)
            return compiled, compiled.get_code("__main__")
        return SourceFileLoader("__main__", path), compile(start + file.read(), path, "exec", dont_inherit=True)


def _working_directory() -> str | None:
    """The working directory; None where it was deleted, which Python runs programs in all the same."""
    try:
        return os.getcwd()  # noqa: PTH109 - a string, as sys.path has
    except OSError:
        return None


def _absolute(path: str) -> str:
    """The path from the root, but not normalised: as Python does with the path of its program."""
    return os.path.join(_working_directory() or "", path)  # noqa: PTH118 - pathlib normalises


def _become_script(main: ModuleType, target: str) -> None:
    path = _absolute(target)
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))  # noqa: PTH120 - the same
    loader, code = _load(path)
    main.__dict__.update(__file__=path, __loader__=loader)
    if code is not None:
        exec(code, main.__dict__)  # noqa: S102 - to run the program is its very job


def become(plan: Plan, arguments: list[str]) -> None:
    """Run the program as `__main__`; it ends as the program ends."""
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    ours = vars(sys.modules["__main__"])
    if "__annotations__" in ours:  # Python before 3.14 gives each main program an empty one
        main.__dict__.update(__annotations__={})
    if "__cached__" in ours:  # Python before 3.15 gives each main program one
        main.__dict__.update(__cached__=None)
    sys.modules["__main__"] = main
    run_module = vars(runpy)["_run_module_as_main"]  # what `python -m` itself calls; no published type names it
    if plan.module:
        folder = _working_directory()
        if not sys.flags.safe_path and folder is not None:
            sys.path.insert(0, folder)
        sys.argv = ["-m", *arguments]
        run_module(plan.target)
        return
    sys.argv = [plan.target, *arguments]
    if pkgutil.get_importer(plan.target) is None:
        _become_script(main, plan.target)
        return
    sys.path.insert(0, _absolute(plan.target))  # a folder or zip file with a __main__.py
    run_module("__main__", False)


def start() -> None:
    """Carry out the plan in this interpreter's arguments."""
    plan = Plan(**json.loads(sys.argv[1]))
    arguments = sys.argv[2:]
    restore_environment(plan.restore)
    _import_securemem()
    failures = harden_process(lock_everything=plan.lock_everything)
    failures += _turn_crypto_heap_on(plan.crypto_heap)
    for failure in failures:
        _say(failure)
    if failures and plan.strict:
        _say("--strict: the program was not started")
        sys.exit(_CANNOT_START)
    sys.orig_argv = _original_command(plan, arguments)
    become(plan, arguments)


if __name__ == "__main__":
    start()
