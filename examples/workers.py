"""Let several processes work with one key, under the start methods that do not copy memory.

    python examples/workers.py FILE [FILE ...]

It prints the HMAC-SHA-256 of each file, under a key made for this run. The workers are started by "spawn". Each takes
the key over by the descriptor of a file that is only in memory, so that the key is in no pipe and no pickle.
"""

from __future__ import annotations

import hashlib
import hmac
import multiprocessing
import sys
from pathlib import Path

from securemem import SecureBytes
from securemem.doors import allow_multiprocessing

KEYS: list[SecureBytes] = []  # of this worker


def begin(key: SecureBytes) -> None:
    """Keep the key for the life of a worker."""
    KEYS.append(key)


def authenticate(name: str) -> str:
    """The code of a file."""
    digest = hashlib.sha256(Path(name).read_bytes()).digest()
    return f"{hmac.digest(KEYS[0], digest, 'sha256').hex()}  {name}"


def main() -> int:
    """Share the files out among the workers."""
    allow_multiprocessing()
    with SecureBytes.random(32) as key:
        method = multiprocessing.get_context("spawn")
        with method.Pool(2, initializer=begin, initargs=(key,)) as pool:
            for line in pool.map(authenticate, sys.argv[1:]):
                print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
