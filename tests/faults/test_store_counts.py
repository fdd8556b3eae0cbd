"""How much a key of a store in a file protected is never counted too low: across processes, crashes and backups."""

from __future__ import annotations

import itertools
import os

import pytest

from securemem import KeyStore, Policy
from securemem.exceptions import KeyExhaustedError, KeyPolicyError
from securemem.keystore import _changes, _tickets
from tests.support import stores


@pytest.fixture
def place(tmp_path):
    """Where a store can be made."""
    tmp_path.chmod(0o700)
    return tmp_path / "store"


def in_a_crash(path, work):
    """Do something with a store in a child process that ends without closing it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work(KeyStore.open(path, stores.passphrase()))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def counts(path):
    """Messages and bytes of the primary version, as the file has them."""
    with KeyStore.open(path, stores.passphrase()) as store:
        info = store["key"].versions[-1]
        return info.messages, info.protected_bytes


def test_blocks_are_what_is_left_or_a_part_of_the_limit_and_grow_with_use():
    """min(left, limit / 2**16), no more than was drawn before, and one at least."""
    most = 2**32
    assert [_tickets.block(most, drawn) for drawn in (0, 1, 2, 1_000, 2**16, 2**20)] == [1, 1, 2, 1_000, 2**16, 2**16]
    assert _tickets.block(most, most - 5) == 5
    assert _tickets.block(most, most) == 0
    assert _tickets.block(10, 9) == 1


def encrypt(times, size=1):
    """What encrypts so often."""

    def work(store):
        for _ in range(times):
            store["key"].encrypt(bytes(size))

    return work


def test_a_crash_loses_what_was_reserved_and_never_more(place):
    """Messages are counted too high after a crash, by no more than were used, and exactly after close()."""
    with KeyStore.create(place, stores.passphrase()) as store:
        store.generate("key", "AES-256-GCM")
        encrypt(100)(store)
    assert counts(place) == (100, 0)
    in_a_crash(place, encrypt(30))
    messages, _ = counts(place)
    assert 130 <= messages <= 230
    in_a_crash(place, encrypt(0))
    assert counts(place) == (messages, 0)  # opening alone reserves nothing


def test_the_limit_holds_over_crashes_and_processes(place):
    """Of 50 messages, some are lost by crashes; no more than 50 are made by all processes together."""
    with KeyStore.create(place, stores.passphrase()) as store:
        store.generate("key", policy=Policy(max_messages=50))
    made = 0
    for _ in range(6):
        in_a_crash(place, encrypt(3))
        made += 3
    with KeyStore.open(place, stores.passphrase()) as one, KeyStore.open(place, stores.passphrase()) as two:
        each = itertools.cycle((one, two))
        with pytest.raises(KeyPolicyError, match="max_messages"):
            while next(each)["key"].encrypt(b"x"):
                made += 1
        assert made > 18
    assert made <= 50


def test_bytes_are_counted_over_processes_crashes_and_closing(place):
    """max_bytes is one limit for all processes; after close() exactly what was protected is counted."""
    policy = Policy(max_bytes=2**20)
    with KeyStore.create(place, stores.passphrase()) as store:
        store.generate("key", policy=policy)
        encrypt(11, 100)(store)
    assert counts(place) == (11, 1_100)
    in_a_crash(place, encrypt(5, 100))
    messages, nbytes = counts(place)
    assert messages >= 16
    assert 1_600 <= nbytes <= 3_300
    with KeyStore.open(place, stores.passphrase()) as one, KeyStore.open(place, stores.passphrase()) as two:
        made, size = nbytes, 100_000
        with pytest.raises(KeyPolicyError, match="max_bytes"):
            while True:
                for each in (one, two):
                    each["key"].encrypt(bytes(size))
                    made += size
        assert 2**20 - 2 * size < made <= 2**20
    assert counts(place)[1] == made


def test_an_exhausted_key_stays_exhausted(place):
    """A key at its algorithm's limit: KeyExhaustedError, in every process and after each opening."""
    with KeyStore.create(place, stores.passphrase()) as store:
        store.generate("key", "AES-256-GCM")

        def near_the_end():
            version = store._contents.entries["key"].primary
            version.key.contents.keep_drawn(version, version.facts.__replace__(drawn=2**32 - 2), iter(range(0)))

        store._contents.alone(near_the_end)
        encrypt(2)(store)
        with pytest.raises(KeyExhaustedError):
            store["key"].encrypt(b"x")
    with KeyStore.open(place, stores.passphrase()) as store, pytest.raises(KeyExhaustedError):
        store["key"].encrypt(b"x")


NONCES = {
    "AES-256-GCM": True,
    "AES-128-GCM": True,
    "AES-256-GCM-SIV": True,
    "ChaCha20-Poly1305": True,
    "XAES-256-GCM": False,
    "KC-XAES-256-GCM": False,
    "HMAC-SHA-256": False,
}


def test_a_backup_rotates_keys_with_random_96_bit_nonces_before_they_encrypt(place):
    """Every algorithm; also where the backup is opened by a process that crashes at once, or is backed up itself."""
    copy, second = place.with_name("copy"), place.with_name("second")
    with KeyStore.create(place, stores.passphrase()) as store:
        ids = {name: store.generate(name, name).versions[0].key_id for name in NONCES}
        store.backup(copy)
        store.backup(second)
    in_a_crash(copy, lambda _: None)
    with KeyStore.open(copy, stores.passphrase()) as opened:
        for name, rotates in NONCES.items():
            assert len(opened[name].versions) == 1 + rotates
            if name.startswith(("AES", "ChaCha")):
                assert ids[name] not in opened[name].encrypt(b"x")
        opened.backup(place.with_name("third"))
    with KeyStore.open(place.with_name("third"), stores.passphrase()) as opened:
        assert len(opened["AES-256-GCM"].versions) == 3
    with KeyStore.open(place, stores.passphrase()) as original:
        assert {len(original[name].versions) for name in NONCES} == {1}


def test_a_backup_that_was_cut_off_while_it_rotated_goes_on_at_the_next_opening(place, monkeypatch):
    """The mark goes last: a process that ends before leaves it, and the next rotates again."""
    copy = place.with_name("copy")
    with KeyStore.create(place, stores.passphrase()) as store:
        store.generate("key", "AES-256-GCM")
        store.generate("other", "AES-256-GCM")
        store.backup(copy)
    rotate, done = _changes.rotate, []

    def once(key, pending):
        if done:
            raise RuntimeError("the end")
        done.append(key.name)
        return rotate(key, pending)

    monkeypatch.setattr(_changes, "rotate", once)
    with pytest.raises(RuntimeError, match="the end"):
        KeyStore.open(copy, stores.passphrase())
    monkeypatch.undo()
    with KeyStore.open(copy, stores.passphrase()) as opened:
        assert len(opened["key"].versions) >= 2
        assert len(opened["other"].versions) >= 2
        assert not opened._contents.book.seen.is_copy
