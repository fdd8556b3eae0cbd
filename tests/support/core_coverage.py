"""Says which lines of the core no run reached over a build with `--coverage`.

    python -m tests.support.core_coverage FOLDER

FOLDER is what `core_builds covered` compiled into, after the runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

RESULT = re.compile(
    r"^File '(?P<file>.*cffi_build/.*\.c)'\nLines executed:(?P<percent>[\d.]+)% of (?P<lines>\d+)", re.MULTILINE
)


def main() -> None:
    """Run gcov, and print a line for each file of C."""
    folder = Path(sys.argv[1]).resolve()
    for data in sorted(folder.rglob("*.gcda")):
        command = ["gcov", "-o", str(data.parent), str(data)]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        for found in RESULT.finditer(said):
            name = found["file"].partition("cffi_build/")[2]
            listing = folder / f"{Path(name).name}.gcov"
            missed = [line.split(":")[1].strip() for line in listing.read_text().splitlines() if "#####:" in line]
            print(f"{name:32} {found['lines']:>5} lines {found['percent']:>7} %   {', '.join(missed)}")


if __name__ == "__main__":
    main()
