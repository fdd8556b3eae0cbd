"""Releases: workflows run pinned actions without secrets, and locked requirements hold hashes and no place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import ROOT

WORKFLOWS = sorted(Path(ROOT, ".github", "workflows").glob("*.yml"))
LOCKS = sorted(Path(ROOT, "requirements").glob("*.txt"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def unpinned(text: str) -> list[str]:
    """The actions that are named by what can be moved: a tag or a branch."""
    return [used for used in re.findall(r"uses: (.*)$", text, re.MULTILINE) if not PINNED.fullmatch(used)]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_pinned_and_bound(workflow):
    """Every action is a commit, nothing is secret, and a workflow reads only, unless a job says more."""
    text = workflow.read_text()
    assert not unpinned(text)
    assert "secrets." not in text
    yaml = pytest.importorskip("yaml", reason="reading YAML needs the extra `docs`")
    read = yaml.safe_load(text)
    assert read["permissions"] == {"contents": "read"}
    assert all("runs-on" in job for job in read["jobs"].values())
    for script in re.findall(r"(?:scripts|\.ci)/\w+(?:/\w+)?", text):
        assert Path(ROOT, script).exists(), script


def test_an_action_by_tag_is_found():
    """Positive control: a tag can be moved to other code."""
    assert unpinned("  - uses: actions/checkout@v4\n") == ["actions/checkout@v4"]


def test_every_supported_python_is_tested():
    """The workflow runs the Pythons that the classifiers name."""
    named = re.findall(r"Python :: (3\.\d+)\"", Path(ROOT, "pyproject.toml").read_text())
    line = re.search(r"python: (\[.*\])", Path(ROOT, ".github", "workflows", "checks.yml").read_text())
    assert len(named) >= 5
    assert re.findall(r"3\.\d+", line[1]) == named


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_locked_requirements(lock):
    """Each has its version and hashes; no index, host or path of whoever made the file is in it."""
    text = lock.read_text()
    requirements = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(requirements) >= 5
    assert all(re.match(r"[\w.-]+==\S+", one) and "--hash=sha256:" in one for one in requirements)
    assert "://" not in text
    assert not re.search(r"^-|(^|\s)/", text, re.MULTILINE)
