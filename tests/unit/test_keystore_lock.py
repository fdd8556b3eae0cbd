"""The lock of a store: what it takes away and who brings it back, threads, and forked children."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import threading
import time
from contextlib import suppress

import pytest

import securemem
from securemem import (
    DecryptionError,
    KeyNotFoundError,
    KeyStore,
    Passphrase,
    Policy,
    SecureBytes,
    StoreLockedError,
    WipedError,
)
from securemem.crypto import wrap
from securemem.crypto.argon2 import Cost
from securemem.exceptions import InvalidArgumentError, KeyPolicyError, NoKeyEncryptionKeyError, SizeError
from securemem.keystore import KeyEncryptionKey
from tests.support.waiting import PATIENCE, until

CHEAP = Cost(8, 1)


def passphrase(text=b"correct horse"):
    """A passphrase, at a cost for tests."""
    return Passphrase(SecureBytes.copy_of(text), cost=CHEAP)


@pytest.fixture
def store():
    """A store with a lock."""
    return KeyStore(passphrase())


class Device:
    """A key-encryption key that is no passphrase: AES-KW, as a device would do it, unaware of contexts."""

    def __init__(self, secret=None):
        self.secret = secret or SecureBytes.random(32)

    def wrap(self, key, _context):
        """Encrypt."""
        return wrap.wrap(self.secret, key)

    def unwrap(self, wrapped, _context):
        """Decrypt."""
        return wrap.unwrap(self.secret, wrapped)


def every_use(store):
    """One of each use of a store that needs a key in clear."""
    key, mac, sign = store["key"], store["mac"], store["sign"]
    box = bytes(200)
    stream = io.BytesIO
    return {
        "encrypt": lambda: key.encrypt(b"x"),
        "encrypt_into": lambda: key.encrypt_into(b"x", bytearray(1 + key.overhead)),
        "decrypt": lambda: key.decrypt(box),
        "decrypt_into": lambda: key.decrypt_into(box, bytearray(1)),
        "rewrap": lambda: key.rewrap(box),
        "session": key.session,
        "encrypt_stream": lambda: key.encrypt_stream(stream(b"x"), stream()),
        "decrypt_stream": lambda: key.decrypt_stream(stream(bytes(200)), stream()),
        "mac": lambda: mac.mac(b"x"),
        "verify_mac": lambda: mac.verify_mac(b"x", bytes(32)),
        "sign": lambda: sign.sign(b"x"),
        "verify": lambda: sign.verify(b"x", bytes(64)),
        "rotate": key.rotate,
        "promote": lambda: key.promote(1),
        "disable": lambda: key.disable(1),
        "enable": lambda: key.enable(1),
        "destroy": lambda: key.destroy(1),
        "forbid_extraction": key.forbid_extraction,
        "generate": lambda: store.generate("new"),
        "import_key": lambda: store.import_key("new", "AES-256-GCM", bytearray(32)),
        "put": lambda: store.put("new", bytearray(1)),
        "get": lambda: store.get("secret"),
        "delete": lambda: store.delete("key"),
        "change_kek": lambda: store.change_kek(passphrase()),
    }


def fill(store):
    """Some keys and a secret."""
    store.generate("key")
    store.generate("mac", "HMAC-SHA-256")
    store.generate("sign", "Ed25519")
    store.put("secret", bytearray(b"opaque"))


def test_a_locked_store_does_nothing_with_keys(store):
    """Each use raises StoreLockedError, which says how it was locked; names and public facts can still be asked."""
    fill(store)
    key = store["key"]
    box = key.encrypt(b"x")
    public = store["sign"].public_key()
    store.lock()
    assert store.locked
    for name, use in every_use(store).items():
        with pytest.raises(StoreLockedError, match="locked by lock"):
            pytest.fail(f"{name} gave {use()}")
    assert list(store) == ["key", "mac", "sign", "secret"]
    assert store["sign"].public_key() == public
    assert [version.number for version in key.versions] == [1]
    assert repr(store) == "<KeyStore: 4 names, locked>"
    store.lock()
    store.unlock(passphrase())
    assert not store.locked
    assert key.decrypt(box) == b"x"
    assert store.get("secret") == b"opaque"


def test_locking_leaves_no_secret_of_the_store_alive():
    """Root key, open keys and stream keys are wiped: the arena that held them is empty."""
    with securemem.Arena() as arena:
        store = KeyStore(passphrase(), arena=arena)
        fill(store)
        for use in ("encrypt", "mac", "sign", "rotate"):
            every_use(store)[use]()
        session = store["key"].session()
        assert arena.statistics().live_secrets >= 4
        store.lock()
        assert arena.statistics().live_secrets == 0
        assert session.ended
        store.unlock(passphrase())
        assert arena.statistics().live_secrets == 1


def test_a_store_without_a_key_encryption_key_cannot_be_locked():
    """Its keys would be lost: lock(), unlock() and timers are refused, until it is given one."""
    store = KeyStore()
    key = store.generate("key")
    with pytest.raises(NoKeyEncryptionKeyError):
        store.lock()
    with pytest.raises(NoKeyEncryptionKeyError):
        store.unlock(passphrase())
    with pytest.raises(NoKeyEncryptionKeyError):
        KeyStore(idle_timeout=1)
    box = key.encrypt(b"x")
    store.change_kek(passphrase())
    store.lock()
    store.unlock(passphrase())
    assert key.decrypt(box) == b"x"


def test_wrong_passphrases_and_right_ones_are_wiped(store):
    """One DecryptionError without a cause; the passphrase is used up either way, and the store stays locked."""
    store.lock()
    secret = SecureBytes.copy_of(b"wrong")
    wrong = Passphrase(secret, cost=CHEAP)
    with pytest.raises(DecryptionError) as caught:
        store.unlock(wrong)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert secret.wiped
    assert store.locked
    with pytest.raises(WipedError):
        store.unlock(wrong)
    secret = SecureBytes.copy_of(b"correct horse")
    store.unlock(Passphrase(secret, cost=CHEAP))
    assert secret.wiped
    with Passphrase(SecureBytes.copy_of(b"unused")) as unused:
        assert repr(unused) == "<Passphrase: Argon2id, 65536 KiB, 3 passes>"
        secret = unused._secret
    assert secret.wiped
    with pytest.raises(TypeError):
        pickle.dumps(wrong)


def test_changing_the_key_encryption_key(store):
    """Only the new one unlocks."""
    key = store.generate("key")
    box = key.encrypt(b"x")
    store.change_kek(passphrase(b"new"))
    store.lock()
    with pytest.raises(DecryptionError):
        store.unlock(passphrase())
    store.unlock(passphrase(b"new"))
    assert key.decrypt(box) == b"x"


def test_any_object_that_wraps_is_a_key_encryption_key():
    """The protocol is two methods; a wrong key that a careless one gives back is found out, and wiped."""
    device = Device()
    assert isinstance(device, KeyEncryptionKey)
    assert isinstance(passphrase(), KeyEncryptionKey)
    store = KeyStore(device)
    key = store.generate("key")
    box = key.encrypt(b"x")
    store.lock()
    with pytest.raises(DecryptionError):
        store.unlock(Device())

    given = []

    class Careless(Device):
        def unwrap(self, _wrapped, _context):
            given.append(SecureBytes.random(32))
            return given[-1]

    with pytest.raises(DecryptionError):
        store.unlock(Careless())
    assert given[0].wiped
    for answer, error in ((b"k" * 32, TypeError), (SecureBytes.random(16), SizeError)):
        careless = Careless()
        careless.unwrap = lambda *_, answer=answer: answer
        with pytest.raises(error):
            store.unlock(careless)
    assert store.locked
    store.unlock(device)
    assert key.decrypt(box) == b"x"


def test_costs_of_a_stored_passphrase_are_bounded():
    """A wrapped key that asks for more than the highest cost is refused before any memory is taken."""
    key, context = SecureBytes.random(32), b"context"
    wrapped = passphrase().wrap(key, context)
    assert passphrase().unwrap(wrapped, context) == key
    for memory, passes in ((2 * 1024 * 1024, 1), (8, 65), (2**32 - 1, 1), (8, 0), (0, 1)):
        changed = wrapped[:4] + struct.pack(">II", memory, passes) + wrapped[12:]
        secret = SecureBytes.copy_of(b"correct horse")
        with pytest.raises(InvalidArgumentError):
            Passphrase(secret).unwrap(changed, context)
        assert secret.wiped
    with pytest.raises(InvalidArgumentError, match="highest"):
        Passphrase(SecureBytes.random(8), cost=Cost(16, 1), highest=CHEAP)
    for bit in [*range(32), *range(96, 8 * len(wrapped))]:
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptionError):
            passphrase().unwrap(bytes(changed), context)
    for bad, bound in ((wrapped[:-1], context), (wrapped[:20], context), (b"", context), (wrapped, b"other")):
        with pytest.raises(DecryptionError):
            passphrase().unwrap(bad, bound)


def test_threads_use_one_store_at_once(store):
    """Encrypting, rotating, generating, locking and unlocking from 8 threads: every box opens in the end."""
    key = store.generate("key")
    boxes, errors = [], []
    stop = threading.Event()

    def use(number):
        while not stop.is_set():
            try:
                boxes.append(key.encrypt(b"x", b"c"))
                assert key.decrypt(boxes[-1], b"c") == b"x"
                with key.session() as session, suppress(KeyPolicyError):  # it may be rotated meanwhile
                    boxes.append(session.encrypt(b"x", b"c"))
                if len(boxes) % 50 == number:
                    key.rotate()
            except StoreLockedError:
                time.sleep(0.001)
            except Exception as error:  # noqa: BLE001 - any is a failure
                errors.append(error)
                return

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        time.sleep(0.05)
        store.lock()
        assert store._contents.gate.held == 0
        store.unlock(passphrase())
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(boxes) > 50
    for box in boxes:
        assert key.decrypt(box, b"c") == b"x"


@pytest.mark.parametrize("algorithm", ["KC-XAES-256-GCM", "AES-256-GCM"])
def test_threads_share_a_session(store, algorithm):
    """Messages of several threads do not get into each other's scratch, and the count of them is right."""
    key = store.generate("key", algorithm)
    results = []

    def use(number):
        text = bytes([number]) * 1000
        for _ in range(100):
            box = session.encrypt(text)
            out = bytearray(len(text) + key.overhead)
            session.encrypt_into(text, out)
            results.append(session.decrypt(box) == text and session.decrypt(out) == text)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with key.session() as session:
            threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert results == [True] * 600
    assert key.versions[0].messages == 1200


def test_locking_waits_for_a_use_that_goes_on(store):
    """lock() returns when the use of another thread has ended, and that ends well."""
    key = store.generate("key")
    inside, go_on = threading.Event(), threading.Event()
    results = []

    def work():
        secret = store._contents.opened(key._key.primary)
        inside.set()
        assert go_on.wait(PATIENCE)
        results.append(secret.wiped)

    user = threading.Thread(target=store._contents.gate.run, args=(work,))
    user.start()
    assert inside.wait(PATIENCE)
    locker = threading.Thread(target=store.lock)
    locker.start()
    until(lambda: not store._contents.gate.is_open)
    with pytest.raises(StoreLockedError):
        key.encrypt(b"x")
    assert locker.is_alive()
    assert not store.locked  # that is said when the keys are wiped
    go_on.set()
    locker.join(PATIENCE)
    user.join(PATIENCE)
    assert results == [False]
    assert store.locked
    assert store._contents.gate.held == 0


def test_a_use_may_lock_its_own_store(store):
    """As a signal handler or an audit callback would: the thread does not wait for itself."""
    key = store.generate("key")
    box = key.encrypt(b"x")
    heard = []
    noisy = KeyStore(passphrase(), audit=lambda event: (heard.append(event), noisy.lock()))
    with pytest.raises(StoreLockedError):
        noisy.generate("key").encrypt(b"x")
    assert [event.operation for event in heard[:2]] == ["generate", "lock"]
    seen = []
    store._contents.gate.run(lambda: (store.lock(), seen.append((store.locked, store._contents.gate.held))))
    assert seen == [(False, 2)]  # the root key and the key, which whoever leaves last wipes
    assert (store.locked, store._contents.gate.held) == (True, 0)
    store.unlock(passphrase())
    assert key.decrypt(box) == b"x"


def in_child(work):
    """Run something in a forked child; what it returns, by repr."""
    reading, writing = os.pipe()
    pid = os.fork()
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


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads: a timer, which the child lacks
def test_a_forked_child_has_a_locked_store_and_can_unlock_it():
    """It says so; sessions have ended; the passphrase recovers the keys there; the parent notices nothing."""
    store = KeyStore(passphrase(), idle_timeout=3600)
    key = store.generate("key")
    box = key.encrypt(b"x")
    session = key.session()

    def unlock():
        store.unlock(passphrase())
        return key.decrypt(box) == b"x", session.ended, store.generate("new").encrypt(b"y") != b""

    assert in_child(lambda: (store.locked, session.ended)) == "(True, True)"
    assert "StoreLockedError: the key store was locked by a fork" in in_child(lambda: key.encrypt(b"x"))
    assert "StoreLockedError" in in_child(lambda: session.encrypt(b"x"))
    assert in_child(unlock) == "(True, True, True)"
    assert not store.locked
    assert key.decrypt(box) == b"x"
    assert session.decrypt(box) == b"x"
    lost = KeyStore()
    handle = lost.generate("key")
    assert "it has no key-encryption key" in in_child(lambda: handle.encrypt(b"x"))
    assert in_child(lambda: KeyStore().generate("key").encrypt(b"x") != b"") == "True"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads, which is what is tested
def test_a_fork_in_the_middle_of_a_use(store):
    """A child forked by another thread while the gate and the lock are held does not wait for who is not there."""
    key = store.generate("key")
    inside, go_on = threading.Event(), threading.Event()

    def hold():
        inside.set()
        go_on.wait(PATIENCE)

    thread = threading.Thread(target=store._contents.gate.change, args=(hold,))
    thread.start()
    assert inside.wait(PATIENCE)

    def unlock():
        store.unlock(passphrase())
        store.lock()
        store.unlock(passphrase())
        return key.rotate().number

    try:
        answer = in_child(unlock)
    finally:
        go_on.set()
        thread.join()
    assert answer == "2"


def test_purging_the_process_locks_the_store(store):
    """securemem.purge() wipes the root key too; the key-encryption key recovers it."""
    key = store.generate("key")
    box = key.encrypt(b"x")
    securemem.purge()
    assert store.locked
    with pytest.raises((WipedError, StoreLockedError)):
        key.decrypt(box)
    with pytest.raises(StoreLockedError, match="purge"):
        store.generate("new")
    store.unlock(passphrase())
    assert key.decrypt(box) == b"x"


def test_purging_a_locked_store(store):
    """It needs no key to destroy keys."""
    fill(store)
    handle = store["key"]
    store.lock()
    store.clear()
    assert len(store) == 0
    store.unlock(passphrase())
    with pytest.raises(KeyNotFoundError):
        handle.encrypt(b"x")


@pytest.mark.parametrize("into", [False, True])
def test_a_rotation_between_the_look_and_the_use(store, into):
    """The new version encrypts, where another thread rotates the key just then; what is not allowed stays an error."""
    handle = store.generate("key")
    key = handle._key
    usual, left = key.use, [True]

    def use(work, version, *arguments):
        if left:
            left.clear()
            handle.rotate()
        return usual(work, version, *arguments)

    key.use = use
    box = bytearray(1 + handle.overhead)
    if into:
        handle.encrypt_into(b"x", box)
    else:
        box[:] = handle.encrypt(b"x")
    key.use = usual
    assert left == []
    assert handle.decrypt(bytes(box)) == b"x"
    assert not handle.needs_rewrap(bytes(box))
    reader = store.generate("reader", policy=Policy(usages={"decrypt"}))
    with pytest.raises(KeyPolicyError):
        reader.encrypt(b"x")
