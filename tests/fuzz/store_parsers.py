"""Fuzzes what reads a store's file and exported records: anything may be given, and only typed errors may come.

    python -m tests.fuzz.store_parsers [--inputs 1000000] [--engine atheris|random] [--seed N] [PARSER ...]

atheris (pip install atheris): guided by coverage. random: mutations of valid inputs, without another package. What a
parser takes must also be written again as it was, where the format has one way to write it. An input that breaks a rule
is kept in tests/fuzz/found, and is tried by the tests from then on. Ends with 1 where one was found.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import re
import subprocess
import sys
import time
from pathlib import Path

from securemem import SecureBytes
from securemem.crypto.aead import Key
from securemem.crypto.argon2 import Cost
from securemem.exceptions import DecryptionError, InvalidArgumentError, NewerFormatError, SecureMemError
from securemem.keystore import _entries, _exchange, _export_format, _index, _wraps
from securemem.keystore._algorithms import key_algorithm
from securemem.keystore._book import Header
from securemem.keystore._details import Details
from securemem.keystore._root_key import new_record
from securemem.keystore._stored import Facts, State, StoredSecret
from securemem.keystore.kek.passphrase import Passphrase
from securemem.keystore.policy import Policy

FOUND = Path(__file__).with_name("found")
RECORD = bytes(range(16))
RUNS = re.compile(r"Done (\d+) runs")


def key() -> Key:
    """Always the same one, and none that a test elsewhere could wipe."""
    return Key(SecureBytes.copy_of(bytes(32)))


# The parsers: each raises what may not be, and nothing for anything else


def entry(data: bytes) -> None:
    """What is said of a name: refused as not known, or written again as it was; and what it is found by lies in it."""
    try:
        read = _entries.read(data, RECORD)
    except NewerFormatError:
        return
    if isinstance(read, StoredSecret):
        again = _entries.of_secret(read.name, read.value, read.details)
    else:
        again = _entries.of_key(read, read.policy.encoded(), read.versions)  # type: ignore[arg-type]  # it has all of it
        facts = [one for one in read.versions if one.state is State.DESTROYED]
        if facts:  # their record is not read
            return
    assert again == data, again
    assert _entries.texts(data)[0] == read.name.encode()


def details(data: bytes) -> None:
    """Refused, or written again as they were."""
    try:
        read = Details.read(data)
    except ValueError:
        return
    assert not data or read.encoded() == data, read


def index(data: bytes) -> None:
    """A part of the index: refused, or every byte of it is in one line."""
    if not data:
        return
    try:
        spans = list(_index.spans(memoryview(data)))
    except NewerFormatError:
        return
    ends = [1, *(stop for _, stop in spans)]
    assert ends == [*(start for start, _ in spans), len(data)], spans


def header(data: bytes) -> None:
    """Sealed with the right key by somebody: its numbers; otherwise one error for everything."""
    with contextlib.suppress(DecryptionError):
        Header.unsealed(key(), RECORD, 1, data)
    if len(data) == 49:
        sealed = key().encrypt(data, b"securemem header 1" + RECORD + (1).to_bytes(8, "big"))
        read = Header.unsealed(key(), RECORD, 1, sealed)
        assert read.generation == int.from_bytes(data[:8], "big")
        assert read.tag == int.from_bytes(data[16:48], "big")


class _File:
    """As SqliteFile, for _wraps."""

    path = "file"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def between(self, first: bytes, _last: bytes) -> dict[bytes, bytes]:
        return {first: self._data}


def wrapped(data: bytes) -> None:
    """A wrapped root key: label and rest, or an error; the passphrase's head is bounded before it is used."""
    with contextlib.suppress(SecureMemError):
        for label, rest in _wraps.all_in(_File(data)).values():  # type: ignore[arg-type]  # all that it needs
            assert label.encode() + rest == data[10:] or len(rest) == 0
    highest = Cost(64, 1)
    with contextlib.suppress(DecryptionError, InvalidArgumentError):
        _, salt, cost = Passphrase(SecureBytes.copy_of(b"passphrase"), cost=highest, highest=highest)._read(data)
        assert len(salt) == 16
        assert cost.memory_kib <= 64
        assert cost.passes <= 1


def export_head(data: bytes) -> None:
    """A file of exported records: a typed error, as nobody has its key."""

    class _Nobody:
        def wrap(self, key: object, context: object) -> bytes:
            raise NotImplementedError

        def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:
            assert 0 < len(wrapped) <= 2**16
            if context[-1] & 1:
                raise DecryptionError("wrong")
            return SecureBytes.copy_of(bytes(32))

    with contextlib.suppress(SecureMemError):
        reading = _export_format.open_file(io.BytesIO(data), _Nobody())
        for _ in range(3):
            reading.next()
        reading.check_end()


class _Pieces:
    """What was exported by somebody who has the key, and says anything in it."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)

    def next(self) -> SecureBytes:
        size = int.from_bytes(self._source.read(2), "big")
        data = self._source.read(size)
        if not data:
            raise _export_format.damaged()
        return SecureBytes.copy_of(data)

    def check_end(self) -> None:
        if self._source.read(1):
            raise _export_format.damaged()


class _Target:
    """As the contents of a store, for an import."""

    def __init__(self) -> None:
        from securemem import KeyStore

        self.store = KeyStore()
        self.committed: dict[bytes, bytes | None] = {}

    def take(self, pieces: _Pieces) -> None:
        """Import them, and leave the store as it was."""
        contents = self.store._contents
        whole = type(contents).commit
        try:
            type(contents).commit = lambda _self, written, _steps: self.committed.update(written)  # type: ignore[method-assign]  # for this import
            contents.gate.change(_exchange._take, contents, pieces, False)
        finally:
            type(contents).commit = whole  # type: ignore[method-assign]  # as it was


_targets: list[_Target] = []


def imported(data: bytes) -> None:
    """Pieces that are authentic and say anything: all of them are taken, or a typed error comes and none is."""
    if not _targets:
        _targets.append(_Target())
    (target,) = _targets
    target.committed = {}
    try:
        target.take(_Pieces(data))
    except SecureMemError:
        assert not target.committed
    assert len(target.store) == 0


PARSERS = {one.__name__: one for one in (entry, details, index, header, wrapped, export_head, imported)}


def seeds(name: str) -> list[bytes]:
    """Valid inputs of a parser."""
    many = Details(1, 2, 3, 4, new_record(), ("mail", "Büro"), "https://example.org", ((5, new_record()),)).encoded()
    facts = [
        Facts(number, new_record(), state, b"" if state is State.DESTROYED else new_record(), 7, 8)
        for number, state in enumerate(State, 1)
    ]

    class _Key:
        algorithm = key_algorithm("KC-XAES-256-GCM")
        name, details = "Schlüssel", many

    policy = Policy(max_messages=5, max_bytes=9).for_algorithm(_Key.algorithm).encoded()
    entries = [
        _entries.of_secret("name", RECORD),
        _entries.of_secret("name", RECORD, many),
        _entries.of_key(_Key(), policy, facts),  # type: ignore[arg-type]  # all that it needs
        _entries.of_key(_Key(), policy, facts[:2]),  # type: ignore[arg-type]  # all that it needs
    ]
    line = RECORD + b"\x00\x06\x00\x04name"
    short = _entries.of_secret("a", RECORD)
    pieces = [*(short, b"value"), b"\0" + (1).to_bytes(8, "big")]
    found = {
        "entry": entries,
        "details": [many, Details(1, 1).encoded(), b""],
        "index": [b"\x01", b"\x01" + line, b"\x01" + line * 3],
        "header": [bytes(49), key().encrypt(bytes(49), b"securemem header 1" + RECORD + (1).to_bytes(8, "big"))],
        "wrapped": [bytes(8) + _wraps.encoded("first", b"rest"), b"smp\x01" + bytes(100)],
        "export_head": [
            b"smx\x01\x01" + RECORD + (4).to_bytes(4, "big") + b"wrap" + (8).to_bytes(4, "big") + bytes(8),
            b"smx\x01\x02" + RECORD + (64).to_bytes(4, "big") + bytes(64),
        ],
        "imported": [b"".join(len(one).to_bytes(2, "big") + one for one in pieces)],
    }
    return found[name]


# The engines


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The input with some changes."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(5)
        if kind == 0 and out:
            out[at % len(out)] = chance.randrange(256)
        elif kind == 1 and out:
            out[at % len(out)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            out[at:at] = chance.randbytes(chance.choice((1, 2, 16)))
        elif kind == 3:
            del out[at : at + chance.choice((1, 2, 16))]
        else:
            out[at : at + 2] = chance.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF)).to_bytes(2, "big")
    return bytes(out)


def keep(name: str, data: bytes) -> Path:
    """Keep an input that broke a rule."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{name}-{len(list(FOUND.iterdir()))}"
    path.write_bytes(data)
    return path


def by_chance(name: str, inputs: int, seed: int) -> int:
    """So many mutations, of valid inputs and of those that were taken; how many were tried."""
    chance, pool = random.Random(seed), seeds(name)
    for number in range(inputs):
        data = mutated(chance.choice(pool), chance)
        try:
            PARSERS[name](data)
        except BaseException as error:
            print(f"{name} after {number + 1}: {error!r}, kept as {keep(name, data)}", file=sys.stderr)
            raise
        if len(pool) < 200 and number % 97 == 0:
            pool.append(data[:400])
    return inputs


def by_atheris(name: str, inputs: int, seed: int) -> int:
    """So many inputs by atheris, in a process of its own; how many were tried."""
    words = [sys.executable, "-m", "tests.fuzz.store_parsers", "--inputs", str(inputs), "--seed", str(seed)]
    done = subprocess.run([*words, "--engine", "inside", name], capture_output=True, text=True, check=False)
    found = RUNS.search(done.stderr)
    if done.returncode or found is None:
        print(done.stdout + done.stderr, file=sys.stderr)
        raise SystemExit(1)
    return int(found.group(1))


def inside(name: str, inputs: int, seed: int) -> int:
    """Of a process of atheris: it does not return."""
    import tempfile

    import atheris

    for module in (_entries, _index, _export_format, _exchange, _wraps):
        for value in list(vars(module).values()):
            if callable(value) and getattr(value, "__module__", "") == module.__name__ and hasattr(value, "__code__"):
                setattr(module, value.__name__, atheris.instrument_func(value))
    corpus = tempfile.mkdtemp(prefix="securemem-corpus-")
    for number, one in enumerate(seeds(name)):
        (Path(corpus) / str(number)).write_bytes(one)

    def tried(data: bytes) -> None:
        try:
            PARSERS[name](data)
        except BaseException:
            keep(name, data)
            raise

    options = [f"-runs={inputs}", f"-seed={seed}", "-max_len=600", "-verbosity=1", f"-artifact_prefix={corpus}/"]
    atheris.Setup([sys.argv[0], *options, corpus], tried)
    atheris.Fuzz()
    return 0


ENGINES = {"random": by_chance, "atheris": by_atheris, "inside": inside}


def main() -> None:
    """Every parser that is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parsers", nargs="*", choices=[*PARSERS, []], metavar="PARSER")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each parser")
    parser.add_argument("--engine", choices=sorted(ENGINES), default="atheris")
    parser.add_argument("--seed", type=int, default=12)
    given = parser.parse_args()
    for name in given.parsers or PARSERS:
        begun = time.monotonic()
        tried = ENGINES[given.engine](name, given.inputs, given.seed)
        print(f"{name:12} {tried:>9} inputs, {time.monotonic() - begun:.0f} s, nothing found", flush=True)


if __name__ == "__main__":
    main()
