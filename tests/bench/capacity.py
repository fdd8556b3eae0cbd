"""How many 32-byte secrets may be alive and locked under a limit of 8 MiB, and what happens then.

Each is counted in a process of its own, which becomes an ordinary user: `python -m tests.bench.capacity WHO`.
"""

from __future__ import annotations

import json
import mmap
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from securemem import Arena, LockLimitError, SecureBytes
from tests.bench import peers
from tests.bench.contenders import package
from tests.bench.measures import NotMeasuredError
from tests.support.ordinary_user import become

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 8 << 20
MOST = 300_000


def _locked() -> int:
    """Kilobytes that this process has locked."""
    found = re.search(r"VmLck:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(found[1]) if found else 0


def _until(make: Callable[[], object], *ends: type[Exception]) -> tuple[int, str]:
    kept: list[object] = []
    try:
        while len(kept) < MOST:
            made = make()
            if made is None:
                return len(kept), "NULL"
            kept.append(made)
    except ends as refusal:
        return len(kept), type(refusal).__name__
    return len(kept), "not reached"


def securemem() -> tuple[int, str]:
    """In an arena as the default one."""
    become(LIMIT)
    arena = Arena()
    return _until(lambda: SecureBytes.zeros(32, arena=arena), LockLimitError)


def openssl() -> tuple[int, str]:
    """In a secure heap of as much, the most that it could have."""
    library = peers.openssl()
    return _until(lambda: library.CRYPTO_secure_malloc(32, b"", 0) or None)


def libsodium() -> tuple[int, str]:
    """Until what is locked grows no more, while sodium_malloc goes on."""
    library = peers.sodium()
    become(LIMIT)
    kept: list[Any] = []
    before = -1
    while _locked() != before:
        before = _locked()
        kept.append(library.sodium_malloc(32))
    return len(kept) - 1, "goes on, unlocked" if kept[-1] else "NULL"


def mapping() -> tuple[int, str]:
    """A page each."""
    module = peers.locks()
    become(LIMIT)

    def make() -> tuple[mmap.mmap, object] | None:
        page = mmap.mmap(-1, mmap.PAGESIZE)
        address = module.ffi.from_buffer(page)
        return (page, address) if module.lib.mlock(address, mmap.PAGESIZE) == 0 else None

    count, _ = _until(make)
    return count, "ENOMEM"


def zeroize() -> tuple[int, str]:
    """A bytearray each."""
    module = package("zeroize")
    become(LIMIT)

    def make() -> bytearray:
        buffer = bytearray(32)
        module.mlock(buffer)
        return buffer

    return _until(make, Exception)


WHO = {
    "securemem": ("securemem", securemem),
    "openssl": ("OpenSSL's secure heap", openssl),
    "zeroize": ("zeroize (PyPI), which unlocks pages that others share", zeroize),
    "mapping": ("mmap and mlock, a page each", mapping),
    "libsodium": ("libsodium, a page and guards each", libsodium),
}


def counted(who: str) -> tuple[int, str]:
    """What a process of its own found."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.capacity", who], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise NotMeasuredError((done.stderr.strip().splitlines() or ["it failed"])[-1])
    count, end = json.loads(done.stdout)
    return count, end


def main() -> int:
    """Count, and print it as JSON."""
    print(json.dumps(WHO[sys.argv[1]][1]()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
