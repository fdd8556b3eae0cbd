"""Uses cryptography under the eyes of a scanner: the child of `securemem doctor --deep`.

    python -m securemem.cli._deep_child MODE TELL SAY GO_ON HEAR

MODE: "off", "heap" (no scrub of its own), "calls", "section". For each case it reads from HEAR a line "NAME SIZE" and
SIZE bytes into a SecureBytes, does the case, says a word and stands still while its objects live, drops them, says
another word and stands still again. It scrubs before each look, but for the mode "calls". What cases make at random
they tell by TELL: a 4-byte length, then the bytes.
"""

from __future__ import annotations

import contextlib
import os
import sys

from securemem import SecureBytes, crypto_heap
from securemem._binding.memory import scrub
from securemem.cli._deep_cases import tell_by
from securemem.cli._deep_keys import CASES

_BUDGET = 4 << 20
_DEPTH = 64 << 10


def _hear(descriptor: int) -> str:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 1)
        if not part:
            os._exit(0)
        line += part
    return line.decode().strip()


def _stand_still(word: bytes, say: int, go_on: int) -> None:
    os.write(say, word)
    if not os.read(go_on, 1):
        os._exit(9)


def main(mode: str, tell: int, say: int, go_on: int, hear: int) -> None:
    """Do cases until there are no more."""
    tell_by(tell)
    if mode != "off":
        crypto_heap.enable(scrub="calls" if mode == "calls" else "sections", budget=_BUDGET, lock="warn")
    depth = 0 if mode == "calls" else _DEPTH
    while True:
        name, _, size = _hear(hear).rpartition(" ")
        secret = SecureBytes.zeros(int(size))
        with secret.reveal(writable=True) as target:
            os.readv(hear, [target])
        with crypto_heap.secret_section() if mode == "section" else contextlib.nullcontext():
            with secret.reveal() as view:
                kept = CASES[name](view)
            scrub(depth)
            _stand_still(b"alive\n", say, go_on)
            del kept
            scrub(depth)
            _stand_still(b"gone!\n", say, go_on)
        del secret


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
