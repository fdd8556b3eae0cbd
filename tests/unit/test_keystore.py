"""Keys of a store: how they are made, what they do, and that they are used without being seen."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import securemem
from securemem import DecryptionError, KeyNotFoundError, KeyStore, Policy, SecureBytes, WipedError
from securemem.crypto import aead
from securemem.exceptions import (
    InvalidArgumentError,
    KeyExistsError,
    KeyPolicyError,
    PeerKeyError,
    SizeError,
    SourceError,
    VerificationError,
)
from securemem.keystore import State
from securemem.keystore.cleartext import export
from securemem.storage.memory import MemoryRecords

AEADS = ["KC-XAES-256-GCM", "XAES-256-GCM", "AES-256-GCM", "AES-128-GCM", "AES-256-GCM-SIV", "ChaCha20-Poly1305"]
OTHERS = ["HMAC-SHA-256", "HMAC-SHA-384", "HMAC-SHA-512", "Ed25519", "X25519", "HKDF-SHA-256"]


@pytest.fixture
def store():
    """A store without a lock."""
    return KeyStore()


@pytest.mark.parametrize("algorithm", AEADS)
@pytest.mark.parametrize("size", [1, 64, 100_000])
def test_boxes_open_to_what_was_put_in(store, algorithm, size):
    """encrypt() and encrypt_into() make boxes of the same size, which decrypt() and decrypt_into() open."""
    key = store.generate("key", algorithm)
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    box = key.encrypt(data, b"context")
    other = bytearray(size + key.overhead)
    key.encrypt_into(data, other, b"context")
    assert len(box) == len(other)
    for one in (box, other, memoryview(box)):
        assert key.decrypt(one, b"context") == data
        out = SecureBytes.zeros(size)
        key.decrypt_into(one, out, b"context")
        assert out == data


def test_two_boxes_of_one_plaintext_differ(store):
    """Nonces are new each time."""
    key = store.generate("key")
    assert key.encrypt(b"same") != key.encrypt(b"same")


def test_empty_plaintexts(store):
    """An empty message has a box; it opens into an empty buffer, and is no SecureBytes."""
    key = store.generate("key")
    box = key.encrypt(b"", b"context")
    key.decrypt_into(box, bytearray(), b"context")
    with pytest.raises(SizeError, match="decrypt_into"):
        key.decrypt(box, b"context")
    with pytest.raises(DecryptionError):
        key.decrypt_into(box, bytearray(), b"other")


def refused(use):
    """Whether a use ends with the one DecryptionError."""
    with pytest.raises(DecryptionError) as caught:
        use()
    assert str(caught.value) == "the ciphertext could not be decrypted with this key and associated data"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return True


@pytest.mark.parametrize("algorithm", AEADS)
def test_every_changed_bit_and_length_is_one_error(store, algorithm):
    """Each bit of a box, header and nonce too, each cut, each addition, another context and another key."""
    key, other = store.generate("key", algorithm), store.generate("other", algorithm)
    box = key.encrypt(b"plaintext", b"context")
    for bit in range(8 * len(box)):
        changed = bytearray(box)
        changed[bit // 8] ^= 1 << bit % 8
        assert refused(lambda changed=changed: key.decrypt(changed, b"context"))
    for size in range(len(box)):
        assert refused(lambda size=size: key.decrypt(box[:size], b"context"))
    assert refused(lambda: key.decrypt(box + b"\0", b"context"))
    assert refused(lambda: key.decrypt(box))
    assert refused(lambda: key.decrypt(box, b"context\0"))
    assert refused(lambda: other.decrypt(box, b"context"))
    assert key.decrypt(box, b"context") == b"plaintext"


def test_destination_is_wiped_when_a_box_is_not_authentic(store):
    """Nothing of an unauthentic plaintext stays in the buffer, and a buffer of another size is not touched."""
    key = store.generate("key")
    box = bytearray(key.encrypt(b"plaintext"))
    box[60] ^= 1
    out = bytearray(b"x" * 9)
    assert refused(lambda: key.decrypt_into(box, out))
    assert out == bytes(9)
    out = bytearray(b"x" * 8)
    with pytest.raises(SizeError):
        key.decrypt_into(box, out)
    assert out == b"x" * 8


def test_a_box_is_the_ciphertext_of_crypto_behind_a_header():
    """What follows the header opens with crypto.aead under the same key, with header and context as associated data."""
    key = KeyStore().generate("key", policy=Policy(extractable=True))
    box = key.encrypt(b"plaintext", b"context")
    plain = aead.Key(export(key)).decrypt(box[24:], box[:24] + b"context")
    assert plain == b"plaintext"
    assert box[8:24] == key.versions[0].key_id


def test_secrets_are_taken_as_data(store):
    """A SecureBytes is encrypted as it is; a wiped one raises before anything is encrypted."""
    key = store.generate("key")
    secret = SecureBytes.copy_of(b"password")
    box = key.encrypt(secret)
    assert key.decrypt(box) == secret
    secret.wipe()
    with pytest.raises(WipedError):
        key.encrypt(secret)


@pytest.mark.parametrize("algorithm", AEADS)
def test_sessions_make_and_open_the_boxes_of_their_key(store, algorithm):
    """A session's boxes are the handle's, and the other way round, in place too, and of older versions."""
    key = store.generate("key", algorithm)
    old = key.encrypt(b"old", b"context")
    key.rotate()
    with key.session() as session:
        for _ in range(3):
            box = session.encrypt(b"plaintext", b"context")
            assert key.decrypt(box, b"context") == b"plaintext"
            assert session.decrypt(key.encrypt(b"plaintext", b"context"), b"context") == b"plaintext"
            out = bytearray(len(box))
            session.encrypt_into(b"plaintext", out, b"context")
            back = bytearray(9)
            session.decrypt_into(out, back, b"context")
            assert back == b"plaintext"
            assert refused(lambda: session.decrypt(box))  # noqa: B023 - it is called at once
        assert session.decrypt(old, b"context") == b"old"
        back = bytearray(3)
        session.decrypt_into(old, back, b"context")
        assert back == b"old"
    assert session.ended
    for use in (lambda: session.encrypt(b""), lambda: session.decrypt(old), lambda: session.decrypt_into(old, b"")):
        with pytest.raises(KeyPolicyError, match="ended"):
            use()


def test_a_session_ends_with_its_version_and_encrypts_no_more_after_a_rotation(store):
    """Rotating leaves a session to read; disabling or deleting ends it."""
    key = store.generate("key")
    with key.session() as session:
        box = session.encrypt(b"plaintext")
        key.rotate()
        with pytest.raises(KeyPolicyError, match="active"):
            session.encrypt(b"plaintext")
        assert session.decrypt(box) == b"plaintext"
        key.disable(1)
        assert session.ended
    with key.session() as session:
        store.delete("key")
        assert session.ended
    with pytest.raises(KeyPolicyError):
        store.generate("mac", "HMAC-SHA-256").session()


@pytest.mark.parametrize(("algorithm", "size"), [("HMAC-SHA-256", 32), ("HMAC-SHA-384", 48), ("HMAC-SHA-512", 64)])
def test_codes_are_checked_by_all_versions_in_use(store, algorithm, size):
    """A code of an active version is good, one of a disabled version or of other data is not."""
    key = store.generate("key", algorithm)
    code = key.mac(b"data")
    assert len(code) == size
    key.rotate()
    key.verify_mac(b"data", code)
    key.verify_mac(b"data", key.mac(b"data"))
    for data, other in ((b"date", code), (b"data", code[:-1]), (b"data", b"")):
        with pytest.raises(VerificationError):
            key.verify_mac(data, other)
    key.disable(1)
    with pytest.raises(VerificationError):
        key.verify_mac(b"data", code)
    key.disable(2)
    with pytest.raises(KeyPolicyError):
        key.verify_mac(b"data", code)


def test_signatures_are_checked_by_all_versions_in_use(store):
    """As codes are; the public key of each version can be asked for, of a pending one too."""
    key = store.generate("key", "Ed25519")
    signature = key.sign(b"data")
    ahead = key.rotate(pending=True)
    assert key.public_key(2) == ahead.public_key != key.public_key()
    key.promote(2)
    assert key.public_key() == ahead.public_key
    key.verify(b"data", signature)
    key.verify(b"data", key.sign(b"data"))
    with pytest.raises(VerificationError):
        key.verify(b"date", signature)
    with pytest.raises(KeyPolicyError, match="no public key"):
        store.generate("other").public_key()


def test_both_sides_agree_and_nobody_else(store):
    """The same key for the same context, from either side; another for another context; low order is refused."""
    mine, theirs = store.generate("mine", "X25519"), KeyStore().generate("theirs", "X25519")
    shared = mine.agree(theirs.public_key(), b"context")
    assert shared == theirs.agree(mine.public_key(), b"context")
    assert shared != mine.agree(theirs.public_key(), b"other")
    assert len(mine.agree(theirs.public_key(), length=64)) == 64
    with pytest.raises(PeerKeyError):
        mine.agree(bytes(32))
    with pytest.raises(SizeError):
        mine.agree(bytes(31))
    former = mine.public_key()
    mine.rotate()
    assert mine.agree(theirs.public_key(), b"context", version=1) == shared
    assert theirs.agree(former, b"context") == shared
    key = store.import_key("agreed", "KC-XAES-256-GCM", shared)
    assert shared.wiped
    assert key.decrypt(key.encrypt(b"plaintext")) == b"plaintext"


def test_derived_keys_are_the_same_wherever_they_are_derived(store):
    """Source, algorithm and context decide; the name does not; the boxes of one open with the other."""
    secret = SecureBytes.random(32)
    source = store.import_key("source", "HKDF-SHA-256", secret[:])
    again = KeyStore().import_key("again", "HKDF-SHA-256", secret)
    one = store.derive("one", "AES-256-GCM", source=source, context=b"context")
    two = store.derive("two", "AES-256-GCM", source=again, context=b"context")
    assert two.decrypt(one.encrypt(b"plaintext")) == b"plaintext"
    for algorithm, context in (("AES-256-GCM", b"other"), ("KC-XAES-256-GCM", b"context")):
        three = store.derive("three", algorithm, source=source, context=context)
        assert three.versions[0].key_id != one.versions[0].key_id
        store.delete("three")
    with pytest.raises(KeyPolicyError):
        store.derive("four", "AES-256-GCM", source=one)


@pytest.mark.parametrize("algorithm", AEADS)
@pytest.mark.parametrize("other", [*AEADS, *OTHERS])
def test_wrapped_keys_are_unwrapped_whole(store, algorithm, other):
    """Algorithm, key and key id arrive; only the same context and the same key unwrap."""
    wrapping = store.generate("wrapping", algorithm, Policy(usages={"wrap", "unwrap"}))
    key = store.generate("key", other, Policy(extractable=True))
    wrapped = wrapping.wrap(key, b"context")
    elsewhere = KeyStore()
    copied = elsewhere.unwrap("copy", wrapped, Policy(extractable=True), source=wrapping, context=b"context")
    assert (copied.algorithm, copied.versions[0].key_id) == (key.algorithm, key.versions[0].key_id)
    assert export(copied) == export(key)
    assert refused(lambda: elsewhere.unwrap("more", wrapped, source=wrapping))
    assert "more" not in elsewhere


def test_every_changed_bit_of_a_wrapped_key_is_one_error(store):
    """Header, algorithm, key id, nonce and ciphertext are all bound; a wrapped key is no box, and a box none."""
    wrapping = store.generate("wrapping", policy=Policy(usages={"wrap", "unwrap"}))
    wrapped = wrapping.wrap(store.generate("key", policy=Policy(extractable=True)))
    for bit in range(8 * len(wrapped)):
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        assert refused(lambda changed=changed: store.unwrap("copy", changed, source=wrapping))
    for size in range(len(wrapped)):
        assert refused(lambda size=size: store.unwrap("copy", wrapped[:size], source=wrapping))
    assert refused(lambda: store.unwrap("copy", wrapped + b"\0", source=wrapping))
    assert "copy" not in store
    store.unwrap("copy", wrapped, source=wrapping)


def test_what_is_not_extractable_stays():
    """Neither export nor wrapping gives the key away; extractability can be given up, and not be had back."""
    store = KeyStore()
    wrapping = store.generate("wrapping", policy=Policy(usages={"wrap", "unwrap"}))
    closed, free = store.generate("closed"), store.generate("free", policy=Policy(extractable=True))
    box = free.encrypt(b"plaintext")
    for give in (export, wrapping.wrap):
        with pytest.raises(KeyPolicyError, match="extractable"):
            give(closed)
        give(free)
    free.forbid_extraction()
    assert not free.policy.extractable
    for give in (export, wrapping.wrap):
        with pytest.raises(KeyPolicyError, match="extractable"):
            give(free)
    assert free.decrypt(box) == b"plaintext"
    assert [export(key, version=1).wiped for key in [store.generate("x", policy=Policy(extractable=True))]] == [False]


def test_nobody_imports_the_way_to_keys_in_clear():
    """No module of securemem imports keystore.cleartext, no public name leads there, and no handle exports."""
    package = Path(securemem.__file__).parent
    sources = [path for path in package.rglob("*.py") if path.name != "cleartext.py"]
    assert len(sources) > 30
    for path in sources:
        assert "cleartext" not in path.read_text(), path
    program = "import sys, securemem; securemem.KeyStore(); sys.exit('securemem.keystore.cleartext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert not [name for name in dir(securemem.KeyHandle) if "export" in name]
    assert "securemem.keystore.cleartext" in sys.modules  # the control: this test imported it


def test_imports_take_what_they_are_given(store):
    """A SecureBytes or bytearray is wiped when its key is in the store, and left as it was when it is refused."""
    secret, plain = SecureBytes.random(32), bytearray(b"k" * 32)
    store.import_key("secret", "AES-256-GCM", secret)
    store.import_key("plain", "AES-256-GCM", plain)
    assert secret.wiped
    assert plain == bytes(32)
    for name, algorithm, size, error in (
        ("secret", "AES-256-GCM", 32, KeyExistsError),
        ("new", "AES-256-GCM", 31, SizeError),
        ("new", "AES-257-GCM", 32, InvalidArgumentError),
        ("", "AES-256-GCM", 32, InvalidArgumentError),
        ("new", "HMAC-SHA-256", 15, SizeError),
        ("new", "HMAC-SHA-256", 4097, SizeError),
    ):
        secret, plain = SecureBytes.copy_of(b"k" * size), bytearray(b"k" * size)
        for given in (secret, plain):
            with pytest.raises(error):
                store.import_key(name, algorithm, given)
        assert secret == b"k" * size == plain
    with pytest.raises(SourceError):
        store.import_key("new", "AES-256-GCM", bytes(32))
    with pytest.raises(InvalidArgumentError):
        store.import_key("new", "AES-256-GCM", plain, Policy(usages={"sign"}))
    with pytest.raises(SizeError, match="key id"):
        store.import_key("new", "AES-256-GCM", bytearray(32), key_id=bytes(15))
    with pytest.raises(TypeError):
        store.import_key("new", "AES-256-GCM", bytearray(32), key_id=bytearray(16))
    assert "new" not in store


def test_what_could_not_be_kept_is_left_as_it_was(store, monkeypatch):
    """When sealing fails, a secret that was given is there still: nothing is lost on the way in."""
    secret, plain = SecureBytes.random(32), bytearray(b"k" * 32)

    def fail(*_):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(MemoryRecords, "commit", fail)
        for given in (secret, plain):
            with pytest.raises(MemoryError):
                store.import_key("key", "AES-256-GCM", given)
            with pytest.raises(MemoryError):
                store.put("secret", given)
    assert not secret.wiped
    assert plain == b"k" * 32
    assert list(store) == []


def test_stores_that_share_a_key_and_its_id_share_boxes():
    """key_id is what a box is looked up by."""
    one = KeyStore().import_key("one", "AES-256-GCM", bytearray(range(32)), key_id=b"i" * 16)
    two = KeyStore().import_key("two", "AES-256-GCM", bytearray(range(32)), key_id=b"i" * 16)
    other = KeyStore().import_key("other", "AES-256-GCM", bytearray(range(32)))
    box = one.encrypt(b"plaintext")
    assert two.decrypt(box) == b"plaintext"
    assert refused(lambda: other.decrypt(box))


def test_opaque_secrets(store):
    """put() takes, get() gives a copy, a second put() replaces; keys and secrets are not taken for each other."""
    given = SecureBytes.copy_of(b"password")
    store.put("name", given)
    assert given.wiped
    first, second = store.get("name"), store.get("name")
    assert first == second == b"password"
    first.wipe()
    assert second == b"password"
    plain = bytearray(b"another")
    store.put("name", plain)
    assert plain == bytes(7)
    assert store.get("name") == b"another"
    store.generate("key")
    with pytest.raises(KeyExistsError):
        store.put("key", bytearray(b"x"))
    with pytest.raises(KeyExistsError):
        store.generate("name")
    with pytest.raises(KeyNotFoundError, match="opaque secret: get"):
        store["name"]
    with pytest.raises(KeyNotFoundError, match="it is a key"):
        store.get("key")
    with pytest.raises(KeyNotFoundError):
        store.get("nothing")
    with pytest.raises(SizeError):
        store.put("empty", bytearray())
    with pytest.raises(SizeError):
        store.put("large", bytearray(2**20 + 1))
    store.put("large", bytearray(2**20))
    assert len(store.get("large")) == 2**20


def test_a_store_is_a_collection_of_names(store):
    """Iteration, `in`, len and [] tell what there is; delete and purge take it away."""
    key = store.generate("one")
    store.generate("two", "Ed25519")
    store.put("three", bytearray(b"x"))
    assert list(store) == ["one", "two", "three"]
    assert len(store) == 3
    assert "one" in store
    assert "four" not in store
    assert store
    assert store["one"] == key
    assert hash(store["one"]) == hash(key)
    assert store["one"] != store["two"]
    with pytest.raises(KeyNotFoundError, match="no key 'four'"):
        store["four"]
    for name in store:
        store.delete(name)
    assert list(store) == []
    with pytest.raises(KeyNotFoundError):
        store.delete("one")
    with pytest.raises(KeyNotFoundError, match="deleted"):
        key.encrypt(b"")
    store.generate("one")
    with pytest.raises(KeyNotFoundError, match="deleted"):
        key.rotate()
    store.put("three", bytearray(b"x"))
    store.clear()
    assert len(store) == 0
    assert not KeyStore.__len__(store)
    assert store.generate("one").decrypt(store["one"].encrypt(b"x")) == b"x"


def test_keys_need_no_locked_memory_each(store):
    """Keys at rest lie sealed: only those that were used are open, and not more than 4,096."""
    before = securemem.statistics().live_secrets
    for number in range(5000):
        store.generate(f"key {number}", "AES-128-GCM")
    assert securemem.statistics().live_secrets <= before + 1
    boxes = [store[f"key {number}"].encrypt(b"x") for number in range(5000)]
    assert securemem.statistics().live_secrets <= before + 4096
    assert all(store[f"key {number}"].decrypt(box) == b"x" for number, box in enumerate(boxes))


def test_nothing_prints_or_copies_a_key(store):
    """Reprs have names, algorithms and states; handles, stores and sessions cannot be pickled or copied."""
    key = store.import_key("name", "AES-256-GCM", bytearray(b"K" * 32))
    key.rotate()
    session = key.session()
    assert repr(key) == "<KeyHandle 'name': AES-256-GCM, versions 1 active, 2 primary>"
    assert repr(store) == "<KeyStore: 1 names, unlocked>"
    assert repr(session) == "<Session: 'name' version 2>"
    session.end()
    assert repr(session) == "<Session: 'name' version 2, ended>"
    for thing in (key, store, session):
        for copier in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                copier(thing)
    assert key.versions[1].state is State.PRIMARY


@pytest.mark.parametrize("name", ["", "x" * 256, "line\nfeed", "nul\0"])
def test_names_that_cannot_be(store, name):
    """1 to 255 printable characters; anything else is refused by every method that gives a name."""
    for make in (lambda: store.generate(name), lambda: store.put(name, bytearray(b"x"))):
        with pytest.raises(InvalidArgumentError):
            make()
    with pytest.raises(TypeError):
        store.generate(b"name")


def test_wrong_types_are_type_errors(store):
    """What is no buffer, context, key or handle."""
    key = store.generate("key")
    box = key.encrypt(b"x")
    for use in (
        lambda: key.encrypt("text"),
        lambda: key.encrypt(b"", "text"),
        lambda: key.decrypt("text"),
        lambda: key.decrypt(box, 1),
        lambda: store.import_key("new", "AES-256-GCM", 32),
        lambda: store.generate("wrapping", policy=Policy(usages={"wrap"})).wrap(b"key"),
        lambda: key.encrypt_stream(b"", b""),
    ):
        with pytest.raises(TypeError):
            use()
