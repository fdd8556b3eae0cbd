"""After an operation on a locked key, a scanner from outside finds no copy of any secret outside locked memory."""

from __future__ import annotations

import pytest

from tests.support.crypto_cases import CASES, LEAKS, LEAKS_PRELUDE, PRELUDE

TELL = """
control = fill(bytearray(len(watched)))
stand_still(len(watched))
tell(watched); tell(control); stand_still()
"""


@pytest.mark.parametrize("code", CASES.values(), ids=CASES)
def test_operation_leaves_no_copy(prey, code):
    """What it used and made is in locked memory only, and nowhere once released; the control is found all the time."""
    attacked = prey(f"""
{PRELUDE}
def run():
    {code.strip().replace(chr(10), chr(10) + "    ")}
    return [one for one in locals().values() if isinstance(one, SecureBytes)], watched
kept, watched = run()
{TELL}
del kept, watched
stand_still()
""")
    size = int(attacked.wait())
    attacked.go_on()
    attacked.learn(size)
    attacked.wait()
    found = attacked.scan()
    assert found.key[0] >= 1
    assert found.key[1] == 0
    assert found.control == (0, 1)
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))


@pytest.mark.parametrize("code", LEAKS.values(), ids=LEAKS)
def test_what_others_leave_is_found(prey, code):
    """Positive control: the same scan finds copies of a secret that ordinary use of the same primitives leaves."""
    attacked = prey(f"""
{PRELUDE}
{LEAKS_PRELUDE}
{code}
{TELL}
""")
    size = int(attacked.wait())
    attacked.go_on()
    attacked.learn(size)
    attacked.wait()
    found = attacked.scan()
    assert found.key[1] >= 1
    assert found.control == (0, 1)
