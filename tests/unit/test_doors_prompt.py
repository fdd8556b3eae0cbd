"""prompt() at a real terminal: what is typed, and the terminal's settings before and after, on every way out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
import textwrap
import time
from pathlib import Path

import pytest

from securemem.doors import prompt
from securemem.exceptions import InvalidArgumentError
from tests.support import programs
from tests.support.terminal import Terminal  # noqa: TC001 - the fixture makes them

ASK = """
    import sys
    from securemem import statistics
    from securemem.doors import prompt
    from tests.support.doors import bytes_of
    options = eval(sys.argv[1]) if len(sys.argv) > 1 else {}
    try:
        secret = prompt("? ", **options)
    except BaseException as error:
        print(type(error).__name__, error)
        print(statistics().live_secrets, statistics().open_windows)
        sys.exit(7)
    print(bytes_of(secret).hex())
"""


def entered(one: Terminal) -> bytes:
    """What the program got, after it ended well and gave the terminal back."""
    status, out = one.end()
    assert status == 0, out
    assert one.settings() == one.before
    return bytes.fromhex(out)


def failed(one: Terminal) -> str:
    """What it raised, after it gave the terminal back, and held nothing."""
    status, out = one.end()
    assert status == 7, out
    assert one.settings() == one.before
    said, counts = out.splitlines()
    assert counts == "0 0"
    return said


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (b"secret\n", b"secret"),
        (b"secret\r", b"secret"),
        (b"with spaces \t and tabs\n", b"with spaces \t and tabs"),
        ("pässwörd€😀\n".encode(), "pässwörd€😀".encode()),
        (b"wrong\x7f\x7f\x7fite\n", b"write"),
        (b"ab\x08c\n", b"ac"),
        ("ä€😀\x7f\x7fx\n".encode(), "äx".encode()),  # each takes back a whole character
        (b"\x7f\x7fa\n", b"a"),
        (b"one two  three\x17four\n", b"one two  four"),
        (b"one two  \x17\x17x\n", b"x"),
        ("größe tür\x17zu\n".encode(), "größe zu".encode()),
        (b"all wrong\x15right\n", b"right"),
        (b"ended by eof\x04", b"ended by eof"),
        (b"\xff\xfe latin \xe9\x7f\n", b"\xff\xfe latin "),
        (b"\x01\x02\x16\x0f\n", b"\x01\x02\x16\x0f"),
    ],
)
def test_what_is_typed(terminal, typed, kept):
    """Backspace takes back a character, ^W a word, ^U all; other bytes are kept as they are. Nothing is shown."""
    one = terminal(ASK)
    one.wait_for_prompt()
    one.type(typed)
    assert entered(one) == kept
    assert one.shown == b"? \r\n"


@pytest.mark.parametrize("length", [1024, 4094, 4095, 4096, 4097, 10_000, 60_000])
def test_a_long_paste(terminal, length):
    """All of it comes, past the 4,095 bytes at which the terminal's own lines end."""
    text = os.urandom(length).hex()[:length].encode()
    one = terminal(ASK)
    one.wait_for_prompt()
    one.type(text + b"\n")
    assert entered(one) == text
    assert one.shown == b"? \r\n"


def test_more_than_the_limit(terminal):
    """It is an error, the rest of the line is dropped, and the next line is left for the next reader."""
    one = terminal(ASK.replace("sys.exit(7)", "print(input()); sys.exit(7)"), "{'max_length': 100}")
    one.wait_for_prompt()
    one.type(b"x" * 5000 + b"\nnext line\n")
    status, out = one.end()
    assert status == 7
    assert "InputTooLongError more than 100 bytes" in out
    assert out.splitlines()[-1] == "next line"
    assert one.settings() == one.before


def test_typed_ahead(terminal):
    """What was typed before it asked is taken, and what is typed behind the line is left for the next reader."""
    source = ASK + "    print(input())\n"
    one = terminal(source, ahead=b"ahead of time\n")
    one.wait_until(lambda: b"? " in one.shown, "the prompt")
    one.type(b"the next line\n")
    status, out = one.end()
    assert status == 0
    assert bytes.fromhex(out.splitlines()[0]) == b"ahead of time"
    assert out.splitlines()[1] == "the next line"
    assert one.settings() == one.before


@pytest.mark.parametrize(
    ("typed", "options", "said"),
    [
        (b"\n", "{}", "EmptyInputError"),
        (b"taken back\x15\n", "{}", "EmptyInputError"),
        (b"\x04", "{}", "InputEndedError"),
        (b"taken back\x15\x04", "{}", "InputEndedError"),
        (b"one\ntwo\n", "{'confirm': True}", "InputError the two entries differ"),
        (b"one\nonly\n", "{'confirm': True}", "InputError the two entries differ"),
        (b"one\n\x04", "{'confirm': True}", "InputEndedError"),
        (b"some\x03", "{}", "KeyboardInterrupt"),
        (b"one\n\x03", "{'confirm': True}", "KeyboardInterrupt"),
    ],
)
def test_ways_that_end_without_a_secret(terminal, typed, options, said):
    """Nothing, the end of file, two different entries, ^C: each an exception, the terminal set as before."""
    one = terminal(ASK, options)
    for at, line in enumerate(typed.splitlines(keepends=True)):
        one.wait_until(lambda at=at: one.shown.count(b"? ") + one.shown.count(b": ") > at and not one.echoes, "it")
        one.type(line)
    assert failed(one).startswith(said)


def test_confirming(terminal):
    """The same twice gives it once; both lines pasted at once too."""
    one = terminal(ASK, "{'confirm': 'Again: '}")
    one.wait_for_prompt()
    one.type(b"the same\nthe same\n")
    assert entered(one) == b"the same"
    assert one.shown == b"? \r\nAgain: \r\n"


@pytest.mark.parametrize(
    "number", ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGALRM", "SIGSEGV", "SIGABRT", "SIGPWR", "SIGRTMAX"]
)
def test_signals_that_end_the_process(terminal, number):
    """The process ends by the signal, as it would without us, and the terminal is as before."""
    one = terminal(ASK)
    one.wait_for_prompt()
    one.type(b"half")
    time.sleep(0.05)
    number = getattr(signal, number)
    one.process.send_signal(number)
    status, out = one.end()
    assert (status, out) == (-number, "")
    assert one.settings() == one.before


def test_sigkill_is_the_exception(terminal):
    """The control for the test above: nothing can be done at SIGKILL, and the terminal stays without echo."""
    one = terminal(ASK)
    one.wait_for_prompt()
    one.process.kill()
    assert one.end()[0] == -signal.SIGKILL
    assert not one.echoes


def test_the_keys_that_send_signals(terminal):
    r"""^\\ ends the process by SIGQUIT, and the terminal is as before."""
    one = terminal(ASK)
    one.wait_for_prompt()
    one.type(b"half\x1c")
    assert one.end()[0] == -signal.SIGQUIT
    assert one.settings() == one.before


def test_a_handler_of_the_program_goes_on(terminal):
    """A signal that the program handles is handled between characters, and the entry goes on."""
    source = "\n    import signal\n    signal.signal(signal.SIGTERM, lambda *_: print('handled'))" + ASK
    one = terminal(source)
    one.wait_for_prompt()
    one.type(b"first ")
    time.sleep(0.05)
    one.process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    one.type(b"second\n")
    status, out = one.end()
    assert status == 0
    assert out.splitlines() == ["handled", b"first second".hex()]
    assert one.settings() == one.before


def test_handlers_are_put_back(terminal):
    """After it, each signal has the disposition that it had."""
    source = """
    import pathlib, signal
    from securemem.doors import prompt
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, handler := lambda *_: None)
    status = pathlib.Path("/proc/self/status")
    def all_of_them(): return status.read_text().partition("SigIgn")[2].splitlines()[:2]
    before = all_of_them()
    prompt("? ")
    print(before == all_of_them(), signal.getsignal(signal.SIGUSR2) is handler, signal.getsignal(signal.SIGTERM).name)
    """
    one = terminal(source)
    one.wait_for_prompt()
    caught = {line.split()[0]: int(line.split()[1], 16) for line in _status(one) if line.startswith(("SigI", "SigC"))}
    assert caught["SigCgt:"] & 1 << signal.SIGTERM - 1  # the control: it had one meanwhile
    assert caught["SigIgn:"] & 1 << signal.SIGUSR1 - 1
    one.type(b"x\n")
    assert one.end() == (0, "True True SIG_DFL\n")


def _status(one):
    return Path(f"/proc/{one.process.pid}/status").read_text("ascii").splitlines()


def test_a_hang_up_ends_the_process(terminal):
    """SIGHUP at its default action ends it."""
    one = terminal(ASK)
    one.wait_for_prompt()
    one.type(b"half")
    one.hang_up()
    assert one.process.wait(20) == -signal.SIGHUP


def test_a_hang_up_where_sighup_is_ignored(terminal):
    """A terminal that goes away is a TerminalError, and nothing is held."""
    one = terminal("\n    import signal\n    signal.signal(signal.SIGHUP, signal.SIG_IGN)" + ASK)
    one.wait_for_prompt()
    one.type(b"half")
    one.hang_up()
    out, _ = one.process.communicate(timeout=20)
    assert one.process.returncode == 7
    assert out.startswith("TerminalError [Errno 5] the terminal went away")
    assert out.splitlines()[1] == "0 0"


SHELL = """
    import os, signal, sys, termios
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    def local(): return bool(termios.tcgetattr(0)[3] & termios.ECHO)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
    for turn in range(2):
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status): break
        os.tcsetpgrp(0, os.getpgrp())
        print("stopped by", signal.Signals(os.WSTOPSIG(status)).name, "echo", local(), flush=True)
        line = sys.stdin.readline()
        print("the shell read", line.strip(), flush=True)
        os.tcsetpgrp(0, child)
        os.kill(-child, signal.SIGCONT)
    _, status = (child, status) if os.WIFEXITED(status) else os.waitpid(child, 0)
    print("ended with", os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("by", ["SIGTSTP", "SIGSTOP"])
def test_suspended_and_resumed(terminal, by):
    """^Z gives the shell its terminal with echo; after fg it asks again, without; the same where no handler can run."""
    one = terminal(SHELL, textwrap.dedent(ASK))
    one.wait_for_prompt()
    one.type(b"first try")
    time.sleep(0.1)
    if by == "SIGTSTP":
        one.type(b"\x1a")
    else:
        (child,) = _children(one.process.pid)
        os.kill(child, signal.SIGSTOP)
        settings = termios.tcgetattr(one.master)
        time.sleep(0.2)
        termios.tcsetattr(one.master, termios.TCSANOW, one.before)  # what a shell does
        assert settings != one.before
    one.wait_until(lambda: one.echoes, "the echo")
    one.type(b"ls\n")
    one.wait_for_prompt(count=2)
    one.type(b"second try\n")
    status, out = one.end()
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"stopped by {by} echo")
    assert by == "SIGSTOP" or lines[0].endswith("True")
    assert lines[1:] == ["the shell read ls", b"second try".hex(), "ended with 0"]
    assert one.settings() == one.before


def _children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def test_one_at_a_time(terminal):
    """A second prompt meanwhile is a TerminalError, and the first goes on."""
    source = """
    import threading, time
    from securemem.doors import prompt
    from securemem.exceptions import TerminalError
    from tests.support.doors import bytes_of
    first = threading.Thread(target=lambda: print(bytes_of(prompt("? ")).decode()))
    first.start()
    time.sleep(0.3)
    try: prompt("second? ")
    except TerminalError as error: print(error.errno, "another thread" in str(error), flush=True)
    first.join()
    """
    one = terminal(source)
    one.wait_for_prompt()
    time.sleep(0.5)
    one.type(b"first\n")
    assert one.end() == (0, "16 True\nfirst\n")
    assert one.settings() == one.before


def test_the_program_ends_while_a_thread_asks(terminal):
    """The end of the process gives the terminal back too."""
    source = """
    import os, sys, threading, time
    from securemem.doors import prompt
    threading.Thread(target=prompt, args=("? ",), daemon=True).start()
    time.sleep(0.3)
    """
    one = terminal(source)
    one.wait_for_prompt()
    assert one.end()[0] == 0
    assert one.settings() == one.before


def test_nothing_is_shown_while_it_is_typed(terminal):
    """The page of what is typed has no access while nothing is typed."""
    source = """
    import threading, time
    from securemem import statistics
    from securemem.doors import prompt
    thread = threading.Thread(target=prompt, args=("? ",))
    thread.start()
    time.sleep(0.5)
    print(statistics().live_secrets, statistics().open_windows, flush=True)
    thread.join()
    """
    one = terminal(source)
    one.wait_for_prompt()
    one.type(b"some")
    time.sleep(0.9)
    one.type(b"more\n")
    assert one.end() == (0, "1 0\n")


WITHOUT = """
    import os, sys
    from securemem import statistics
    from securemem.doors import prompt
    from tests.support.doors import bytes_of
    try: print(bytes_of(prompt("? ", max_length=50)))
    except Exception as error: print(type(error).__name__, statistics().live_secrets, statistics().open_windows)
    print(os.read(0, 100))
"""


@pytest.mark.parametrize(
    ("given", "said", "left"),
    [
        (b"piped\nnext\n", "b'piped'", b"next\n"),
        (b"no newline", "b'no newline'", b""),
        (b"del\x7fete\x15\n", repr(b"del\x7fete\x15"), b""),
        (b"", "InputEndedError 0 0", b""),
        (b"\n", "EmptyInputError 0 0", b""),
        (b"x" * 51 + b"\nnext", "InputTooLongError 0 0", b"next"),
    ],
)
def test_without_a_terminal(given, said, left):
    """A line of standard input is taken as it is, and no byte behind it."""
    command = [sys.executable, "-c", textwrap.dedent(WITHOUT)]
    done = subprocess.run(
        command,
        input=given,
        capture_output=True,
        check=True,
        timeout=60,
        start_new_session=True,
        env=programs.environment(),
    )
    assert done.stdout.decode().splitlines() == [said, repr(left)]
    assert done.stderr == b""  # nobody would see a prompt


def test_arguments_are_checked():
    """Before the terminal is touched."""
    with pytest.raises(TypeError):
        prompt(b"? ")
    with pytest.raises(TypeError):
        prompt("? ", confirm=1)
    with pytest.raises(InvalidArgumentError):
        prompt("a\0b")
    with pytest.raises(InvalidArgumentError):
        prompt("? ", max_length=0)
