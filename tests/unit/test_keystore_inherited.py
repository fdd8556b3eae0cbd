"""A key store in a forked child: open where all its keys came along, but for what parent and child must not share."""

from __future__ import annotations

import io
import os

import pytest

from securemem import Arena, SecureBytes, purge
from securemem.crypto.argon2 import Cost
from securemem.exceptions import DecryptionError
from securemem.keystore import KeyStore, Policy
from securemem.keystore._header import HEADER
from securemem.keystore.kek.passphrase import Passphrase
from tests.support.estate import raw_clone


def passphrase():
    """A key-encryption key that is fast to use."""
    return Passphrase(SecureBytes.copy_of(b"correct horse"), cost=Cost(memory_kib=8, passes=1))


def in_child(work, fork=os.fork):
    """Run something in a forked child; what it returns, by repr."""
    reading, writing = os.pipe()
    pid = fork()
    if pid == 0:
        try:
            answer = repr(work())
        except BaseException as error:  # noqa: BLE001 - the parent hears of it
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    assert os.waitpid(pid, 0)[1] == 0
    return answer


@pytest.fixture
def store():
    """A store whose keys children inherit."""
    return KeyStore(arena=Arena(fork="inherit"))


def test_a_child_uses_the_parents_keys(store):
    """Open keys, keys that were not open, opaque secrets: all of it works; and what it makes, the parent reads."""
    key, other = store.generate("key"), store.generate("other", "HMAC-SHA-256")
    store.put("token", bytearray(b"a token"))
    box = key.encrypt(b"of the parent")

    def child():
        made = key.encrypt(b"of the child")
        assert key.decrypt(box) == b"of the parent"
        other.verify_mac(b"data", other.mac(b"data"))
        assert store.get("token") == b"a token"
        assert store.generate("the child's").encrypt(b"x")
        assert not store.locked
        return made

    made = in_child(child)
    assert key.decrypt(eval(made)) == b"of the child"
    assert "the child's" not in store


@pytest.mark.parametrize("arena", ["exclude", "default"])
def test_a_store_that_does_not_inherit_is_locked(arena):
    """The control: in another arena, and in the default one, its keys stay with the parent."""
    store = KeyStore(passphrase(), arena=Arena(fork="exclude") if arena == "exclude" else None)
    key = store.generate("key")
    assert in_child(lambda: key.encrypt(b"x")).startswith("StoreLockedError: the key store was locked by a fork")
    assert in_child(lambda: store.locked) == "True"
    assert key.encrypt(b"x")


def test_one_key_left_behind_locks_all(store):
    """An open key in an arena that does not inherit: then the root key, which came along, is wiped in the child."""
    key = store.generate("key")
    box = key.encrypt(b"x")
    contents = store._contents
    own, contents.arena = contents.arena, Arena()
    store.generate("left behind").encrypt(b"y")
    contents.arena = own
    root = contents.root.cell.value
    assert in_child(lambda: (store.locked, contents.gate.held, root.wiped)) == "(True, 0, True)"
    assert key.decrypt(box) == b"x"


def test_a_raw_clone_has_a_locked_store(store):
    """Without the fork handlers nothing comes along."""
    key = store.generate("key")
    assert in_child(lambda: key.encrypt(b"x"), raw_clone).startswith("StoreLockedError")


def test_a_store_with_timers_is_locked():
    """Their thread is not in the child, so that nothing would lock the store there."""
    store = KeyStore(passphrase(), arena=Arena(fork="inherit"), absolute_timeout=3600)
    key = store.generate("key")
    box = key.encrypt(b"x")

    def unlock():
        store.unlock(passphrase())
        return key.decrypt(box) == b"x"

    assert in_child(lambda: store.locked) == "True"
    assert in_child(unlock) == "True"


def test_lock_in_a_child_is_its_own():
    """lock() and purge() there wipe the child's keys alone, and the kek brings them back."""
    store = KeyStore(passphrase(), arena=Arena(fork="inherit"))
    key = store.generate("key")
    box = key.encrypt(b"x")

    def child():
        root = store._contents.root.cell.value
        store.lock()
        assert root.wiped
        assert store.locked
        store.unlock(passphrase())
        assert key.decrypt(box) == b"x"
        purge()
        return store.locked

    assert in_child(child) == "True"
    assert not store.locked
    assert key.decrypt(box) == b"x"


@pytest.mark.parametrize("algorithm", ["KC-XAES-256-GCM", "AES-256-GCM", "ChaCha20-Poly1305"])
def test_sessions_end_in_every_child(store, algorithm):
    """A session's cipher is dropped in the child, and one of its own can be had; the parent's goes on."""
    key = store.generate("key", algorithm)
    with key.session() as session:
        box = session.encrypt(b"x")
        assert in_child(lambda: session.ended) == "True"
        assert "KeyPolicyError" in in_child(lambda: session.encrypt(b"x"))
        assert "has ended" in in_child(lambda: session.decrypt(box))
        assert in_child(lambda: key.session().decrypt(box) == b"x") == "True"
        assert not session.ended
        assert session.decrypt(box) == b"x"


def test_a_stream_ends_in_a_child(store):
    """A fork in the middle of a stream: the child cannot go on under its nonces, the parent does."""
    key = store.generate("key")
    answers = []

    class Source(io.BytesIO):
        def readinto(self, buffer):
            if self.tell() > 100_000 and not answers:
                pid = os.fork()
                if pid == 0:
                    answers.append("child")
                else:
                    answers.append(os.waitpid(pid, 0)[1])
            return super().readinto(buffer)

    plain, target = os.urandom(300_000), io.BytesIO()
    try:
        key.encrypt_stream(Source(plain), target)
    except Exception as error:  # noqa: BLE001 - in the child
        os._exit(0 if answers == ["child"] and "taken out of use" in str(error) else 1)
    if answers == ["child"]:
        os._exit(2)
    assert answers == [0]
    back = io.BytesIO()
    target.seek(0)
    key.decrypt_stream(target, back)
    assert back.getvalue() == plain


@pytest.mark.parametrize(
    ("algorithm", "policy"),
    [
        ("AES-256-GCM", Policy()),
        ("KC-XAES-256-GCM", Policy(max_messages=10)),
        ("KC-XAES-256-GCM", Policy(max_bytes=1000)),
    ],
)
def test_what_is_limited_is_counted_in_the_parent_alone(store, algorithm, policy):
    """A limit holds over all workers: a child protects nothing with such a key, and opens what the parent made."""
    key = store.generate("key", algorithm, policy)
    box = key.encrypt(b"x")
    assert "which the parent process counts" in in_child(lambda: key.encrypt(b"y"))
    assert "which the parent process counts" in in_child(lambda: key.session().encrypt(b"y"))
    assert in_child(lambda: key.decrypt(box) == b"x") == "True"
    assert key.decrypt(key.encrypt(b"y")) == b"y"


def test_no_nonce_twice(store):
    """Parent and children draw nonces of their own: of 400 boxes of one key no two have the same."""
    key = store.generate("key")
    key.encrypt(b"x")
    boxes = [key.encrypt(b"x") for _ in range(100)]
    for _ in range(3):
        boxes += eval(in_child(lambda: [key.encrypt(b"x") for _ in range(100)]))
    assert len({box[: HEADER + 24] for box in boxes}) == len(boxes) == 400
    changed = boxes[-1][:-1] + bytes((boxes[-1][-1] ^ 1,))
    with pytest.raises(DecryptionError):
        key.decrypt(changed)
