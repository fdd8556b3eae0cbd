"""A reader that goes by docs/reference/store-format.md alone finds in the committed file what the package finds.

It shares the sealing with the package, which has vectors of its own, and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from securemem import SecureBytes
from securemem.crypto.aead import Key
from tests.unit.test_store_formats import EXPECTED, VECTORS

if TYPE_CHECKING:
    from pathlib import Path

ZEROS = bytes(16)


def unseal(key, sealed, aad):
    """KC-XAES-256-GCM."""
    with Key(SecureBytes.copy_of(key)) .decrypt(sealed, aad) as plain, plain.reveal() as view:  # fmt: skip
        return bytes(view)


def short(data, at, width=2):
    """What has its length before it, and where it ends."""
    size = int.from_bytes(data[at : at + width], "big")
    return data[at + width : at + width + size], at + width + size


class Reader:
    """The file, read by the page."""

    def __init__(self, path: Path) -> None:
        with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as connection:
            self.numbers = [
                connection.execute(f"PRAGMA {one}").fetchone()[0] for one in ("application_id", "user_version")
            ]
            ((self.number, self.header),) = connection.execute("SELECT root, sealed FROM header").fetchall()
            self.records = dict(connection.execute("SELECT id, sealed FROM records").fetchall())
            self.log = dict(connection.execute("SELECT generation, changed FROM log").fetchall())
        connection.close()
        self.id = self.records[ZEROS][8:24]
        self.root = self._root(bytes.fromhex(EXPECTED["key_file"]))

    def _root(self, key_file):
        for identity, record in self.records.items():
            if identity[:15] == ZEROS[:15] and identity[15]:
                label, end = short(record, 8)
                if label == b"key file":
                    assert record[end : end + 4] == b"smk\x01"
                    return unseal(key_file, record[end + 4 :], b"smk\x01securemem root key 1" + self.id)
        raise AssertionError("no key file")

    def derived(self, word):
        """A key from the root key."""
        return HKDFExpand(SHA256(), 32, word + self.id).derive(self.root)

    def record(self, identity, word, *ids):
        """A record in clear."""
        sealed = self.records[identity]
        return unseal(self.root, sealed[8:], sealed[:8] + word + self.id + b"".join(ids))

    def record_named(self, name):
        """Where what is said of a name is."""
        code = hmac.digest(self.derived(b"securemem names 1"), name.encode(), "sha256")[:16]
        return bytes((code[0] & 0x7F,)) + code[1:]


@pytest.fixture(scope="module")
def reader():
    """The committed file."""
    return Reader(VECTORS / "store_1.smks")


def test_the_set_has_the_tag_of_the_header(reader):
    """Sum of HMACs over id, generation and hash of each record; their number; the generation; not a backup."""
    aad = b"securemem header 1" + reader.id + reader.number.to_bytes(8, "big")
    header = unseal(reader.root, reader.header, aad)
    assert len(header) == 8 + 8 + 32 + 1
    key = reader.derived(b"securemem set 1")
    terms = [
        hmac.digest(key, identity + record[:8] + hashlib.sha256(record).digest(), "sha256")
        for identity, record in reader.records.items()
    ]
    total = sum(int.from_bytes(one, "big") for one in terms) % 2**256
    assert int.from_bytes(header[:8], "big") == EXPECTED["generation"]
    assert int.from_bytes(header[8:16], "big") == len(reader.records)
    assert header[16:48] == total.to_bytes(32, "big")
    assert header[48] == 0
    assert reader.numbers == [0x534D4B53, 1]
    assert max(reader.log) == EXPECTED["generation"]
    assert all(len(one) % 16 == 0 for one in reader.log.values())
    with pytest.raises(Exception, match="decrypted"):
        unseal(reader.root, reader.header, aad + b"x")


def test_entries_secrets_and_notes(reader):
    """Each name is at its code; kind, name, details and the id of the value follow each other as the page says."""
    for name, said in EXPECTED["secrets"].items():
        identity = reader.record_named(name)
        entry = reader.record(identity, b"securemem entry 1", identity)
        assert entry[:2] == b"\x02\x00"
        found, at = short(entry, 2)
        details, at = short(entry, at)
        assert found.decode() == name
        value = entry[at:]
        assert value[0] >= 0x80
        assert reader.record(value, b"securemem secret 1", identity, value) == bytes.fromhex(said["value"])
        assert details[0] == 1
        keep, notes = details[25], details[26:42]
        labels, former, size = details[42], details[43], int.from_bytes(details[44:46], "big")
        assert (labels, former) == (len(said["labels"]), said["former"])
        assert details[46 : 46 + size].decode() == said["url"]
        at, texts = 46 + size, []
        for _ in range(labels):
            text, at = short(details, at)
            texts.append(text.decode())
        assert texts == said["labels"]
        assert len(details) == at + 24 * former
        for number in range(former):
            old = details[at + 24 * number + 8 : at + 24 * (number + 1)]
            assert reader.record(old, b"securemem secret 1", identity, old).startswith(b"former ")
        if name == "mail":
            assert keep == 2
            assert reader.record(notes, b"securemem secret 1", identity, notes) == b"recovery code 1234"


def test_keys(reader):
    """Number, id, record, state, counts and public key of each version; the key is bound to all of it."""
    states = ("pending", "primary", "active", "disabled", "destroyed")
    for name, said in EXPECTED["keys"].items():
        identity = reader.record_named(name)
        entry = reader.record(identity, b"securemem entry 1", identity)
        assert entry[0] == 1
        _, at = short(entry, 2)
        _, at = short(entry, at)
        policy, at = short(entry, at)
        found = []
        while at < len(entry):
            number, key_id, record = entry[at : at + 4], entry[at + 4 : at + 20], entry[at + 20 : at + 36]
            state, drawn, reserved = states[entry[at + 36]], entry[at + 37 : at + 45], entry[at + 45 : at + 53]
            public, at = short(entry, at + 53, 1)
            found.append(state)
            if state == "destroyed":
                continue
            bound = (identity, record, key_id, bytes(4) + number, drawn, reserved, entry[1:2], state.encode(), b";")
            assert len(reader.record(record, b"securemem key 1", *bound, public, policy)) in {16, 32, 48, 64}
        assert found == said["states"]


def test_the_index(reader):
    """Each entry has one line, in the part that its id tells, with name, URL and labels."""
    parts = sorted(one for one in reader.records if one[:14] == bytes(13) + b"\x01")
    names = {}
    for number, identity in enumerate(parts):
        assert identity[14:] == number.to_bytes(2, "big")
        plain = reader.record(identity, b"securemem index 1", identity)
        assert plain[0] == 1
        at = 1
        while at < len(plain):
            record, (texts, after) = plain[at : at + 16], short(plain, at + 16)
            many = 1 << (len(parts).bit_length() - 1)
            place = int.from_bytes(record[8:], "big") % (2 * many)
            assert (place if place < len(parts) else place - many) == number
            name, _ = short(texts, 0)
            names[name.decode()] = (record, texts)
            at = after
    assert set(names) == {*EXPECTED["secrets"], *EXPECTED["keys"]}
    assert all(record == reader.record_named(name) for name, (record, _) in names.items())
    assert "büro".encode() in names["mail"][1]
    assert b"https://example.org/login" in names["mail"][1]
