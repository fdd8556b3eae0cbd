"""Facts about this Python and this process, each provoked and then seen."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
import threading
import types

import pytest

from securemem.exceptions import BackendUnavailableError, ProtectionError
from securemem.process import _interpreter as interpreter


def test_nothing_spills_in_a_plain_program():
    """Positive control of the next tests: a plain program shows no local variables."""
    program = "from securemem.process import _interpreter as i; print(i.spills(), i.remote_debugging())"
    said = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert said.startswith("()")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sys.excepthook", "sys.excepthook = print"),
        ("threading.excepthook", "threading.excepthook = print"),
        ("sys.settrace", "sys.settrace(lambda *_: None)"),
        ("sys.setprofile", "sys.setprofile(lambda *_: None)"),
        ("cgitb", "sys.modules['cgitb'] = sys"),
        ("sentry_sdk", "sys.modules['sentry_sdk'] = sys"),
    ],
)
def test_what_spills_is_named(name, code):
    """Hooks that were replaced, tracers and modules that show locals are found by name."""
    program = f"import sys, threading; from securemem.process import _interpreter as i; {code}; found = i.spills()"
    program += "; sys.settrace(None); sys.setprofile(None); print(found)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == f"('{name}',)"


def test_an_interactive_python_is_found():
    """`python -i` leaves everything to whoever sits at the terminal."""
    program = "from securemem.process import _interpreter as i; print(i.spills())"
    done = subprocess.run([sys.executable, "-i", "-c", program], input="", capture_output=True, text=True, check=True)
    assert "python -i" in done.stdout


@pytest.mark.parametrize("enabled", [True, False])
def test_remote_debugging(monkeypatch, enabled):
    """Where Python can be attached to from outside (3.14), it is asked whether that is allowed."""
    monkeypatch.setattr(sys, "is_remote_debug_enabled", lambda: enabled, raising=False)
    assert interpreter.remote_debugging() is enabled


def test_the_c_library(monkeypatch):
    """Glibc tells its version; musl knows no such question, and is known by Python's own build."""

    def unknown(_name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(interpreter.os, "confstr", unknown)
    monkeypatch.setattr(interpreter.sysconfig, "get_config_var", lambda _name: "cpython-313-x86_64-linux-musl")
    assert interpreter.c_library() == "musl"
    monkeypatch.setattr(interpreter.sysconfig, "get_config_var", lambda _name: "cpython-313-x86_64-linux-gnu")
    monkeypatch.setattr(interpreter.sysconfig, "get_platform", lambda: "linux-x86_64")
    assert interpreter.c_library() == "unknown"
    monkeypatch.setattr(interpreter.os, "confstr", lambda _name: "glibc 2.41")
    assert interpreter.c_library() == "glibc 2.41"


def test_limits():
    """Infinity is None."""
    program = (
        "import resource as r; from securemem.process import _interpreter as i; "
        "r.setrlimit(r.RLIMIT_CORE, (0, r.getrlimit(r.RLIMIT_CORE)[1])); print(i.limit(r.RLIMIT_CORE)[0])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "0\n"
    fake = types.SimpleNamespace(getrlimit=lambda _kind: (5, -1), RLIM_INFINITY=-1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "resource", fake)
        assert interpreter.limit(resource.RLIMIT_CORE) == (5, None)


def test_refusals_are_told_by_name(monkeypatch, tmp_path):
    """What the kernel refuses to tell is named by its errno, or None, and is no exception."""

    def refuse(kind, number):
        def call(*_arguments):
            raise kind(number, "refused")

        return call

    monkeypatch.setattr(interpreter.binding, "try_secret_memory", refuse(BackendUnavailableError, errno.EPERM))
    assert interpreter.secret_memory().error == "EPERM"
    monkeypatch.setattr(interpreter.binding, "peek", refuse(ProtectionError, errno.ENOSYS))
    assert interpreter.wipes_freed() is None
    monkeypatch.setattr(interpreter.binding, "peek", refuse(ProtectionError, errno.EFAULT))
    assert interpreter.wipes_freed() is True
    monkeypatch.setattr(interpreter.Arena, "fits", refuse(ProtectionError, errno.EACCES))
    found = interpreter.locking(tmp_path)
    assert (found.refusal, found.secrets_of_32, found.locked) == ("EACCES", None, None)


def test_the_default_arena_is_left_alone():
    """A report does not make the default arena: configure() comes in time after it."""
    program = "import securemem, securemem.process as p; p.report(); securemem.configure(at_rest='readwrite')"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_trials_from_many_threads():
    """Trials of freed memory from several threads at once disturb neither each other nor the process."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(interpreter.wipes_freed())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
