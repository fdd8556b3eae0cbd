"""`securemem run`: the program sees what `python PROGRAM` would show it, hardened, and what fails is said."""

from __future__ import annotations

import compileall
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import pytest

import securemem
from securemem.cli import _bootstrap as bootstrap
from securemem.cli._run import find_program, wiping_environment

RUN = [sys.executable, "-m", "securemem", "run"]
# What a program can see of how it was started. Addresses in reprs differ from one process to the next.
SHOW = """
import json, os, re, sys
main = sys.modules["__main__"]
with os.popen("env") as children:
    inherited = children.read().splitlines()
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "flags": repr(sys.flags), "executable": sys.executable, "cwd": os.getcwd(),
    "globals": sorted(globals()), "is_main": main.__dict__ is globals(), "name": __name__, "package": __package__,
    "file": __file__, "cached": globals().get("__cached__", "-"), "doc": __doc__, "loader": type(__loader__).__name__,
    "spec": re.sub("0x[0-9a-f]+", "", repr(__spec__)), "warnoptions": sys.warnoptions, "xoptions": sys._xoptions,
    "variables": {name: value for name, value in os.environ.items() if name not in {"_", "LC_CTYPE"}},
    "children": [line for line in inherited if "MALLOC" in line or "TUNABLES" in line or "SECUREMEM" in line],
    "handlers": [str(__import__("signal").getsignal(number)) for number in (1, 2, 13, 15)],
    "input": sys.stdin.read(),
}))
"""
STATE = """
import json
from securemem.process import report
facts = report()
print(json.dumps([facts.cores.dumpable, facts.cores.soft_limit, facts.interpreter.wipes_freed]))
"""
glibc = pytest.mark.skipif(
    "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="only glibc wipes what is freed"
)


def plain(*arguments, python=(), **options):
    """`python ARGUMENTS`, the model."""
    return call([sys.executable, *python, *arguments], **options)


def hardened(*arguments, python=(), **options):
    """`securemem run ARGUMENTS`."""
    return call([sys.executable, *python, "-m", "securemem", "run", *arguments], **options)


def call(command, *, text="", **options):
    """Run a command with this standard input."""
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, **options)


def script(folder, code, name="program.py"):
    """A script of this code."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    return path


def assert_same_view(*arguments, python=(), **options):
    """The program prints the same of itself both ways."""
    expected = plain(*arguments, python=python, text="some input", **options)
    assert expected.returncode == 0, expected.stderr
    found = hardened(*arguments, python=python, text="some input", **options)
    assert found.stderr == ""
    assert json.loads(found.stdout) == json.loads(expected.stdout)
    assert found.returncode == 0


@pytest.mark.parametrize("python", [(), ("-B", "-X", "dev", "-W", "error", "-O"), ("-P",), ("-s",)])
def test_a_script_sees_what_python_shows_it(tmp_path, python):
    """Arguments, sys.path, `__main__`, flags, environment, children and input are those of `python SCRIPT`."""
    script(tmp_path, SHOW)
    assert_same_view("program.py", "a", "-m", "--strict", "-h", "--", "", python=python, cwd=tmp_path)


@pytest.mark.parametrize("python", [(), ("-P",)])
def test_a_module_sees_what_python_shows_it(tmp_path, python):
    """The same for `python -m MODULE`, also inside a package."""
    script(tmp_path, SHOW, "package/__main__.py")
    script(tmp_path, "", "package/__init__.py")
    script(tmp_path, SHOW, "package/inner.py")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert_same_view("-m", "package", "--strict", "-m", "x", python=python, cwd=tmp_path, env=environment)
    assert_same_view("-m", "package.inner", python=python, cwd=tmp_path, env=environment)


def test_other_kinds_of_programs(tmp_path):
    """A folder, a zip file, a compiled file, a link and a path with a dot work as with Python."""
    script(tmp_path, SHOW, "folder/__main__.py")
    with zipfile.ZipFile(tmp_path / "program.pyz", "w") as archive:
        archive.writestr("__main__.py", SHOW)
    compileall.compile_file(script(tmp_path, SHOW), legacy=True, quiet=1)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/link.py").symlink_to("../program.py")
    for target in ("folder", "program.pyz", "program.pyc", "elsewhere/link.py", "./program.py"):
        assert_same_view(target, "x", cwd=tmp_path)


def test_a_program_in_another_encoding(tmp_path):
    """The source's own encoding declaration counts, and our `from __future__` imports are not the program's."""
    path = tmp_path / "latin.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\ndef f(x: int): pass\nprint(ascii('\xe9'), f.__annotations__['x'])\n")
    assert hardened(path).stdout == "'\\xe9' <class 'int'>\n"


def test_a_console_script(tmp_path, monkeypatch):
    """An installed command is found by its name in this Python's scripts folder, and runs with its own arguments."""
    monkeypatch.chdir(tmp_path)
    found = hardened("securemem", "--version")
    assert found.returncode == 0, found.stderr
    assert found.stdout == f"securemem {securemem.__version__}\n"
    assert find_program("securemem") == str(Path(sysconfig.get_path("scripts"), "securemem"))


def test_a_file_comes_before_a_command(tmp_path, monkeypatch):
    """A file of the name in the working directory is what Python would run; so it is here."""
    monkeypatch.chdir(tmp_path)
    script(tmp_path, "", "pytest")
    assert find_program("pytest") == "pytest"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 0),
        ("raise SystemExit(7)", 7),
        ("raise SystemExit('words')", 1),
        ("raise ValueError", 1),
        ("import os; os._exit(9)", 9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("def", 1),
    ],
)
def test_exit_status(tmp_path, code, status):
    """Exit status and death by a signal are the program's own, as with Python."""
    path = script(tmp_path, code)
    assert plain(path).returncode == hardened(path).returncode == status


def test_there_is_no_parent(tmp_path):
    """The process that is started is the one that runs the program, so that signals and waits reach it."""
    path = script(tmp_path, "import os; print(os.getpid())")
    with subprocess.Popen([*RUN, path], stdout=subprocess.PIPE, text=True) as process:
        assert int(process.stdout.read()) == process.pid


def test_the_terminal_is_the_programs(tmp_path):
    """On a terminal the program has it as its standard input and output."""
    path = script(tmp_path, "import os, sys; print([os.isatty(n) for n in range(3)], sys.stdin.readline().strip())")
    ours, theirs = pty.openpty()
    with subprocess.Popen([*RUN, path], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, b"typed\n")
        assert process.wait() == 0
        assert b"[True, True, True] typed" in os.read(ours, 65536)
    os.close(ours)


@glibc
def test_the_program_is_hardened(tmp_path):
    """Inside, the process is not dumpable, leaves no core, and freed memory is wiped; outside, as control, not."""
    path = script(tmp_path, STATE)
    unset = {name: value for name, value in os.environ.items() if name not in {"PYTHONMALLOC", "GLIBC_TUNABLES"}}
    dumpable, _, wipes = json.loads(plain(path, env=unset).stdout)
    assert (dumpable, wipes) == (1, False)
    done = hardened(path, env=unset)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [0, 0, True]


@glibc
@pytest.mark.parametrize(
    "before",
    [
        {"PYTHONMALLOC": "debug", "GLIBC_TUNABLES": "glibc.malloc.arena_max=2:glibc.malloc.perturb=0"},
        {"PYTHONMALLOC": "", "GLIBC_TUNABLES": ""},
    ],
)
def test_variables_that_were_set_come_back(tmp_path, before):
    """The program and its children see the values of before, and freed memory is wiped in spite of them."""
    shown = "import os; print(json.dumps([[os.environ.get(n) for n in ('PYTHONMALLOC', 'GLIBC_TUNABLES')], os.popen("
    shown += "'echo \"$PYTHONMALLOC,$GLIBC_TUNABLES\"').read().strip()]))"
    done = hardened(script(tmp_path, STATE + shown), env={**os.environ, **before})
    state, (own, childs) = map(json.loads, done.stdout.splitlines())
    assert state[2] is True
    assert own == list(before.values())
    assert childs == ",".join(before.values())


@glibc
def test_other_tunables_are_kept():
    """Tunables that are not ours go on to work in the program."""
    made = wiping_environment({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2:glibc.malloc.perturb=0"})["GLIBC_TUNABLES"]
    assert made == "glibc.malloc.arena_max=2:glibc.malloc.perturb=85:glibc.malloc.tcache_count=0"
    assert wiping_environment({})["GLIBC_TUNABLES"] == "glibc.malloc.perturb=85:glibc.malloc.tcache_count=0"


def test_another_c_library_is_not_asked(monkeypatch):
    """On musl no variable is set, which would only slow Python down, and the reason is told."""
    monkeypatch.setattr("securemem.cli._run.c_library", lambda: "musl")
    assert wiping_environment({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}) == {}
    assert "musl" in bootstrap._why_not_wiped("musl")


@glibc
def test_a_program_that_restarts_itself_stays_hardened(tmp_path):
    """sys.orig_argv names a command line that starts the program this way again."""
    again = "import os, sys\nif 'again' not in sys.argv: os.execv(sys.executable, [*sys.orig_argv, 'again'])\n"
    done = hardened("-m", "program", "x", cwd=script(tmp_path, again + STATE).parent, python=("-B",))
    assert json.loads(done.stdout) == [0, 0, True], done.stderr


def test_unbuffered_output_stays_so(tmp_path):
    """`python -u`, which is in no flag, is handed on."""
    path = script(tmp_path, "import io, sys; print(isinstance(sys.stdout.buffer, io.RawIOBase))")
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    assert hardened(path, python=("-u",), env=buffered).stdout == "True\n"
    assert hardened(path, env=buffered).stdout == "False\n"


def test_multiprocessing_finds_the_main_module(tmp_path):
    """Children started by spawn import the program again by its path, as under Python."""
    code = """
import multiprocessing
def double(x): return 2 * x
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(double, [21]))
"""
    assert hardened(script(tmp_path, code)).stdout == "[42]\n"


@glibc
def test_what_could_not_be_done_is_said(tmp_path):
    """Under -E Python ignores its settings: that is said, the program runs; with --strict it is not started."""
    path = script(tmp_path, "print('ran')")
    done = hardened(path, python=("-E",))
    assert "freed memory is not wiped: Python was started with -E or -I" in done.stderr
    assert done.stdout == "ran\n"
    strict = hardened("--strict", path, python=("-E",))
    assert strict.returncode == 2
    assert strict.stdout == ""
    assert "the program was not started" in strict.stderr
    assert hardened("--strict", path).stdout == "ran\n"


LOCKED = "from securemem._memory_map import status_kib as kib; print(kib('VmLck') > 0.9 * kib('VmSize'))"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may lock beyond the limit")
def test_lock_everything(tmp_path):
    """All memory of the program is locked on demand, and not otherwise."""
    path = script(tmp_path, LOCKED)
    assert hardened("--lock-everything", path).stdout == "True\n"
    assert hardened(path).stdout == "False\n"


HEAP = """
import sys
from securemem import crypto_heap
print(crypto_heap.status().enabled, "--crypto-heap" in sys.orig_argv)
"""


def test_crypto_heap(tmp_path):
    """The memory of cryptography is served from the crypto heap, unless that is not wanted; a refusal is said."""
    path = script(tmp_path, HEAP)
    assert hardened("--crypto-heap", path).stdout == "True True\n"
    assert hardened(path).stdout == "True False\n"
    assert hardened("--no-crypto-heap", path).stdout == "False False\n"
    done = hardened("--crypto-heap", path, python=("-X", "tracemalloc"))
    assert "the crypto heap cannot be turned on: tracemalloc is tracing" in done.stderr
    assert done.stdout == "False True\n"
    done = hardened("--strict", path, python=("-X", "tracemalloc"))
    assert "tracemalloc is tracing" in done.stderr
    assert done.stdout == "False False\n"  # it was not asked for, and so no reason not to start


@glibc
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, of util-linux")
def test_what_cannot_be_locked_is_said_and_the_rest_is_done(tmp_path):
    """Under the limit of an ordinary user not all can be locked: that is said with the figures, the rest is done."""
    limited = ["prlimit", "--memlock=8388608:8388608", "setpriv", "--bounding-set=-ipc_lock", *RUN]
    done = call([*limited, "--lock-everything", script(tmp_path, STATE)])
    assert "not locked as a whole: cannot lock" in done.stderr
    assert "of 8388608 bytes" in done.stderr
    assert json.loads(done.stdout) == [0, 0, True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a program"),
        (("--",), "name a program"),
        (("no-such-program",), "neither a file nor a command"),
        (("./pytest",), "neither a file nor a command"),
        (("--no-such-option", "x"), "unrecognized arguments"),
        (("--stri", "x"), "unrecognized arguments"),
    ],
)
def test_wrong_usage(tmp_path, arguments, words):
    """What cannot be started is refused with status 2 and words that say what to give."""
    done = hardened(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_module_that_is_not_there():
    """The message and status are Python's own."""
    expected, found = plain("-m", "no_such_module"), hardened("-m", "no_such_module")
    assert (found.returncode, found.stderr) == (expected.returncode, expected.stderr)


def test_two_dashes_end_our_options(tmp_path):
    """A program after `--` may begin with a dash."""
    script(tmp_path, "import sys; print(sys.argv)", "-odd.py")
    assert hardened("--", "-odd.py", "--", "x", cwd=tmp_path).stdout == "['-odd.py', '--', 'x']\n"


def test_modules_beside_the_bootstrap_shadow_nothing(tmp_path):
    """The folder of our own bootstrap is not on the program's path: `import run` finds the program's, or nothing."""
    path = script(
        tmp_path, "import importlib.util as u; print([u.find_spec(n) for n in ('doctor', 'bootstrap', 'run')])"
    )
    assert hardened(path).stdout == "[None, None, None]\n"


def reachable_python(user):
    """The command of a Python that this user may start and that finds securemem; None if there is none."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run([python, "-c", "import securemem"], check=True, capture_output=True, env=environment, **user)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, environment
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
@glibc
def test_an_ordinary_user():
    """Without privileges all is done, and nothing is complained of."""
    user = {"user": 65534, "group": 65534, "extra_groups": []}
    found = reachable_python(user)
    if found is None:
        pytest.skip("no Python with securemem can be reached by an ordinary user")
    python, environment = found
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = script(Path(folder), STATE)
        done = call([python, "-m", "securemem", "run", path], env=environment, cwd=folder, **user)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [0, 0, True]
