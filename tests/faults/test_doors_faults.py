"""Every verb of the platform fails at every call of every door: a typed error or success, and nothing is left."""

from __future__ import annotations

from collections import defaultdict

from tests.support import programs

# Of these the door's work goes on: what they would tell is not needed, or is counted and repeated by the core.
HARMLESS = {
    *("close", "unmap", "environment", "protect", "lock_on_fault", "may_lock_beyond_limit", "calloc", "populate"),
    "reserve",  # of more pages for short lives: those that are there serve too
}
OURS = {
    *("open_input", "file_look", "read", "write", "wait", "environment", "memory_file", "map_file", "seal", "sealed"),
    *("send_file", "receive_file"),
}


def test_every_call_of_every_door(faulty_core, tmp_path):
    """Each failure is answered by an exception of ours, or does no harm; the child checks what is left after each."""
    out = programs.run_module("tests.faults.doors_child", faulty_core, tmp_path, timeout=300)
    lines = [line.split(" | ") for line in out.splitlines()]
    assert lines.pop() == ["end"]
    answers = defaultdict(set)
    for _door, verb, _first, _how, answer in lines:
        answers[verb].add(answer)
    assert set(answers) >= OURS - {"write"} | {"random"}
    for verb, given in answers.items():
        assert verb in HARMLESS or given - {"done"}, f"{verb} failed, and no door said so"
    assert answers["read"] >= {"TransferError"}
    assert answers["memory_file"] == {"TransferError", "InputError"}  # of the two sides of a handing over
    assert "done" not in answers["seal"] | answers["map_file"] | answers["open_input"] | answers["random"]
