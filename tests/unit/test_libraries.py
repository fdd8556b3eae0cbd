"""Which libraries take a SecureBytes: each line of the documentation's table, tried with the library itself."""

from __future__ import annotations

import ssl

import pytest

from tests.support import ROOT
from tests.support.libraries import LINES, Line, outcome, table
from tests.support.tried_libraries import COPIES, ERROR, NOTHING, VALUE, WARNING, YES, plainly, secret

PAGE = ROOT / "docs/reference/libraries.md"


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.use)
def test_as_it_is(line):
    """The library works with the object, refuses it, or takes its description with a warning, as the table says."""
    expected = YES if line.outcome == COPIES else line.outcome
    assert outcome(line.tried) == expected


@pytest.mark.parametrize("line", [line for line in LINES if callable(line.through_tried)], ids=lambda line: line.use)
def test_through_something_of_ours(line):
    """The library works by the door or adapter that the table names."""
    assert line.through_tried() is True


@pytest.mark.parametrize("line", [line for line in LINES if line.outcome == ERROR], ids=lambda line: line.use)
def test_bytes_are_taken(line):
    """Positive control: what refuses a SecureBytes takes bytes, so that it is refused for what it is."""
    with plainly():
        if line.use == "ssl: `load_cert_chain(password=)`":
            with pytest.raises(ssl.SSLError, match="PEM lib"):  # it looks for the certificate
                line.tried()
        elif line.use not in {"pydantic: a field", "pydantic: `arbitrary_types_allowed`, to JSON"}:  # of our type
            assert line.tried() is not None


def test_each_way_has_a_test():
    """What is not tried here has a test module of its own, which names it."""
    for line in LINES:
        if isinstance(line.through_tried, str):
            name = f"_{line.through_tried}" if line.through_tried else ""
            kind = "crypto_operations" if name == "_crypto" else f"{line.through.partition('.')[0]}{name}"
            text = (ROOT / f"tests/unit/test_{kind}.py").read_text()
            what = line.through.partition(",")[0].rpartition(".")[2]
            assert what in text, line.use


def test_whoever_does_not_take_it_has_a_way():
    """Refused, or taken for its description: only what copies for its work, and four libraries, have no way."""
    copying = {"`hash`, a frozen dataclass's too", "`dataclasses.asdict`, `copy`, `pickle`", "`int.from_bytes`"}
    without = {line.use for line in LINES if line.outcome in {ERROR, WARNING} and line.through in {"-", NOTHING}}
    libraries = {use.partition(":")[0] for use in without - copying}
    assert libraries == {"paramiko", "asyncssh", "pyOpenSSL", "pyrage"}


def test_the_page_has_the_table():
    """It is made by this: python -c 'from tests.support.libraries import table; print(table())'."""
    assert table() in PAGE.read_text()


def test_a_wrong_line_is_found():
    """Positive control: what comes of a use is told apart, and a description that is the secret is no description."""

    def refuse():
        raise TypeError

    assert outcome(lambda: True) == YES
    assert outcome(refuse) == ERROR
    assert outcome(lambda: f"{secret()}") == WARNING
    assert outcome(lambda: "something else") not in {YES, ERROR, WARNING, COPIES}
    with pytest.raises(AssertionError):
        outcome(lambda: f"{secret()}" + VALUE.decode())
    assert len({line.use for line in LINES}) == len(LINES)
    assert all(isinstance(line, Line) for line in LINES)
