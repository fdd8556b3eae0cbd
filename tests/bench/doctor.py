"""The time of `securemem doctor`, from its start to its end."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tests.bench.measures import Count, Measure, Outcome

RUNS = 7


def seconds() -> Outcome:
    """The doctor's wall time; its verdict on this machine does not matter."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "securemem", "doctor"], capture_output=True, check=False)
        times.append(time.perf_counter() - start)
        assert done.returncode in {0, 1}, done.stderr
    return Outcome(statistics.median(times), f"s, median of {RUNS}; {min(times):.2f} to {max(times):.2f}")


MEASURES: list[Measure] = [Count("securemem doctor, s", seconds, 0.3)]
