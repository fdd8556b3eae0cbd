"""Files as streams: which names are taken, what stays when something fails, and what the counts of others may be."""

from __future__ import annotations

import gc
import io
import os
import stat

import pytest

from securemem import DecryptionError, KeyStore, statistics
from tests.support.interruption import descriptors
from tests.support.programs import run

DATA = b"plaintext " * 9000


@pytest.fixture
def key():
    """A key."""
    return KeyStore().generate("key", "AES-256-GCM")


@pytest.fixture
def place(tmp_path):
    """A folder with a source in it."""
    (tmp_path / "source").write_bytes(DATA)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["a" * 240, "a" * 246, "a" * 255, "é" * 122, "é" * 123, "é" * 127, "𝄞" * 63],
    ids=lambda name: f"{len(name)}",
)
def test_long_names(key, place, name):
    """All that the file system takes: the temporary name is no longer than the target's."""
    assert 200 < len(name.encode()) <= 255
    key.encrypt_file(place / "source", place / name)
    key.decrypt_file(place / name, place / "back")
    assert (place / "back").read_bytes() == DATA
    assert {one.name for one in place.iterdir()} == {"source", "back", name}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a" * 256, OSError),
        ("é" * 128, OSError),
        ("", FileNotFoundError),
        (".", IsADirectoryError),
        ("..", IsADirectoryError),
        ("source/", IsADirectoryError),
        ("nowhere/target", FileNotFoundError),
        ("source/target", NotADirectoryError),
        ("a\0b", ValueError),
        (b"bytes", TypeError),
        (5, TypeError),
        (None, TypeError),
    ],
)
def test_targets_that_cannot_be(key, place, name, error, monkeypatch):
    """The error that Python's own files raise, and nothing is left."""
    monkeypatch.chdir(place)
    with pytest.raises(error):
        key.encrypt_file("source", name)
    assert [one.name for one in place.iterdir()] == ["source"]


def test_a_directory_is_neither_source_nor_target(key, place):
    """Refused before anything is written, or at the end; nothing is left."""
    (place / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        key.encrypt_file(place / "source", place / "folder")
    with pytest.raises(IsADirectoryError):
        key.encrypt_file(place / "folder", place / "target")
    assert sorted(one.name for one in place.iterdir()) == ["folder", "source"]


def test_files_replace_what_was_there(key, place):
    """A symbolic link itself and not what it names; the source too; the mode is 0600."""
    (place / "link").symlink_to(place / "source")
    key.encrypt_file(place / "source", place / "link")
    assert not (place / "link").is_symlink()
    assert (place / "source").read_bytes() == DATA
    key.encrypt_file(place / "source", place / "source")
    assert stat.S_IMODE((place / "source").stat().st_mode) == 0o600
    key.decrypt_file(place / "source", place / "source")
    assert (place / "source").read_bytes() == DATA


def test_a_failure_leaves_the_target_as_it_was(key, place):
    """No temporary file, no descriptor; the first of many errors is the one that is told."""
    (place / "target").write_bytes(b"former")
    before = descriptors()

    def progress(_done):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        key.encrypt_file(place / "source", place / "target", progress=progress)
    assert caught.value.__context__ is None
    with pytest.raises(DecryptionError):
        key.decrypt_file(place / "source", place / "target")
    assert (place / "target").read_bytes() == b"former"
    assert sorted(one.name for one in place.iterdir()) == ["source", "target"]
    assert descriptors() == before


DROP_BOX = """
import os, stat, sys
from pathlib import Path
from securemem import KeyStore
from tests.support.ordinary_user import become

key = KeyStore().generate("key", "AES-256-GCM")
folder = Path(sys.argv[1])
become(1 << 20)
for name in ("new", "old"):
    print(key.encrypt_file(folder / "source", folder / "box" / name))
try:
    os.listdir(folder / "box")
except PermissionError:
    print("cannot be listed")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_a_directory_that_may_not_be_read(tmp_path):
    """A drop box (0333): files appear and are replaced there, without an error."""
    for part in (tmp_path, *tmp_path.parents[:2]):
        part.chmod(0o755)
    (tmp_path / "source").write_bytes(b"x" * 1000)
    (tmp_path / "source").chmod(0o644)
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "old").write_bytes(b"former")
    os.chown(tmp_path / "box" / "old", 65534, 65534)
    (tmp_path / "box").chmod(0o333)
    said = run(DROP_BOX, str(tmp_path))
    assert said.split("\n")[:3] == ["1016", "1016", "cannot be listed"]
    assert sorted((one.name, one.stat().st_size) for one in (tmp_path / "box").iterdir()) == [
        ("new", 1104),
        ("old", 1104),
    ]


class Reads:
    """A source whose counts are given, one for each call; 0 afterwards."""

    def __init__(self, *counts):
        self.counts = list(counts)

    def readinto(self, buffer):
        """Give the next count."""
        count = self.counts.pop(0) if self.counts else 0
        return len(buffer) + 1 if count == "more" else count


class Writes:
    """A target with one count for every call."""

    def __init__(self, count):
        self.count = count

    def write(self, data):
        """Give the count."""
        return len(data) + 1 if self.count == "more" else self.count


@pytest.mark.parametrize(
    ("counts", "error"),
    [
        ([10**9], OSError),
        (["more"], OSError),
        ([10, "more"], OSError),
        ([-1], OSError),
        ([10, -1], OSError),
        ([10, -10], OSError),
        ([None], BlockingIOError),
        ([10, None], BlockingIOError),
        ([1.5], TypeError),
        (["3"], TypeError),
    ],
)
@pytest.mark.parametrize("direction", ["encrypt", "decrypt"])
def test_counts_of_a_source_that_cannot_be(key, counts, error, direction):
    """What a reader says that it gave is not believed: it would be encrypted, though it never came."""
    gc.collect()  # stores of other tests that refer to themselves
    before, out = statistics().live_secrets, io.BytesIO()
    use = key.encrypt_stream if direction == "encrypt" else key.decrypt_stream
    with pytest.raises(error):
        use(Reads(*counts), out)
    now = statistics()
    assert (now.open_windows, now.live_secrets) == (0, before + (direction == "encrypt"))
    assert not key._key.contents.gate.in_use


@pytest.mark.parametrize(
    ("count", "error"),
    [(-1, OSError), ("more", OSError), (10**9, OSError), (0, BlockingIOError), (1.5, TypeError), ("x", TypeError)],
)
def test_counts_of_a_target_that_cannot_be(key, count, error):
    """Nothing is taken for written that was not."""
    with pytest.raises(error):
        key.encrypt_stream(io.BytesIO(DATA), Writes(count))
    assert statistics().open_windows == 0


def test_a_target_need_not_count(key):
    """Positive control: None is what writers that are no raw files may give."""
    assert key.encrypt_stream(io.BytesIO(DATA), Writes(None)) > len(DATA)


def test_a_source_that_keeps_its_buffer_has_nothing_afterwards(key):
    """The views that others were given are released, though they keep them, and the exception and its frames."""
    kept = []

    class Keeps(Reads):
        def readinto(self, buffer):
            kept.append(buffer)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        key.encrypt_stream(Keeps(), io.BytesIO())
    assert caught.value.__traceback__ is not None
    assert statistics().open_windows == 0
    with pytest.raises(ValueError, match="released"):
        bytes(kept[0])
