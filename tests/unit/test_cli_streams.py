"""The command where its surroundings are poor: streams closed or full, no working directory, few descriptors."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from securemem.cli import main
from securemem.cli._output import printable

COMMAND = [sys.executable, "-m", "securemem"]
CLOSED = ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"]
# A program that tells what it was given, by a file: its own streams may be closed.
TELL = """
import os, sys
streams = [stream is not None for stream in (sys.stdin, sys.stdout, sys.stderr)]
opened = []
for number in range(3):
    try:
        os.fstat(number)
    except OSError:
        continue
    opened.append(number)
with open(sys.argv[1], "a") as out:
    print(streams, opened, sys.argv[2:], file=out)
"""


def shell(command, *, redirections="", cwd=None, before="true"):
    """Run a command by a shell with these redirections; its standard output and error are pipes before them."""
    line = f"{before} && {shlex.join(map(str, command))} {redirections}"
    return subprocess.run(["bash", "-c", line], check=False, capture_output=True, text=True, cwd=cwd)


@pytest.fixture
def file(tmp_path):
    """A file for the demo."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3000))
    return path


@pytest.mark.parametrize("redirections", CLOSED)
def test_run_starts_a_program_whose_streams_are_closed(tmp_path, redirections):
    """As daemons and cron may start it: the program runs, and has the streams that Python itself would give it."""
    program, expected, found = tmp_path / "app.py", tmp_path / "expected", tmp_path / "found"
    program.write_text(TELL)
    plain = shell([sys.executable, program, expected, "x"], redirections=redirections)
    ours = shell([*COMMAND, "run", program, found, "x"], redirections=redirections)
    assert (plain.returncode, ours.returncode, ours.stderr) == (0, 0, "")
    assert found.read_text() == expected.read_text()
    assert found.read_text().count("\n") == 1


def test_run_with_something_to_tell_and_nobody_to_hear(tmp_path):
    """What could not be done is told on a closed or full standard error without an exception, and the program runs."""
    program = tmp_path / "app.py"
    program.write_text("print('ran')")
    python = [sys.executable, "-E", "-m", "securemem", "run", program]  # -E: freed memory cannot be wiped
    assert "is not wiped" in shell(python).stderr
    for redirections in ("2>&-", "2>/dev/full"):
        done = shell(python, redirections=redirections)
        assert (done.returncode, done.stdout) == (0, "ran\n")


@pytest.mark.parametrize("redirections", CLOSED)
@pytest.mark.parametrize("command", ["doctor", "doctor --json", "demo", "--version"])
def test_the_verdict_is_the_status_where_nobody_reads(file, command, redirections):
    """With closed streams doctor and demo do their work, and end with the status of their verdict."""
    line = [*COMMAND, *command.split(), *[file] * (command == "demo")]
    done = shell(line, redirections=redirections)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert (done.stdout == "") is (">&-" in redirections.split())


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["doctor", "doctor --json", "demo", "--version", "--help", "doctor --help"])
def test_output_that_cannot_be_written(file, command, unbuffered):
    """A full device is told in one line with status 2, which no script takes for a verdict."""
    line = [*COMMAND, *command.split(), *[file] * (command == "demo")]
    done = shell(line, redirections=">/dev/full", before=f"export PYTHONUNBUFFERED={unbuffered}")
    assert done.returncode == 2
    assert done.stderr == "securemem: [Errno 28] No space left on device\n"


def test_reader_that_goes(file):
    """A reader of the output that ends early is no verdict either: 141, as a shell reports SIGPIPE, and no words."""
    command = f"{shlex.join([*COMMAND, 'demo', str(file)])} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


@pytest.mark.parametrize("command", ["doctor", "demo", "run", "run -m"])
def test_without_a_working_directory(tmp_path, command):
    """In a directory that was deleted the command does what Python does there."""
    gone = tmp_path / "gone"
    if command == "demo" and sys.version_info[:3] == (3, 13, 0):
        pytest.skip("CPython 3.13.0 itself cannot import socket in a directory that is gone")
    (tmp_path / "module.py").write_text("print('ran')")
    gone.mkdir()
    line = {
        "doctor": [*COMMAND, "doctor"],
        "demo": [*COMMAND, "demo", tmp_path / "module.py"],
        "run": [*COMMAND, "run", tmp_path / "module.py"],
        "run -m": [*COMMAND, "run", "-m", "module"],
    }[command]
    set_path = f"export PYTHONPATH={shlex.quote(os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))}"
    done = shell(line, cwd=gone, before=f"{set_path} && rmdir {shlex.quote(str(gone))}")
    assert (done.returncode, done.stderr) == (0, "")
    assert ("ran" in done.stdout) is command.startswith("run")


@pytest.mark.parametrize("descriptors", range(5, 13))
def test_few_descriptors(file, descriptors):
    """Where descriptors run out the command says so, with status 2, or does its work; nothing between."""
    for command, clean in ((["doctor"], 0), (["demo", file], 0), (["run", "-m", "securemem", "--version"], 0)):
        done = shell([*COMMAND, *command], before=f"ulimit -n {descriptors}")
        assert "Traceback" not in done.stderr
        if done.returncode != clean:
            assert done.returncode == 2
            assert "Too many open files" in done.stderr
            assert done.stdout == ""
    if descriptors == 12:
        enough = shell([*COMMAND, "demo", file], before="ulimit -n 40")
        assert "Verdict: no copy" in enough.stdout


NAME = "evil\x1b]0;title\x07\x1b[2J\u202ename"


@pytest.mark.parametrize("arguments", [["demo", NAME], ["run", NAME], ["demo", "x", NAME], ["doctor", NAME], [NAME]])
def test_names_cannot_steer_the_terminal(tmp_path, arguments):
    """Control characters and those that turn the direction of writing are escaped in every message."""
    done = subprocess.run([*COMMAND, *arguments], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "evil\\x1b]0;title\\x07\\x1b[2J\\u202ename" in done.stderr
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stderr)


def test_the_demos_page_escapes_the_name(tmp_path):
    """The name of the file is escaped where all goes well too."""
    (tmp_path / NAME).write_text("something to encrypt")
    done = subprocess.run([*COMMAND, "demo", NAME], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0
    assert "evil\\x1b]0;title" in done.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)


def test_printable():
    """Letters of all scripts stay; bytes that are no text, line ends and controls are escaped."""
    assert printable("Schlüssel 鍵 🔑") == "Schlüssel 鍵 🔑"
    assert printable(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
    assert printable("a\nb\x9b\ud83d") == "a\\nb\\x9b\\ud83d"


def test_a_terminal_without_the_characters(file):
    """Output in an encoding that lacks a name's characters is escaped, and no exception."""
    named = file.rename(file.with_name("Schlüssel"))
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*COMMAND, "demo", named], check=False, capture_output=True, env=plain)
    assert done.returncode == 0
    assert rb"Schl\xfcssel" in done.stdout


@pytest.mark.parametrize("command", ["doctor", "demo", "run"])
def test_a_wrong_option_shows_the_subcommands_usage(command, capsys):
    """The usage is that of the subcommand which the option was given to, and not that of the whole command."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--no-such-option", "x"])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"usage: securemem {command} ")
    assert "unrecognized arguments: --no-such-option" in shown


@pytest.mark.parametrize("way", ["< {}", "<({})", "|"])
def test_run_takes_its_program_from_a_pipe(tmp_path, way):
    """`/dev/stdin` and `<(...)` work as with Python, also for a program longer than a pipe's buffer."""
    program = tmp_path / "app.py"
    program.write_text("#" * 100_000 + "\nimport sys; print(sys.argv[1:], __file__[:5], [*sys.stdin][:0])\n")
    shown = []
    for python in ([sys.executable], [*COMMAND, "run"]):
        start = shlex.join(python)
        line = {
            "< {}": f"{start} /dev/stdin a b < {program}",
            "<({})": f"{start} <(cat {program}) a b </dev/null",
            "|": f"cat {program} | {start} /dev/stdin a b",
        }[way]
        shown.append(subprocess.run(["bash", "-c", line], check=False, capture_output=True, text=True))
    plain, ours = shown
    assert (ours.returncode, ours.stdout, ours.stderr) == (0, plain.stdout, "")
    assert ours.stdout == "['a', 'b'] /dev/ []\n"


def test_ignored_signals_stay_ignored(tmp_path):
    """Under nohup and in background jobs of scripts SIGINT and SIGHUP are ignored: so they are in the program."""
    program = tmp_path / "app.py"
    program.write_text("import signal; print([signal.getsignal(n) == signal.SIG_IGN for n in (1, 2, 15)])")

    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    for python in ([sys.executable], [*COMMAND, "run"]):
        done = subprocess.run([*python, program], check=True, capture_output=True, text=True, preexec_fn=ignore)
        assert done.stdout == "[True, True, False]\n"


def test_an_interrupted_command_ends_with_130(tmp_path):
    """SIGINT during the demo ends it with the status that a shell reports, without a traceback."""
    path = tmp_path / "file"
    path.write_bytes(bytes(1) * (1 << 28))
    arguments = [*COMMAND, "demo", path]
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # The tests' own may be ignored: nohup.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread runs here
    ) as process:
        while not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate()
    assert process.returncode in {130, -signal.SIGINT}
    assert (out, errors) == (b"", b"")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 12
