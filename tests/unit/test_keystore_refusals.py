"""What a store refuses: answers of key-encryption keys, wrapped keys that are none, and arguments of a wrong kind."""

from __future__ import annotations

import pytest

from securemem import DecryptionError, KeyStore, LockLimitError, Passphrase, Policy, SecureBytes, StoreLockedError
from securemem.crypto import aead, wrap
from securemem.crypto.argon2 import Cost
from securemem.exceptions import InvalidArgumentError, KeyPolicyError, VerificationError
from securemem.keystore import _root_key

WRAPPING = Policy(usages=frozenset({"wrap", "unwrap"}))


class Device:
    """A key-encryption key: AES-KW, as a device would do it."""

    def __init__(self):
        self.secret = SecureBytes.random(32)

    def wrap(self, key, _context):
        """Encrypt."""
        return wrap.wrap(self.secret, key)

    def unwrap(self, wrapped, _context):
        """Decrypt."""
        return wrap.unwrap(self.secret, wrapped)


@pytest.mark.parametrize(
    ("answer", "error"),
    [(None, TypeError), ("abc", TypeError), (5, TypeError), (b"", InvalidArgumentError), (bytearray(b"x"), TypeError)],
)
def test_what_a_kek_may_not_wrap_to(answer, error):
    """A store that took it could never be unlocked."""

    class Careless(Device):
        def wrap(self, _key, _context):
            return answer

    with pytest.raises(error, match=r"wrap\(\)"):
        KeyStore(Careless(), idle_timeout=3600)
    store = KeyStore(Device())
    key = store.generate("key")
    box = key.encrypt(b"x")
    with pytest.raises(error):
        store.change_kek(Careless())
    assert key.decrypt(box) == b"x"


@pytest.mark.parametrize("wrong", ["pw", b"pw", bytearray(b"pw"), 5, SecureBytes, object()])
def test_what_is_no_kek(wrong):
    """The error says what to call instead."""
    for use in (KeyStore, KeyStore(Device()).unlock, KeyStore(Device()).change_kek):
        with pytest.raises(TypeError, match="Passphrase"):
            use(wrong)


def test_arguments_of_a_wrong_kind():
    """A TypeError that names what is needed; nothing was made."""
    store = KeyStore()
    key = store.generate("key", "AES-256-GCM")
    wrong = [
        (lambda: store.put("a", "x"), "SecureBytes"),
        (lambda: store.put("a", 5), "bytes-like|buffer"),
        (lambda: store.put(b"a", bytearray(b"x")), "name"),
        (lambda: store.import_key("a", "AES-256-GCM", "x" * 32), "SecureBytes"),
        (lambda: store.generate("a", policy={"encrypt"}), "Policy"),
        (lambda: store.generate(None), "name"),
        (lambda: store.generate("a", None), "algorithm"),
        (lambda: store.derive("a", "AES-256-GCM", source="key"), "KeyHandle"),
        (lambda: store.unwrap("a", b"x", source=None), "KeyHandle"),
        (lambda: key.wrap("key"), "KeyHandle"),
        (lambda: key.encrypt("text"), "encode"),
        (lambda: key.encrypt(None), "bytes-like|buffer"),
        (lambda: key.decrypt("text"), "bytes-like|encode"),
        (lambda: key.encrypt_stream(b"x", b"y"), "readinto"),
        (lambda: KeyStore(Device(), idle_timeout="1"), "idle_timeout"),
    ]
    for use, match in wrong:
        with pytest.raises(TypeError, match=match):
            use()
    with pytest.raises(InvalidArgumentError, match="idle_timeout"):
        KeyStore(Device(), idle_timeout=1e300)
    assert list(store) == ["key"]


def crafted(secret, key_id, number, key, of=bytes(16)):
    """A wrapped key that follows the documented bytes, by who has the wrapping key."""
    descriptor = bytes((number,)) + of
    head = b"smb\x01\x01\x03\x00\x00" + key_id + descriptor
    return head + aead.Key(secret).encrypt(key, head)


@pytest.mark.parametrize(
    ("number", "good", "sizes"),
    [
        (1, 32, [1, 16, 31, 64]),
        (3, 32, [16, 24, 33]),
        (4, 16, [32]),
        (6, 32, [31]),
        (16, 32, [1, 5000]),
        (32, 32, [31]),
        (48, 32, [33]),
        (64, 32, [1]),
    ],
)
def test_wrapped_keys_of_a_size_that_cannot_be(number, good, sizes):
    """Authentic, and no key of that algorithm: DecryptionError, and the store does not have it."""
    store, secret, key_id = KeyStore(), SecureBytes.random(32), bytes(range(16))
    source = store.import_key("wrapping", "KC-XAES-256-GCM", secret[:], WRAPPING, key_id=key_id)
    for size in sizes:
        with pytest.raises(DecryptionError):
            store.unwrap("key", crafted(secret, key_id, number, bytes(size)), source=source)
    assert list(store) == ["wrapping"]
    store.unwrap("key", crafted(secret, key_id, number, bytes(good)), source=source)
    with pytest.raises(DecryptionError):
        store.unwrap("empty", crafted(secret, key_id, number, b""), source=source)


def test_no_byte_of_a_wrapped_key_chooses_the_error():
    """Each changed byte gives the one DecryptionError, though it says another algorithm than the policy is for."""
    store = KeyStore()
    source = store.generate("wrapping", policy=WRAPPING)
    wrapped = source.wrap(store.generate("key", policy=Policy(extractable=True)))
    policy = Policy(usages=frozenset({"encrypt"}))
    for at in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 17
        with pytest.raises(DecryptionError) as caught:
            store.unwrap("new", bytes(changed), policy, source=source)
        assert str(caught.value) == "the ciphertext could not be decrypted with this key and associated data"
        assert caught.value.__context__ is None
    with pytest.raises(InvalidArgumentError):
        store.unwrap("new", wrapped, Policy(usages=frozenset({"sign"})), source=source)
    assert store.unwrap("new", wrapped, policy, source=source).name == "new"


def test_a_code_of_an_older_version_is_heard_of_once_and_as_a_success():
    """The audit hears what the caller hears: that a version of the key made the code, and which."""
    events = []
    store = KeyStore(audit=events.append)
    mac, sign = store.generate("mac", "HMAC-SHA-256"), store.generate("sign", "Ed25519")
    code, signature = mac.mac(b"x"), sign.sign(b"x")
    mac.rotate()
    sign.rotate()
    mac.rotate()
    events.clear()
    mac.verify_mac(b"x", code)
    sign.verify(b"x", signature)
    with pytest.raises(VerificationError):
        mac.verify_mac(b"y", code)
    mac.destroy(1)
    events.pop()
    with pytest.raises(VerificationError):
        mac.verify_mac(b"x", code)
    assert [(one.operation, one.version, one.outcome) for one in events] == [
        ("verify_mac", 1, "success"),
        ("verify", 1, "success"),
        ("verify_mac", 2, "VerificationError"),
        ("verify_mac", 2, "VerificationError"),
    ]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ("forbid_extraction", 1),
        ("forbid_extraction", 2),
        ("rotate", 1),
        ("rotate", 2),
        ("promote", 1),
        ("promote", 2),
        ("disable", 1),
    ],
)
def test_a_change_that_is_refused_in_the_middle_loses_nothing(monkeypatch, change, refused):
    """A sealing fails, as where no more memory can be locked: all is as it was, after a lock and an unlock too."""
    device = Device()
    store = KeyStore(device)
    key = store.generate("key", policy=Policy(extractable=True))
    boxes = [key.encrypt(b"one")]
    key.rotate()
    boxes.append(key.encrypt(b"two"))
    before, records = key.versions, set(store._contents.records)
    whole, calls = _root_key.RootKey.seal_key, []

    def fails(*arguments):
        calls.append(1)
        if len(calls) == refused:
            raise LockLimitError(1, 1, 1)
        return whole(*arguments)

    arguments = {"promote": (1,), "disable": (1,)}.get(change, ())
    with monkeypatch.context() as patched:
        patched.setattr(_root_key.RootKey, "seal_key", fails)
        with pytest.raises(LockLimitError):
            getattr(key, change)(*arguments)
    assert key.policy.extractable
    assert [(one.number, one.state) for one in key.versions] == [(one.number, one.state) for one in before]
    assert set(store._contents.records) == records
    store.lock()
    store.unlock(device)
    assert [key.decrypt(box) for box in boxes] == [b"one", b"two"]
    getattr(key, change)(*arguments)
    assert key.policy.extractable == (change != "forbid_extraction")


def test_states_are_sealed_with_the_keys():
    """A record that is put back after its version was disabled does not open: the state that it had was another."""
    device = Device()
    store = KeyStore(device)
    key = store.generate("key")
    box = key.encrypt(b"x")
    version = key._key.versions[0]
    former = store._contents.records.read(version.facts.record)
    key.disable(1)
    store._contents.records._sealed[version.facts.record] = former
    store.lock()
    store.unlock(device)
    with pytest.raises(DecryptionError):
        key.enable(1)
    with pytest.raises(KeyPolicyError):
        key.decrypt(box)


def test_names_are_no_part_of_the_records():
    """Neither names nor public facts lie in the records in clear, nor in what names them."""
    store = KeyStore(Passphrase(SecureBytes.copy_of(b"pw"), cost=Cost(8, 1)))
    name = "a name that is searched for"
    store.generate(name, "Ed25519")
    store.put("another name", bytearray(b"the opaque secret"))
    records = store._contents.records
    everything = b"".join(one + (records.read(one) or b"") for one in records)
    assert len(everything) > 300
    public = store[name].public_key()
    for part in (name.encode(), b"another name", b"the opaque", public, store[name].versions[0].key_id):
        assert part not in everything
    assert store._contents.root.identity in everything  # positive control: what is in clear is found
    store.lock()
    with pytest.raises(StoreLockedError):
        store.put("x", bytearray(b"x"))
