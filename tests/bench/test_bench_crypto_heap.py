"""The crypto heap's costs stay within their bounds, by processor time of one process each."""

from __future__ import annotations

import json
import math

from tests.support.programs import run_module

KEPT_AT_MOST = 1.25
SMALL_AT_MOST = 1.15
PLAIN_PYTHON_AT_MOST = 1.10
TRIES = 3  # the least of some runs: other programs use the caches too


def measured(mode):
    """The least of some runs, by operation."""
    runs = [json.loads(run_module("tests.bench.crypto_heap", mode, timeout=120)) for _ in range(TRIES)]
    return {name: min(run[name] for run in runs) for name in runs[0]}


def test_costs():
    """A kept cipher, small operations on the average, and Python without cryptography."""
    off, on = measured("off"), measured("sections")
    ratios = {name: on[name] / off[name] for name in off}
    plain = ratios.pop("plain Python")
    print(ratios, plain)
    assert ratios["kept AESGCM.encrypt_into"] <= KEPT_AT_MOST
    assert math.exp(sum(map(math.log, ratios.values())) / len(ratios)) <= SMALL_AT_MOST
    assert plain <= PLAIN_PYTHON_AT_MOST
