"""What README claims, beside the tests of it: a claim without a test fails, and so does one that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import ROOT

# A piece of README's text, as it stands there, and tests of it: file::function.
CLAIMS = {
    "locked into RAM": "tests/unit/test_secure_bytes.py::test_protection_of_every_size",
    "left out of core dumps": "tests/attacks/test_dumps_and_children.py::test_core_does_not_have_the_key",
    "not inherited by forks": "tests/attacks/test_dumps_and_children.py::test_forked_child_does_not_have_the_key",
    "without access while no view is open": "tests/unit/test_secure_bytes.py::test_window_closes_the_page",
    "A secret is zeroed at `wipe()`": "tests/unit/test_secure_bytes.py::test_with_wipes",
    "when its last reference goes": "tests/unit/test_secure_bytes.py::test_deletion_wipes",
    "at `purge()`": "tests/unit/test_secure_bytes.py::test_purge",
    "at interpreter exit, with threads alive": "tests/attacks/test_exit.py::test_no_secret_is_left_when_a_process_ends",
    "A wiped secret raises": "tests/unit/test_secure_bytes.py::test_wiped_secrets_raise",
    "the parent's in a forked child": "tests/faults/test_fork.py::test_child_is_refused_and_makes_its_own",
    "a `LockLimitError` tells the figures and the remedy": (
        "tests/faults/test_lock_limit.py::test_the_error_tells_limit_used_wanted_and_the_way_out"
    ),
    "Earlier secrets are untouched": "tests/faults/test_lock_limit.py::test_earlier_secrets_stay_intact_and_locked",
    "`.protection` reads it back from the kernel": (
        "tests/unit/test_secure_bytes.py::test_protection_is_read_from_the_kernel"
    ),
    "give `<SecureBytes: 6 bytes>` with a `SecretTextWarning`": (
        "tests/unit/test_secret_text.py::test_text_warns_and_shows_no_byte"
    ),
    "but not memfd_secret's": "tests/attacks/test_memfd_secret.py::test_a_debuggers_core_has_no_copy",
    "starts a program whose freed memory is wiped": (
        "tests/attacks/test_freed_memory.py::test_freed_copies_are_wiped_under_run"
    ),
    "makes the process neither dumpable nor traceable by its own user": (
        "tests/unit/test_hardening.py::test_another_process_of_the_user_can_read_it_only_before"
    ),
    "the swap file": "tests/attacks/test_swap.py::test_key_does_not_reach_swap",
    "finds and repairs locks that somebody took away": (
        "tests/unit/test_locking_semantics.py::test_foreign_munlockall_is_found_and_repaired"
    ),
}
TEXT = " ".join(Path(ROOT, "README.md").read_text().split())


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_has_its_test(claim):
    """README says it, and the test of it is there."""
    assert claim in TEXT
    path, _, name = CLAIMS[claim].partition("::")
    assert re.search(rf"^def {name}\(", Path(ROOT, path).read_text(), re.MULTILINE), CLAIMS[claim]


def untested(guarantees: list[str]) -> list[str]:
    """Those in which no claim of the list stands."""
    return [one for one in guarantees if not any(claim in one for claim in CLAIMS)]


def test_every_guarantee_is_in_the_list():
    """Each line of "What is guaranteed" has a claim; one that nobody tests does not get in."""
    text = Path(ROOT, "README.md").read_text()
    part = text[text.index("## What is guaranteed") : text.index("## What is not promised")]
    guarantees = [" ".join(item.split()) for item in part.split("\n- ")[1:]]
    assert len(guarantees) >= 4
    assert not untested(guarantees)


def without_a_file(text: str) -> list[str]:
    """Guarantees that name no test, and those that name one which is not there."""
    part = text[text.index("## Guarantees") : text.index("## What is not promised")]
    named = {item: re.findall(r"`(tests/[^`]+)`", item) for item in part.split("\n- ")[1:]}
    return [item for item, paths in named.items() if not paths or not all(Path(ROOT, path).exists() for path in paths)]


def test_every_guarantee_of_security_names_its_test():
    """The list of SECURITY.md: each entry names files of tests, and they are there."""
    text = Path(ROOT, "SECURITY.md").read_text()
    assert not without_a_file(text)
    broken = text.replace("## Guarantees\n", "## Guarantees\n\n- none\n- gone `tests/gone.py`", 1)
    assert len(without_a_file(broken)) == 2, "positive control: entries without a test, and of one that is gone"


def test_a_guarantee_without_a_test_is_found():
    """Positive control: a sentence that nothing holds README to."""
    assert untested(["Every copy is erased, wherever it is."]) == ["Every copy is erased, wherever it is."]
