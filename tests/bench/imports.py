"""What importing securemem takes, against the standard library's dataclasses: each in a new, bare interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cffi
import cryptography

import securemem
from tests.bench.measures import Loop, Ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

HOMES = [str(Path(one.__file__).parents[1]) for one in (securemem, cffi, cryptography)]


def _timed(statement: str, cache: str, before: str = "") -> Loop:
    """The seconds that a statement takes in a new interpreter without site, whose compiled files are there."""
    program = f"import time; {before}\nstart = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
    command = [sys.executable, "-S", "-c", program]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(HOMES), "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def once() -> float:
        done = subprocess.run(command, env=environment, cwd=cache, capture_output=True, text=True, check=True)
        return float(done.stdout)

    once()  # compiles
    return lambda count: sum(once() for _ in range(count)) / count


@contextmanager
def against_dataclasses() -> Iterator[tuple[Loop, Loop]]:
    """`import securemem`, and `import dataclasses`."""
    with tempfile.TemporaryDirectory() as cache:
        yield _timed("import securemem", cache), _timed("import dataclasses", cache)


@contextmanager
def store_beyond_cryptography() -> Iterator[tuple[Loop, Loop]]:
    """`import securemem.keystore` where cryptography's AEADs are there already, and `import dataclasses`."""
    with tempfile.TemporaryDirectory() as cache:
        aeads = "import cryptography.hazmat.primitives.ciphers.aead"
        yield _timed("import securemem.keystore", cache, aeads), _timed("import dataclasses", cache)


MEASURES = [
    Ratio("import securemem, over importing dataclasses", against_dataclasses, 0.9, repetitions=1),
    Ratio("the key store beyond cryptography's AEADs, likewise", store_beyond_cryptography, 1.7, repetitions=1),
]
