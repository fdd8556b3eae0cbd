"""A program that cuts the power, as it were, after each write and sync of each change of a store.

What a disk may have then: all that was synced; of the rest any part, in pieces of 512 bytes, and names that were
given or taken in their order up to any of them. Run by test_store_power_cuts.py with store_writes.c preloaded, for one
of so many of these disks, chosen by a fixed seed; `scripts/crash power` takes all of them.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import sys
from pathlib import Path

from securemem import KeyStore, SecureMemError
from securemem.keystore.kek.key_file import KeyFile
from securemem.storage import _connections
from tests.faults import store_child
from tests.support import stores

SECTOR = 512
PARTS = 3  # disks with a part of what was not synced, for each point


def recorded(store, other, operation, log):
    """What an operation did to files: (what, place, path, bytes) in its order."""
    file = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_APPEND, 0o600)
    shim = ctypes.CDLL(None)
    shim.store_writes_to(file)
    try:
        operation(store, other)
    finally:
        shim.store_writes_to(-1)
        os.close(file)
    data, found = log.read_bytes(), []
    while data:
        line, _, data = data.partition(b"\n")
        what, place, size, path = line.decode().split(" ", 3)
        found.append((what, int(place), path, data[: int(size)]))
        data = data[int(size) :]
    return found


class Disk:
    """Files by their names, as they lie on a disk, and what was done since and not synced."""

    def __init__(self, files):
        self.contents = dict(enumerate(files.values()))  # by numbers, as inodes
        self.names = dict(zip(files, self.contents, strict=True))
        self.now = dict(self.names)  # as processes see them
        self.writes = []  # (number, what, place, bytes)
        self.moves = []  # (name, number or None)

    def do(self, what, place, path, data):
        """One thing that was recorded."""
        if what == "create":
            self.contents[len(self.contents)] = b""
            self._move(path, len(self.contents) - 1)
        elif what == "unlink":
            self._move(path, None)
        elif what == "link":
            self._move(data.decode(), self.now[path])
        elif what == "sync" and path not in self.now:
            for name, number in self.moves:
                assert str(Path(name).parent) == path
                _moved(self.names, name, number)
            self.moves = []
        elif path in self.now and what == "sync":
            number = self.now[path]
            mine = [one for one in self.writes if one[0] == number]
            self.contents[number] = _written(self.contents[number], mine)
            self.writes = [one for one in self.writes if one[0] != number]
        elif path in self.now:
            self.writes.append((self.now[path], what, place, data))

    def _move(self, name, number):
        self.moves.append((name, number))
        _moved(self.now, name, number)

    def after_a_cut(self, chance):
        """The files that are there. chance: chooses of what was not synced; None: nothing of it, True: all of it."""
        if chance is True:
            writes, moves = self.writes, self.moves
        elif chance is None:
            writes = moves = []
        else:
            writes, moves = _some(self.writes, chance), self.moves[: chance.randint(0, len(self.moves))]
        names = dict(self.names)
        for name, number in moves:
            _moved(names, name, number)
        return {
            name: _written(self.contents[number], [one for one in writes if one[0] == number])
            for name, number in names.items()
        }


def _moved(names, name, number):
    if number is None:
        names.pop(name, None)
    else:
        names[name] = number


def _some(writes, chance):
    pieces = []
    share = chance.choice((0.1, 0.5, 0.9))
    for number, what, place, data in writes:
        if what == "size":
            pieces.append((number, what, place, data))
            continue
        pieces += [(number, what, place + at, data[at : at + SECTOR]) for at in range(0, len(data), SECTOR)]
    return [one for one in pieces if chance.random() < share]


def _written(content, writes):
    content = bytearray(content)
    for _, what, place, data in writes:
        if what == "size":
            del content[place:]
            content += bytes(place - len(content))
        else:
            content += bytes(max(0, place - len(content)))
            content[place : place + len(data)] = data
    return bytes(content)


def _laid_out(directory, files):
    for old in directory.iterdir():
        old.unlink()
    for name, content in files.items():
        path = directory / Path(name).name
        path.write_bytes(content)
        path.chmod(0o600)


def main(directory, synchronous, one_of):
    """Every operation, the power cut after each thing that it does."""
    _connections._EACH = tuple(one.replace("EXTRA", synchronous) for one in _connections._EACH)
    made, cut = directory / "made", directory / "cut"
    for each in (made, cut):
        each.mkdir(mode=0o700)
    path, kek = stores.filled(made)
    other = KeyFile.generate(directory / "other.key")
    data, chance, counts = path.read_bytes(), random.Random(12), {}
    store_child.export_others(path, kek)
    for operation in store_child.OPERATIONS:
        store_child.restored(path, data)
        before = store_child.observed(path, kek, other)
        store_child.restored(path, data)
        store = KeyStore.open(path, kek)
        done = recorded(store, other, operation, directory / "log")
        store.close()
        after = store_child.observed(path, kek, other)
        disk = Disk({str(path): data})
        for number, one in enumerate(done, 1):
            disk.do(*one)
            for choice in (None, True, *[chance] * PARTS):
                last = number == len(done)
                if one_of > 1 and not last and chance.randrange(one_of):
                    continue
                _laid_out(cut, disk.after_a_cut(choice))
                try:
                    found = store_child.observed(cut / "store", kek, other)
                except (SecureMemError, AssertionError) as error:
                    found = type(error).__name__
                place = "after" if found == after else "before" if found == before else "wrong"
                if last and place == "before":
                    place = "lost"
                counts[place] = counts.get(place, 0) + 1
                if place == "wrong":
                    print(f"{operation.__name__} cut after {number} of {len(done)}: {found}", file=sys.stderr)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]))
