"""Arguments of a wrong type or a huge size get an error that says what is wanted, before anything is done."""

from __future__ import annotations

import pytest

from securemem import Passphrase, SecureBytes, doors, locking, scanning
from securemem.exceptions import InvalidArgumentError

WRONG = {
    "Passphrase cost": (lambda: Passphrase(SecureBytes.take(bytearray(b"x")), cost=None), TypeError, "Cost"),
    "generate_passphrase": (lambda: doors.generate_passphrase(3, b"one two three"), TypeError, "sequence of str"),
    "receive": (lambda: doors.receive(None, 3), TypeError, "connected socket"),
    "run nothing": (lambda: doors.run([]), InvalidArgumentError, "name a program"),
    "run env": (lambda: doors.run(["true"], env=0), TypeError, "mapping"),
    "scan_process": (lambda: scanning.scan_process(1, [b"raw"]), TypeError, "Needle"),
    "scan_file": (lambda: scanning.scan_file("/dev/null", "raw"), TypeError, "Needle"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_named(name):
    """The error's type is that of a wrong argument, and its text names what is wanted."""
    call, kind, said = WRONG[name]
    with pytest.raises(kind, match=said):
        call()


def test_huge_and_odd_numbers_do_what_they_mean():
    """More cuts than there can be are all of them; any true value asks for the lock on fault."""
    parts = doors.split(SecureBytes.take(bytearray(b"a:b")), b":", maxsplit=2**63)
    assert [part == one for part, one in zip(parts, (b"a", b"b"), strict=True)] == [True, True]
    with locking.mlock(bytearray(10), on_fault=-1) as lock:
        assert lock.held
