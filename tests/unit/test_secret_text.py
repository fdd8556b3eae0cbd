"""The text of a secret: a description with a warning, never the bytes, wherever programs turn objects into text."""

from __future__ import annotations

import subprocess
import sys
import traceback
import urllib.parse
import warnings

import pytest

import securemem
from securemem import SecretTextWarning, SecureBytes

TEXT = "<SecureBytes: 8 bytes>"
WAYS = {
    "str": str,
    "f-string": lambda s: f"{s}",
    "f-string, padded": lambda s: f"{s:>40}".strip(),
    "format": lambda s: "{}".format(s),  # noqa: UP032 - the method is what is tested
    "%s": lambda s: "%s" % s,  # noqa: UP031 - the operator is what is tested
    "print": lambda s: print(s) or TEXT,
    "an exception's text": lambda s: str(ValueError(s)),
    "a query string": lambda s: urllib.parse.unquote_plus(urllib.parse.urlencode({"": s})).removeprefix("="),
}


@pytest.fixture
def secret():
    """Eight bytes that no text may show."""
    return SecureBytes.copy_of(b"password")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_text_warns_and_shows_no_byte(secret, way):
    """Each way into text gives the description, and a warning that says what to do instead."""
    with pytest.warns(SecretTextWarning, match=r"reveal\(\)") as caught:
        assert way(secret) == TEXT
    assert len(caught) == 1
    assert "password" not in str(caught[0].message)


def test_the_warning_points_to_the_caller(secret):
    """It is shown at the line that made the text, so that the default filter shows each place once."""
    with pytest.warns(SecretTextWarning) as caught:
        str(secret)
    assert caught[0].filename == __file__
    assert issubclass(SecretTextWarning, UserWarning)  # Python shows those by default, in libraries too


@pytest.mark.parametrize("way", [repr, ascii, lambda s: f"{s!r}", lambda s: "%r" % s, lambda s: str([s]), lambda s: str({1: s})])  # fmt: skip  # noqa: UP031, E501 - the operator is what is tested
def test_repr_is_silent(secret, way):
    """What debuggers and logs show, containers too, comes without a warning: warnings are errors in these tests."""
    assert TEXT in way(secret)
    assert "password" not in way(secret)


def test_states_in_text():
    """A wiped secret can still be described, with the warning."""
    secret = SecureBytes.copy_of(b"password")
    secret.wipe()
    assert repr(secret) == "<SecureBytes: wiped>"
    with pytest.warns(SecretTextWarning):
        assert str(secret) == "<SecureBytes: wiped>"


def test_format_wants_a_specification(secret):
    """A specification that is no str is a TypeError, and a wrong one a ValueError that shows nothing."""
    with pytest.raises(TypeError, match="str"):
        secret.__format__(3)
    with pytest.warns(SecretTextWarning), pytest.raises(ValueError, match="Unknown format") as caught:
        f"{secret:d}"
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "compare",
    [
        lambda s, text: s == text,
        lambda s, text: text == s,
        lambda s, text: s in [text],  # noqa: FURB171 - the operator is what is tested
        lambda s, text: not s != text,  # noqa: SIM202 - the operator is what is tested
        lambda s, text: not text != s,  # noqa: SIM202 - the operator is what is tested
    ],
)
def test_comparison_with_a_str_warns(secret, compare):
    """A secret equals no str, not even its own characters, and a program that asks hears of it."""
    with pytest.warns(SecretTextWarning, match="encode"):
        assert compare(secret, "password") is False
    assert secret == b"password"  # the control: silent, and true


def test_comparison_with_anything_else_is_silent(secret):
    """Numbers, None and containers are unequal without a word."""
    for other in (None, 5, object(), ["password"], ("p",)):
        assert secret != other


def test_warnings_as_errors(secret):
    """Under `-W error` the text is refused, with nothing of the secret in the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for use in (str, format, lambda s: s == "12345678", lambda s: s != "12345678"):
            with pytest.raises(SecretTextWarning) as caught:
                use(secret)
            assert "password" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("use", [str, lambda s: s == "password"])
def test_no_window_and_no_lock(use):
    """The warning runs Python code with no window open and no lock held: it may use secrets itself."""
    with securemem.Arena() as arena:
        secret = SecureBytes.copy_of(b"password", arena=arena)
        seen = []

        def show(*_args):
            seen.append(arena.statistics().open_windows)
            seen.append(SecureBytes.copy_of(b"other", arena=arena) == b"other")
            seen.append(secret.protection.closed)

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show
            use(secret)
        assert seen == [0, True, True]
        with secret.reveal():  # the control: a window is counted
            assert arena.statistics().open_windows == 1


def test_a_hook_that_wipes_the_secret(secret):
    """The secret may be wiped by what shows the warning: the text then says so."""

    def show(*_args):
        secret.wipe()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        assert str(secret) == "<SecureBytes: wiped>"


PROGRAM = """
import logging, sys, traceback, warnings
from securemem import SecureBytes
secret = SecureBytes.copy_of(b"password")
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s")
"""
LOGGED = """
logging.info("token %s", secret)
logging.info("token %r", secret)
"""
CAPTURED = """
logging.captureWarnings(True)
logging.info("token %s", secret)
print("done")
"""
RAISED = """
try:
    raise ValueError(secret)
except ValueError:
    traceback.print_exc(file=sys.stdout)
raise ValueError(secret)
"""


def run(program, *options):
    """A program with a secret, its output and errors together."""
    command = [sys.executable, *options, "-c", PROGRAM + program]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert "password" not in done.stdout.replace("as a password", "")
    return done


def test_logging():
    """A log line with %s has the description and the warning once; %r has the description alone."""
    done = run(LOGGED)
    assert done.returncode == 0
    assert done.stdout.count(f"INFO token {TEXT}") == 2
    assert done.stdout.count("SecretTextWarning") == 1


def test_logging_with_captured_warnings():
    """logging.captureWarnings sends the warning through the same handlers, while one of them formats a record."""
    done = run(CAPTURED)
    assert done.returncode == 0
    assert "WARNING" in done.stdout
    assert f"INFO token {TEXT}" in done.stdout
    assert done.stdout.endswith("done\n")


def test_logging_with_warnings_as_errors():
    """Under `-W error` logging says that the record could not be made, and the program goes on."""
    done = run(LOGGED, "-W", "error")
    assert done.returncode == 0
    assert "Logging error" in done.stdout
    assert "SecretTextWarning" in done.stdout
    assert done.stdout.count(f"INFO token {TEXT}") == 1


@pytest.mark.parametrize("options", [(), ("-W", "error")], ids=["plain", "-W error"])
def test_a_traceback_of_an_exception_that_holds_a_secret(options):
    """Neither the module traceback nor the interpreter's own report of `ValueError(secret)` shows a byte."""
    done = run(RAISED, *options)
    assert done.returncode == 1
    assert done.stdout.count("ValueError") >= 2
    assert options or TEXT in done.stdout
