"""Operations on keys that fail for want of lockable memory leave none of it, in memory nor in the traceback."""

from __future__ import annotations

import pytest

from tests.support.crypto_cases import PRELUDE

# The derived key is known from an earlier call, by which the scanner learns it.
DERIVE = """
import traceback
from securemem import LockLimitError
from tests.support.ordinary_user import become
key = SecureBytes.random(32)
def derive(): return {derivation}
become(256 * 1024)
watched = derive()
control = fill(bytearray(len(watched)))
stand_still(len(watched))
tell(watched); tell(control)
kept, full = [SecureBytes.zeros(len(watched))], Arena()
try:
    while True: kept.append(SecureBytes.zeros(4096, arena=full))
except LockLimitError: pass
watched.wipe()
kept[0].wipe()  # a free slot for the result, and none for scratch
try: derive()
except LockLimitError as error: caught = error
shown = "".join(traceback.TracebackException.from_exception(caught, capture_locals=True).format())
stand_still("bytes" if "block" in shown or "prk = b" in shown else "clean")
"""
DERIVATIONS = {
    "HKDF, a part of a block": "kdf.hkdf(key, 20, info=b'i')",
    "HKDF, blocks and a part": "kdf.hkdf(key, 80, info=b'i')",
}


@pytest.mark.parametrize("derivation", DERIVATIONS.values(), ids=DERIVATIONS)
def test_no_room_for_scratch_leaves_no_derived_key(prey, derivation):
    """While the exception is kept, a scan finds no copy, and its traceback shows none; the control is found."""
    attacked = prey(PRELUDE + DERIVE.format(derivation=derivation))
    size = int(attacked.wait())
    attacked.go_on()
    attacked.learn(size)
    assert attacked.wait() == "clean"
    found = attacked.scan()
    assert found.key == (0, 0)
    assert found.control == (0, 1)
