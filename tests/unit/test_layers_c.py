"""The order of the C units, read from their sources: each stands on those below it, and none is in a circle.

A unit is a header with the files that implement it. What a unit needs is read twice: from its includes, and from the
names that it uses and another defines, which no include can hide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# From the ground to the roof; docs/architecture.md has the same list, with what each is for.
ORDER = [
    *("core/words", "platform/os", "platform/files", "platform/os_doors", "platform/objects"),
    "platform/registers",
    *("core/failure", "core/wipe", "core/gate", "locks/mappings", "locks/lock_refusal"),
    *("core/pages", "core/windows", "core/views", "core/slab", "core/arena", "core/registry"),
    "core/visit",
    *("core/secret", "core/inheritance", "core/compare", "core/purge", "core/statistics"),
    *("locks/page_counts", "locks/page_locks", "locks/verify", "locks/all_locks"),
    *("core/process_flags", "core/process", "core/securemem", "crypto/blocks", "scan/patterns"),
    *("heap/heap_gate", "heap/units", "heap/heap", "heap/scrub_points", "heap/python_allocator", "heap/entries"),
    "heap/slots",
    *("doors/doors", "doors/growing", "doors/output", "doors/codec", "doors/json"),
    *("doors/input", "doors/environment", "doors/generate", "doors/prompt", "doors/memory_file", "doors/hand_over"),
    *("types/types", "types/kept", "types/ground", "types/ending"),
    *("types/memoryviews", "types/sources", "types/scratch"),
    *(
        "types/reveal_type",
        "types/arena_type",
        "types/last_calls",
        "types/scope",
        "types/clearing",
        "types/page_lock_type",
    ),
    *("types/secret_text", "types/secret_refuse", "types/secret_make", "types/secret_compare", "types/secret_type"),
    "types/tickets",
    *("types/ciphers", "types/xaes", "types/prepared", "types/message", "types/cipher"),
    *("types/file_type", "types/read_file", "types/transfer"),
    *("types/gate", "types/cells", "types/gate_users", "types/cell_type", "types/keeper_type", "types/gate_type"),
    "types/apply",
    *("types/door_types", "types/door_ground", "types/door_output", "types/door_codec", "types/door_generate"),
    *("types/door_text", "types/door_input", "types/door_prompt", "types/door_json", "types/memory_file_type"),
    *("types/door_hand_over", "types/door_copy", "types/door_mask", "types/door_module"),
    *("types/heap_module", "types/module"),
]
FOLDERS = {unit.partition("/")[0] for unit in ORDER}
# The platform's files are named after the system; which header each implements.
IMPLEMENTS = {
    **dict.fromkeys(("linux", "linux_locks", "linux_stack"), "os"),
    **dict.fromkeys(("registers_x86_64", "registers_aarch64"), "registers"),
    "linux_files": "files",
    "linux_elf": "objects",
    "slots_elf": "slots",
    **dict.fromkeys(("linux_doors", "linux_memory_files", "linux_terminal"), "os_doors"),
}


class Sources:
    """The C files of some folders: what each unit includes, defines, declares and uses."""

    def __init__(self, root: Path, folders: set[str]) -> None:
        """Read them all."""
        self.files = {path: _code(path) for folder in folders for path in sorted((root / folder).glob("*.[ch]"))}
        # The compiler finds a header beside the file that includes it, or in a folder of the core.
        shared = [path for path in self.files if path.suffix == ".h" and path.parent.name != "types"]
        self.headers = {path.name: unit_of(path) for path in shared}
        self.defined: dict[str, str] = {}
        for path, text in self.files.items():
            if path.suffix == ".c":
                self.defined |= dict.fromkeys(_definitions(text), unit_of(path))

    def includes(self) -> set[tuple[str, str]]:
        """Pairs of a unit and one that it includes."""
        pairs = set()
        for path, text in self.files.items():
            for name in re.findall(r'^#include "(.*)"', text, re.MULTILINE):
                beside = path.with_name(name)
                other = unit_of(beside) if beside in self.files else self.headers.get(name, f"elsewhere/{name}")
                pairs.add((unit_of(path), other))
        return {(unit, other) for unit, other in pairs if unit != other}

    def uses(self) -> set[tuple[str, str]]:
        """Pairs of a unit and one that defines a name which it uses."""
        pairs = set()
        for path, text in self.files.items():
            names = set(re.findall(r"\w+", text)) & self.defined.keys() if path.suffix == ".c" else set()
            own = set(re.findall(r"^static [^;={]*?\b(\w+)\(", text, re.MULTILINE))
            pairs |= {(unit_of(path), self.defined[name]) for name in names - own}
        return {(unit, other) for unit, other in pairs if unit != other}

    def foreign_declarations(self) -> set[tuple[str, str]]:
        """Pairs of a unit and a function that its header declares and another unit, or none, defines."""
        wrong = set()
        for path, text in self.files.items():
            if path.suffix == ".h":
                wrong |= {(unit_of(path), name) for name in _declarations(text) if not self._is_own(path, name)}
        return wrong

    def _is_own(self, header: Path, name: str) -> bool:
        unit = self.defined.get(name, "")
        # One platform's files share their headers' verbs out as they like; so do those of a header that is no file's.
        shared = header.parent.name == "platform" or header.with_suffix(".c") not in self.files
        return unit == unit_of(header) or (shared and unit.startswith(f"{header.parent.name}/"))


def _code(path: Path) -> str:
    """A file's text without comments, and without the words in strings."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r'(?<!#include )"(\\.|[^"\\\n])*"', '""', text)


def unit_of(path: Path) -> str:
    """folder/header, without the ending."""
    return f"{path.parent.name}/{IMPLEMENTS.get(path.stem, path.stem)}"


def _definitions(text: str) -> set[str]:
    """Functions and variables that other units can use."""
    functions = re.findall(r"^(?!static)[A-Za-z_][\w *]*?\b(\w+)\([^;{]*\) \{", text, re.MULTILINE)
    variables = re.findall(
        r"^(?!static|extern|typedef)(?:const )?(?:struct )?\w+ \*?(\w+)(?:\[\w*\])? = ", text, re.MULTILINE
    )
    types = re.findall(r"^PyTypeObject \*(\w+);", text, re.MULTILINE)
    return {*functions, *variables, *types}


def _declarations(text: str) -> set[str]:
    """Functions that a header declares."""
    return set(re.findall(r"^(?!static|typedef|return)[A-Za-z_][\w *]*?\b(\w+)\([^{]*?\);", text, re.MULTILINE))


def upward(pairs: set[tuple[str, str]], order: list[str]) -> list[str]:
    """The arrows that do not point down."""
    place = {unit: number for number, unit in enumerate(order)}
    above = len(order)  # where what is not in the order stands
    return sorted(f"{unit} -> {other}" for unit, other in pairs if place[unit] <= place.get(other, above))


SOURCES = Sources(ROOT / "cffi_build", FOLDERS)


def test_every_unit_has_its_place():
    """Each file belongs to a unit of the list, and each unit of the list has a file."""
    assert {unit_of(path) for path in SOURCES.files} == set(ORDER)


def test_arrows_point_down():
    """A unit includes, and uses, only what stands below it: so there is no circle either."""
    assert upward(SOURCES.includes(), ORDER) == []
    assert upward(SOURCES.uses(), ORDER) == []


def test_headers_declare_what_their_file_defines():
    """Whoever looks for a function finds it in the file of the header's name."""
    assert SOURCES.foreign_declarations() == set()


def test_the_documentation_has_the_same_order():
    """The list in docs/architecture.md is this one."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.partition("### The order of the units")[2].partition("\n#")[0]
    listed = []
    for folder, units in re.findall(r"^\d+\. `(\w+)/`: (.*?)(?: --|$)", section, re.MULTILINE):
        listed += [f"{folder}/{unit}" for unit in re.findall(r"`(\w+)`", units)]
    assert listed == ORDER


def test_the_reader_reads():
    """Positive control: arrows and names that are known to be there are found."""
    assert ("core/slab", "core/pages") in SOURCES.includes() & SOURCES.uses()
    assert SOURCES.defined["sm_secret_take_open"] == "core/secret"
    assert SOURCES.defined["sm_gate"] == "core/gate"
    assert "sm_os_protect" in _declarations(_code(ROOT / "cffi_build/platform/os.h"))


GROUND = '#include "ground.h"\n{}int sm_ground(void) {{\n    return {};\n}}\n'
ROOF = '#include "roof.h"\n#include "ground.h"\nint sm_roof(void) {\n    return sm_ground();\n}\n'


@pytest.mark.parametrize(
    ("include", "call", "header", "expected"),
    [
        ("", "1", "int sm_ground(void);\n", ([], [], set())),
        ('#include "roof.h"\n', "1", "int sm_ground(void);\n", (["core/ground -> core/roof"], [], set())),
        ("int sm_roof(void);\n", "sm_roof()", "int sm_ground(void);\n", ([], ["core/ground -> core/roof"], set())),
        ("", "1", "int sm_ground(void);\nint sm_roof(void);\n", ([], [], {("core/ground", "sm_roof")})),
        ("", "1", "int sm_ground(void);\nint sm_none(void);\n", ([], [], {("core/ground", "sm_none")})),
    ],
)
def test_the_reader_finds(tmp_path, include, call, header, expected):
    """Positive control: an upward include, an upward use, and a declaration of another's function, or of no one's."""
    folder = tmp_path / "core"
    folder.mkdir()
    (folder / "ground.h").write_text(header)
    (folder / "ground.c").write_text(GROUND.format(include, call))
    (folder / "roof.h").write_text("int sm_roof(void);\n")
    (folder / "roof.c").write_text(ROOF)
    made, order = Sources(tmp_path, {"core"}), ["core/ground", "core/roof"]
    assert (upward(made.includes(), order), upward(made.uses(), order), made.foreign_declarations()) == expected
    assert {("core/roof", "core/ground")} <= made.includes() & made.uses()
