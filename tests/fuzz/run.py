"""Fuzzes the arenas against the model, for a time, and says how many operations were made.

    python -m tests.fuzz.run [--seconds 60] [--engine libfuzzer|random] [--seed N]

libfuzzer: clang's, guided by coverage, under AddressSanitizer and UBSan. random: pseudo-random bytes in a plain,
hardened build, for volume. Ends with 1 where core and model differ, with the engine's report on standard error.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cffi_build import builder

HERE = Path(__file__).resolve().parent
BASE = ["-std=c11", "-D_GNU_SOURCE", "-pthread", "-g", *builder.INCLUDES]
LONGEST = 8192  # bytes of one input, a few thousand operations
OPERATIONS = re.compile(r"^operations (\d+)$", re.MULTILINE)


def build(engine: str, folder: Path) -> Path:
    """Compile the harness for an engine; the program."""
    program = folder / engine
    if engine == "libfuzzer":
        compiler, entry = "clang", "fuzz_arena.c"
        flags = ["-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    else:
        compiler, entry = "gcc", "drive_arena.c"
        flags = builder.hardening_flags()
    if shutil.which(compiler) is None:
        sys.exit(f"{compiler} is not installed: the {engine} engine needs it")
    sources = [HERE / entry, HERE / "fuzz_model.c", *builder.CORE]
    subprocess.run([compiler, *BASE, *flags, *map(str, sources), "-o", str(program)], check=True)
    return program


def command(engine: str, program: Path, seconds: int, seed: int, folder: Path) -> list[str]:
    """How the engine is run."""
    if engine == "random":
        return [str(program), str(seconds), str(seed)]
    corpus = folder / "corpus"
    corpus.mkdir()
    return [
        *(str(program), str(corpus), f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-seed={seed}"),
        # No ramp up from tiny inputs, which hold no story; no limit by resident size, of which ASan needs much.
        *("-len_control=0", "-rss_limit_mb=0", "-print_final_stats=0", "-verbosity=0"),
        f"-artifact_prefix={folder}/",
    ]


def run(engine: str, seconds: int, seed: int) -> int:
    """Fuzz for a time; the number of operations made. SystemExit with what the engine said where it found something."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build(engine, folder)
        done = subprocess.run(
            command(engine, program, seconds, seed, folder), capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        found = OPERATIONS.search(said)
        if done.returncode != 0 or found is None:
            sys.exit(f"{engine}, seed {seed}: {said[-8000:]}")
        return int(found.group(1))


def main() -> None:
    """Read the command line, fuzz, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--engine", choices=("libfuzzer", "random"), default="libfuzzer")
    parser.add_argument("--seed", type=int, default=None, help="of the pseudo-random choices; default: the time")
    words = parser.parse_args()
    seed = int(time.time()) % 2**31 if words.seed is None else words.seed
    operations = run(words.engine, words.seconds, seed)
    print(f"{words.engine}: {operations} operations in {words.seconds} s, seed {seed}: core and model agree")


if __name__ == "__main__":
    main()
