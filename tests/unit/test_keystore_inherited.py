"""A key store in a forked child: open where all its keys came along, but for what parent and child must not share."""

from __future__ import annotations

import io
import os
import traceback
from operator import length_hint

import pytest

from securemem import Arena, SecureBytes, purge
from securemem._binding.tickets import Tickets, take_shared
from securemem.crypto._counts import SharedCount, shared_tickets
from securemem.crypto.aead import Key
from securemem.crypto.argon2 import Cost
from securemem.exceptions import DecryptionError, KeyExhaustedError, KeyPolicyError
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


def used_up(encrypt, most=1000):
    """Encrypt until it is refused, or so often; how often it was not refused."""
    for count in range(most):
        try:
            encrypt()
        except (KeyPolicyError, KeyExhaustedError):
            return count
    return most


def in_children(work, count=3):
    """Run something in several children at once; the sum of what they return."""
    pipes = []
    for _ in range(count):
        reading, writing = os.pipe()
        if os.fork() == 0:
            try:
                os.write(writing, str(work()).encode())
            except BaseException:  # noqa: BLE001 - the parent has no number then
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(writing)
        pipes.append(reading)
    answers = []
    for pipe in pipes:
        with os.fdopen(pipe, "rb") as file:
            answers.append(file.read())
        os.wait()
    return [int(answer) for answer in answers]


LIMITS = [
    ("KC-XAES-256-GCM", Policy(max_messages=100), b"x", 100),
    ("AES-256-GCM", Policy(max_messages=100), b"x", 100),
    ("KC-XAES-256-GCM", Policy(max_bytes=1000), b"seven b", 142),
]


@pytest.mark.parametrize(("algorithm", "policy", "text", "most"), LIMITS)
def test_a_limit_holds_over_all_workers(store, algorithm, policy, text, most):
    """Parent, children at once and a child of a child take from one count; and what was made before is read."""
    key = store.generate("key", algorithm, policy)
    box = key.encrypt(text)
    for _ in range(9):
        key.encrypt(text)

    def child():
        assert key.decrypt(box) == text
        with key.session() as session:
            used = used_up(lambda: session.encrypt(text), 5)
        return used + sum(in_children(lambda: used_up(lambda: key.encrypt(text)), 1))

    used = in_children(child)
    assert 10 + sum(used) == most
    assert used_up(lambda: key.encrypt(text)) == 0
    assert used_up(lambda: key.session().encrypt(text)) == 0
    if policy.max_messages:
        assert key.versions[0].messages == most
    else:
        assert key.versions[0].protected_bytes == most * len(text)


def test_a_store_in_a_file_is_opened_anew(tmp_path):
    """A child leaves the file to its parent, and is told to open it; then limits hold over all."""
    store = KeyStore.create(tmp_path / "store", passphrase(), arena=Arena(fork="inherit"))
    key = store.generate("key", policy=Policy(max_messages=20))
    key.encrypt(b"x")
    assert "open it again" in in_child(lambda: key.encrypt(b"x"))

    def child():
        own = KeyStore.open(tmp_path / "store", passphrase())["key"]
        return used_up(lambda: own.encrypt(b"x"))

    assert sum(in_children(child)) == 19
    assert used_up(lambda: key.encrypt(b"x")) == 0


def test_a_child_has_none_of_its_parents_tickets(store):
    """What is left of a block that the parent drew is the parent's; the child draws a block, and so does the next."""
    key = store.generate("key", "AES-256-GCM")
    version = store._contents.entries["key"].primary
    for _ in range(40):
        key.encrypt(b"x")
    left = length_hint(version.tickets)
    assert left > 0  # the control
    drawn = version.facts.drawn

    def child():
        assert length_hint(version.tickets) == 0
        key.encrypt(b"x")
        return version.facts.drawn

    first = int(in_child(child))
    assert first > drawn
    assert int(in_child(child)) > first
    assert length_hint(version.tickets) == left
    key.encrypt(b"x")
    assert length_hint(version.tickets) == left - 1


def test_a_limit_of_a_key_by_itself_holds_over_all_workers():
    """crypto.aead.Key: the messages of children count; those before the fork too."""
    key = Key(SecureBytes.random(32, arena=Arena(fork="inherit")), "AES-256-GCM", messages=2**32 - 60)
    for _ in range(10):
        key.encrypt(b"x")
    used = in_children(lambda: used_up(lambda: key.encrypt(b"x")))
    assert sum(used) + used_up(lambda: key.encrypt(b"x")) == 50
    assert key.messages == 2**32
    unbounded = Key(SecureBytes.random(32, arena=Arena(fork="inherit")))
    assert in_child(lambda: len(unbounded.encrypt(b"x")) > 1) == "True"


def test_shared_counts():
    """Taken by many processes at once, never more than the limit is given out; the control: each one's own count."""
    shared, own = SharedCount(), [0]

    def take():
        taken = 0
        while True:
            count, total = shared.take(0, 1, 7, 1000)
            assert total <= 1000
            if count == 0:
                return taken
            taken += count
            own[0] += count

    assert sum(in_children(take, 4)) == shared.value == 1000
    assert own == [0]
    assert shared.take(0, 1, 1, 1000) == (0, 1000)
    assert shared.take(2000, 5, 5, 2004) == (0, 2000)
    assert shared.take(0, 5, 9, 2006) == (6, 2006)
    before = [shared_tickets(0, 5) for _ in range(2000)]  # more than a page has
    assert sum(len(list(one)) for one in before) == 10_000
    with pytest.raises(IndexError):
        take_shared(bytearray(16), 2, 0, 0, 0, 0)
    with pytest.raises(TypeError):
        Tickets(1).__init__(2)


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
