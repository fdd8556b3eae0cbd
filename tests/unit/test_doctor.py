"""`securemem doctor`: its words, its JSON, its exit status."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from securemem._frozen import Frozen
from securemem.cli import _doctor as doctor
from securemem.process import Report, findings, report
from securemem.process._advice import Finding
from securemem.process._facts import SecretMemory, SwapDevice
from tests.support.reports import DISK, GOOD, MIB, replace, with_part

# As a distribution installs it: swap on disk, cores to a handler, no Yama, hibernation offered, no secret memory.
PLAIN = replace(
    with_part("platform", hibernation=True),
    swap=replace(GOOD.swap, devices=(DISK,)),
    cores=replace(GOOD.cores, dumpable=1, soft_limit=None, pattern="|/usr/lib/systemd/systemd-coredump %P %u %g %s"),
    tracing=replace(GOOD.tracing, yama_scope=0),
    secret_memory=SecretMemory(available=False, error="ENOSYS"),
    interpreter=replace(GOOD.interpreter, wipes_freed=False),
)
DOCTOR = [sys.executable, "-m", "securemem", "doctor"]
# The limit then binds root too.
WITHOUT_LIFTING = ["setpriv", "--bounding-set=-ipc_lock"]


def call(*arguments, **options):
    """Run the command."""
    return subprocess.run([*DOCTOR, *arguments], capture_output=True, text=True, check=False, **options)


def test_every_check_is_printed_with_its_reason():
    """With --all the text names each check once, with level, fact and reason; the verdict is its first line."""
    done = call("--all")
    found = findings(report())
    for one in found:
        assert sum(line[10:].startswith(f"{one.name}:") for line in done.stdout.splitlines()) == 1
    assert done.stdout.count("why: ") == len(found)
    assert done.stdout.startswith("pass" if done.returncode == 0 else "fail")
    assert done.stderr == ""


def test_what_is_fine_is_one_line():
    """Without --all each check is named once: what is fine without its facts, all else with them."""
    shown = call().stdout
    flat = " ".join(shown.split())
    for one in json.loads(call("--json").stdout)["findings"]:
        assert (f"{one['name']}: {' '.join(one['fact'].split())}" in flat) is (one["level"] != "ok")
        assert one["name"] in flat
    assert "securemem doctor --all" in shown


def placed(facts, *, everything=False):
    """The page of a made-up report."""
    return doctor.as_text(facts, findings(facts), strict=False, everything=everything)


def test_the_worst_comes_first_and_is_the_reason(monkeypatch):
    """The first line has the verdict and the worst finding; then problems, warnings, notes, and what is fine."""
    monkeypatch.setenv("COLUMNS", "80")
    facts = with_part("locking", PLAIN, secrets_of_32=0, soft_limit=0)
    lines = placed(facts).splitlines()
    assert lines[0].startswith("fail: lock-limit: limit 0 bytes")
    labels = [line.split()[0] for line in lines[2:] if not line.startswith(" ")]
    assert labels == ["problem", *["warning"] * 4, *["note"] * 3, "ok", "securemem"]
    assert placed(GOOD).startswith("pass: secrets can be kept in locked memory; nothing seen here lets a copy out")
    assert placed(PLAIN).startswith("pass: secrets can be kept in locked memory; 4 warnings about copies of them")


def test_a_plain_machine_fits_a_screen(monkeypatch):
    """A server without a container, with all that its installation leaves open, fits 80 columns and 24 rows."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = placed(PLAIN).splitlines()
    assert len(lines) <= 23  # and the prompt
    assert max(map(len, lines)) <= 80
    assert len(placed(PLAIN, everything=True).splitlines()) > 24


@pytest.mark.parametrize("everything", [False, True])
def test_no_remedy_is_told_twice(everything):
    """A remedy of several findings is shown at the first, and the others point to that."""
    shown = [line for line in placed(PLAIN, everything=everything).splitlines() if "do:  " in line]
    told = [line for line in shown if "as for" not in line]
    assert len(told) == len(set(told)) > 3
    assert any("as for core-dumps" in line for line in shown)


@pytest.mark.parametrize(
    ("kind", "there", "not_there"),
    [
        (None, "systemd unit: LimitMEMLOCK", "Docker"),
        ("docker", "docker run --ulimit memlock", "Kubernetes"),
        ("kubernetes", "containerd", "docker run"),
    ],
)
def test_remedies_are_those_of_the_place(kind, there, not_there):
    """A container is told what to change for a container, a machine what to change there; --all tells all."""
    facts = with_part("container", with_part("locking", secrets_of_32=0), kind=kind)
    assert there in placed(facts)
    assert not_there not in placed(facts)
    assert not_there in placed(facts, everything=True)


def test_what_the_kernel_tells_cannot_steer_the_terminal():
    """A name with control characters, as a swap file may have, is shown escaped."""
    device = SwapDevice("/swap\033[2J\n", MIB, 0, in_memory=False, encrypted=False)
    shown = placed(with_part("swap", devices=(device,)))
    assert "/swap\\x1b[2J\\n" in shown
    assert "\033" not in shown


def test_json_document():
    """The JSON has the documented keys, the findings of the text, and the facts as report() gives them."""
    done = call("--json")
    document = json.loads(done.stdout)
    assert list(document) == ["schema", "securemem", "status", "strict", "findings", "facts"]
    assert document["schema"] == 1
    assert document["strict"] is False
    assert document["status"] == ("fail" if done.returncode else "pass")
    assert {one["name"] for one in document["findings"]} == {one.name for one in findings(report())}
    assert document["facts"]["locking"]["secrets_of_32"] > 0


def names(kind, prefix=""):
    """The dotted names of all fields of the report's classes."""
    hints = kind.__annotations__
    for field in kind.__match_args__:
        yield prefix + field
        inner = getattr(sys.modules[kind.__module__], str(hints[field]).removesuffix(" | None"), None)
        if isinstance(inner, type) and issubclass(inner, Frozen):
            yield from names(inner, f"{prefix}{field}.")


def test_the_json_is_documented():
    """The reference page names every field of the facts and every check, so that neither changes unseen."""
    page = Path(__file__).resolve().parents[2] / "docs/reference/doctor.md"
    text = page.read_text(encoding="utf-8")
    missing = [name for name in names(sys.modules["securemem.process._facts"].Report) if f"`{name}`" not in text]
    missing += [one.name for one in findings(report()) if f"`{one.name}`" not in text]
    missing += [field for field in Finding.__match_args__ if f"`{field}`" not in text]
    assert missing == []
    assert "platform.kernel" in set(names(Report))


@pytest.mark.parametrize(
    ("level", "plain", "strict"),
    [
        ("ok", False, False),
        ("note", False, False),
        ("unknown", False, True),
        ("warning", False, True),
        ("problem", True, True),
    ],
)
def test_what_fails(level, plain, strict):
    """A problem fails always; a warning and an unknown under --strict; a note never."""
    found = (Finding("swap", level, "fact", "why"),)
    assert bool(doctor._failing(found, strict=False)) is plain
    assert bool(doctor._failing(found, strict=True)) is strict


def test_exit_status_of_a_problem():
    """A process that can lock nothing exits 1, with the remedy in its output."""
    if os.geteuid() != 0:
        pytest.skip("only root can drop the capability that lifts the limit")
    limited = ["prlimit", "--memlock=0:0", *WITHOUT_LIFTING, *DOCTOR]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert any(way in done.stdout for way in ("LimitMEMLOCK=64M", "--ulimit memlock=67108864"))
    assert "0 secrets of 32 bytes fit now" in " ".join(done.stdout.split())


def test_wrong_usage_exits_2():
    """An option that does not exist is a wrong usage."""
    assert call("--no-such-option").returncode == 2


def test_no_colour_into_a_pipe():
    """Output that is not a terminal's holds no escape sequence."""
    assert "\033" not in call().stdout


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_on_a_terminal(variables, coloured):
    """A terminal gets colour, unless NO_COLOR or TERM=dumb says otherwise."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(DOCTOR, stdout=theirs, env=environment | {"TERM": "xterm"} | variables) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the last holder of the other end is gone
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert process.returncode in {0, 1}
    assert (b"\033[" in shown) is coloured


def test_remedies_stay_on_one_line():
    """A line to copy is not wrapped, however narrow the terminal."""
    narrow = {**os.environ, "COLUMNS": "50"}
    remedies = [line for one in json.loads(call("--json").stdout)["findings"] for line in one["remedies"]]
    assert any(len(line) > 60 for line in remedies)
    shown = call("--all", env=narrow).stdout
    assert [line for line in remedies if f"do:  {line}\n" not in shown] == []


def test_without_proc(tmp_path):
    """With an empty /proc and /sys the doctor still answers, and --strict fails for what it could not read."""
    if os.geteuid() != 0:
        pytest.skip("only root can hide /proc")
    hidden = f'mount --bind {tmp_path} /proc && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", hidden, "sh", *WITHOUT_LIFTING, *DOCTOR]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    levels = {one["name"]: one["level"] for one in json.loads(done.stdout)["findings"]}
    assert levels["lock-limit"] == levels["swap"] == levels["tracer"] == levels["max-map-count"] == "unknown"
    assert subprocess.run([*command, "--strict"], capture_output=True, check=False).returncode == 1


def test_only_what_is_asked_for_is_imported():
    """The doctor does not pay for other commands' modules, cryptography among them."""
    program = "import sys; from securemem.cli import main; main(['doctor']); print([name in sys.modules for name in "
    program += "('cryptography', 'securemem.cli._demo', 'securemem.cli._run')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[False, False, False]\n")


def test_every_command_is_in_the_help():
    """Without a command, or with one that does not exist, all are named."""
    shown = subprocess.run([*DOCTOR[:-1], "--help"], capture_output=True, text=True, check=True).stdout
    assert "doctor" in shown
    assert "run " in shown
    wrong = subprocess.run([*DOCTOR[:-1], "no-such"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "doctor" in wrong.stderr
