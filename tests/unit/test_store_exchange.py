"""Records out of one store and into another by one file: everything comes, in one step or not at all, and sealed."""

from __future__ import annotations

import stat

import pytest

from securemem import KeyNotFoundError, KeyStore, Policy, SecureBytes, StoreLockedError
from securemem.exceptions import (
    ForeignFileError,
    KeyExistsError,
    KeyPolicyError,
    NewerFormatError,
    PeerKeyError,
    SizeError,
    StoreExistsError,
    StoreTamperedError,
    WrongKeyEncryptionKeyError,
)
from securemem.keystore import State
from securemem.keystore import _export_format as form
from securemem.keystore.kek.key_file import KeyFile
from tests.support.stores import passphrase

LEAVES = Policy(extractable=True)


def secret(text):
    """A SecureBytes."""
    return SecureBytes.take(bytearray(text))


def shown(found):
    """The bytes of a secret, which is wiped."""
    with found, found.reveal() as view:
        return bytes(view)


def filled(store):
    """Some of everything; a box, and a signature."""
    for number in range(3):
        store.put("site", secret(b"value %d" % number), keep=5)
    store.set_details("site", labels=["mail"], url="https://example.org", notes=secret(b"some notes"))
    key = store.generate("box", policy=LEAVES)
    box = key.encrypt(b"plaintext")
    key.rotate()
    key.rotate(pending=True)
    key.destroy(3)
    store.set_details("box", notes=secret(b"notes of a key"))
    random = store.generate("random nonces", "AES-256-GCM", LEAVES)
    other = random.encrypt(b"plaintext")
    signature = store.generate("sign", "Ed25519", LEAVES).sign(b"data")
    store.generate("stays")
    return box, other, signature


def check(store, box, other, signature):
    """All of filled() but what stays."""
    assert sorted(store) == ["box", "random nonces", "sign", "site"]
    assert [shown(store.get("site", former=number)) for number in range(3)] == [b"value 2", b"value 1", b"value 0"]
    item = store.item("site")
    assert (item.labels, item.url, shown(store.notes("site"))) == (("mail",), "https://example.org", b"some notes")
    assert shown(store.notes("box")) == b"notes of a key"
    assert store["box"].decrypt(box) == b"plaintext"
    assert [one.state for one in store["box"].versions] == [State.ACTIVE, State.PRIMARY, State.DESTROYED]
    assert store["random nonces"].decrypt(other) == b"plaintext"
    store["sign"].verify(b"data", signature)
    assert store["sign"].policy == LEAVES.for_algorithm(store._contents.entries["sign"].algorithm)


@pytest.mark.parametrize("way", ["passphrase", "key file", "public key"])
def test_everything_comes_along(tmp_path, way):
    """From a store in memory into one in a file, by each way to open the file; what is not extractable stays."""
    tmp_path.chmod(0o700)
    store, path = KeyStore(passphrase()), tmp_path / "records"
    made = filled(store)
    with KeyStore.create(tmp_path / "store", passphrase()) as target:
        if way == "public key":
            to = target.generate("receives", "X25519").public_key()
            target["receives"].rotate()
            by = target["receives"]
        elif way == "key file":
            to = by = KeyFile.generate(tmp_path / "key file")
        else:
            to, by = passphrase(b"other"), passphrase(b"other")
        assert store.export_records(path, to) == ("stays",)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert target.import_records(path, by) == ("site", "box", "random nonces", "sign")
        if way == "public key":
            target.delete("receives")
        check(target, *made)
        target.check()
    with KeyStore.open(tmp_path / "store", passphrase()) as target:
        check(target, *made)
        target.check()
        clear = path.read_bytes()
        assert not any(text in clear for text in (b"site", b"mail", b"value", b"notes", b"example"))


def test_two_stores_never_share_random_nonces(tmp_path):
    """A key with random 96-bit nonces has a new primary version; the old one reads."""
    store, target = KeyStore(passphrase()), KeyStore(passphrase())
    key = store.generate("key", "AES-256-GCM", LEAVES)
    store.export_records(tmp_path / "file", passphrase())
    target.import_records(tmp_path / "file", passphrase())
    states = [one.state for one in target["key"].versions]
    assert states == [State.ACTIVE, State.PRIMARY]
    assert target["key"].versions[0].key_id == key.versions[0].key_id
    assert target["key"].encrypt(b"data")[:24] != key.encrypt(b"data")[:24]


def test_names_can_be_chosen(tmp_path):
    """Only these are written; one that may not leave is refused, and no file is left."""
    store, target = KeyStore(passphrase()), KeyStore(passphrase())
    filled(store)
    store.export_records(tmp_path / "file", passphrase(), ["site", "sign", "site"])
    assert target.import_records(tmp_path / "file", passphrase()) == ("site", "sign")
    for names, error in ((["stays"], KeyPolicyError), (["nobody"], KeyNotFoundError), ("site", TypeError)):
        with pytest.raises(error):
            store.export_records(tmp_path / "other", passphrase(), names)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_names_that_are_taken(tmp_path):
    """Nothing is taken where one name is there already; with replace=True it goes, with all that it had."""
    store, target = KeyStore(passphrase()), KeyStore(passphrase())
    made = filled(store)
    store.export_records(tmp_path / "file", passphrase())
    old = target.generate("site")
    target.put("sign", secret(b"1"), keep=3)
    target.put("sign", secret(b"2"))
    with pytest.raises(KeyExistsError, match="site"):
        target.import_records(tmp_path / "file", passphrase())
    assert sorted(target) == ["sign", "site"]
    target.import_records(tmp_path / "file", passphrase(), replace=True)
    check(target, *made)
    with pytest.raises(KeyNotFoundError):
        old.encrypt(b"data")
    empty = KeyStore(passphrase())
    empty.import_records(tmp_path / "file", passphrase())
    assert len(target._contents.records) == len(empty._contents.records)


def test_every_byte_and_every_end_counts(tmp_path):
    """A file that is changed or cut anywhere gives a typed error, and nothing is taken; as it was, it is."""
    store, target, kek = KeyStore(passphrase()), KeyStore(passphrase()), KeyFile.generate(tmp_path / "key file")
    store.put("a", secret(b"1"), keep=1)
    store.put("a", secret(b"2"))
    store.generate("k", "Ed25519", LEAVES)
    store.export_records(tmp_path / "file", kek)
    good, path = (tmp_path / "file").read_bytes(), tmp_path / "bad"
    changed = [good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :] for at in range(len(good))]
    for bad in (*changed, *(good[:end] for end in range(len(good))), good + b"x"):
        path.write_bytes(bad)
        with pytest.raises((StoreTamperedError, ForeignFileError, NewerFormatError, WrongKeyEncryptionKeyError)):
            target.import_records(path, kek)
        assert len(target) == 0
    path.write_bytes(good)
    assert target.import_records(path, kek) == ("a", "k")


def test_pieces_stay_in_their_places(tmp_path):
    """Pieces swapped, left out or doubled, each whole and authentic, are found."""
    store, target, kek = KeyStore(passphrase()), KeyStore(passphrase()), KeyFile.generate(tmp_path / "key file")
    for name in ("a", "b"):
        store.put(name, secret(b"value"))
    store.export_records(tmp_path / "file", kek)
    good = (tmp_path / "file").read_bytes()
    start = 25 + int.from_bytes(good[21:25], "big")
    pieces, at = [], start
    while at < len(good):
        end = at + 4 + int.from_bytes(good[at : at + 4], "big")
        pieces.append(good[at:end])
        at = end
    assert len(pieces) == 5
    first, second, third, fourth, last = pieces
    orders = [
        (third, fourth, first, second, last),
        (first, second, last),
        (first, second, first, second, last),
        (first, second, third, fourth),
        (first, fourth, third, second, last),
        (last,),
    ]
    for order in orders:
        (tmp_path / "bad").write_bytes(good[:start] + b"".join(order))
        with pytest.raises(StoreTamperedError):
            target.import_records(tmp_path / "bad", kek)
    assert len(target) == 0


@pytest.mark.parametrize(
    "pieces",
    [
        [b"\x01"],
        [b"\x00"],
        [b"\x00" + bytes(7) + b"\x01"],
        [b"\x02\x00\x00\x02a\n\x00\x00" + bytes(16), b"value", b"\x00" + bytes(7) + b"\x01"],
        [b"\x02\x00\x00\x01a\x00\x00" + bytes(16), b"v" * (2**20 + 1), b"\x00" + bytes(7) + b"\x01"],
        [b"\x01\x20\x00\x01a\x00\x00\x00\x00", b"\x00" + bytes(7) + b"\x01"],
        [b"\x07\x20\x00\x01a\x00\x00\x00\x00", b"\x00" + bytes(7) + b"\x01"],
    ],
)
def test_what_somebody_with_the_public_key_writes_is_checked(tmp_path, pieces):
    """An authentic file with what no store writes in it: a typed error, and nothing is taken."""
    target = KeyStore(passphrase())
    own = target.generate("receives", "X25519")
    head, identity, key = form.begin(own.public_key())
    with (tmp_path / "file").open("wb") as file:
        file.write(head)
        writer = form.Pieces(key, identity, file)
        for piece in pieces:
            writer.write(piece)
    with pytest.raises((StoreTamperedError, NewerFormatError)):
        target.import_records(tmp_path / "file", own)
    assert list(target) == ["receives"]


def test_refusals(tmp_path):
    """Wrong passphrase, key and kind of key; a file that is there, or none; what is no key; a locked store."""
    store = KeyStore(passphrase())
    own, path = store.generate("receives", "X25519"), tmp_path / "file"
    store.put("a", secret(b"1"))
    store.export_records(path, passphrase(b"right"))
    with pytest.raises(StoreExistsError):
        store.export_records(path, passphrase())
    for by in (passphrase(b"wrong"), own, KeyFile.generate(tmp_path / "key file")):
        with pytest.raises(WrongKeyEncryptionKeyError):
            store.import_records(path, by)
    store.export_records(tmp_path / "public", own.public_key())
    for by in (passphrase(), store.generate("other", "X25519")):
        with pytest.raises(WrongKeyEncryptionKeyError):
            store.import_records(tmp_path / "public", by)
    with pytest.raises(SizeError):
        store.export_records(tmp_path / "none", b"short")
    with pytest.raises(PeerKeyError):
        store.export_records(tmp_path / "none", bytes(32))
    for wrong in ("passphrase", None, 1):
        with pytest.raises(TypeError):
            store.export_records(tmp_path / "none", wrong)
        with pytest.raises(TypeError):
            store.import_records(path, wrong)
    with pytest.raises(FileNotFoundError):
        store.import_records(tmp_path / "none", passphrase())
    (tmp_path / "foreign").write_bytes(b"something else that is longer than a head")
    with pytest.raises(ForeignFileError):
        store.import_records(tmp_path / "foreign", passphrase())
    store.lock()
    with pytest.raises(StoreLockedError):
        store.export_records(tmp_path / "none", passphrase())
    with pytest.raises(StoreLockedError):
        store.import_records(path, passphrase(b"right"))
    assert not (tmp_path / "none").exists()
