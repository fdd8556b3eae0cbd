"""The crypto heap's C programs: against a model, with threads and forks under sanitizers, and one rule broken each.

ThreadSanitizer does not follow a raw clone: there its program makes none.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.core.test_sanitizers import DEBUG, FLAGS, must_be_clean, run

HERE = Path(__file__).resolve().parent / "heap"
MANY = {"gcc": 10_000_000, "clang": 1_000_000}
BUDGET = str(1 << 20)
FREED = "crypto heap: a block was freed twice"
UNKNOWN = ", or a pointer that is no block was freed"
ENDS = {
    "double_free": FREED,
    "double_free_run": FREED + UNKNOWN,
    "inside": "crypto heap: a pointer into a block was freed",
    "inside_run": FREED + UNKNOWN,
    "inside_run_start": "crypto heap: a pointer into a block was freed",
    "never_opened": "crypto heap: a pointer that is no block was freed",
}


@pytest.fixture(params=["gcc", "clang"])
def compiled(request, tool, compile_program):
    """Compiles a program of the heap with some flags, by each compiler; None: the wheel's."""
    compiler = tool(request.param)

    def compile_with(name, flags=None, label="plain"):
        return compile_program(f"{name}_{label}_{request.param}", [HERE / f"{name}.c"], compiler=compiler, flags=flags)

    return compile_with


@pytest.mark.parametrize(("compiled", "operations"), MANY.items(), indirect=["compiled"])
def test_model_agrees(compiled, operations):
    """Ten million operations: blocks are aligned, zero when new and when freed, whole while they live, and counted."""
    status, said = run(compiled("heap_model"), str(operations), "7", BUDGET)
    assert (status, said) == (0, f"operations {operations}\n")


@pytest.mark.parametrize("budget", ["0", "65536", str(1 << 30)])
def test_model_agrees_at_other_budgets(compiled, budget):
    """With nothing locked, with little, and with a budget that the limit of this process cannot meet."""
    status, said = run(compiled("heap_model"), "1000000", "8", budget)
    assert (status, said) == (0, "operations 1000000\n")


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_model_under_sanitizers(compiled, sanitizer):
    """The same, with nothing reported."""
    status, said = run(compiled("heap_model", FLAGS[sanitizer], sanitizer), "60000", "9", BUDGET)
    must_be_clean(status, said)


def test_threads_and_children(compiled):
    """Four threads, blocks handed between them, forks and raw clones meanwhile: no byte wrong, no child hung."""
    status, said = run(compiled("heap_threads", DEBUG, "debug"), "50000")
    assert status == 0, said
    assert int(said.split()[1]) > 20


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_threads_under_sanitizers(compiled, sanitizer):
    """The same, with nothing reported."""
    flags = [*FLAGS[sanitizer], *(["-DWITHOUT_RAW_CLONES"] if sanitizer == "thread" else [])]
    must_be_clean(*run(compiled("heap_threads", flags, sanitizer), "5000"))


@pytest.mark.parametrize("name", ENDS)
def test_violation(compile_program, name):
    """What can only be a mistake of the caller ends the process, and says what it was."""
    program = compile_program(f"heap_violation_{name}", [HERE / f"violation_{name}.c"])
    command = ["prlimit", "--core=0", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGABRT, f"securemem: fatal: {ENDS[name]}\n")


def test_no_violation(compile_program):
    """Positive control: the same steps, as they are allowed."""
    status, said = run(compile_program("heap_violation_control", [HERE / "violation_control.c"]))
    assert (status, said) == (0, "")
