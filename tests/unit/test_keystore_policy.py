"""What a key may be used for, by its policy and by the states of its versions; each breach says which rule it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from securemem import DecryptionError, KeyNotFoundError, KeyStore, Policy, SecureBytes
from securemem.exceptions import InvalidArgumentError, KeyExhaustedError, KeyPolicyError
from securemem.keystore import State
from securemem.keystore._algorithms import key_algorithm

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store():
    """A store without a lock."""
    return KeyStore()


def states(key):
    """The states of all versions, the first first."""
    return [version.state.value for version in key.versions]


USES = {
    "encrypt": lambda key: key.encrypt(b"x"),
    "decrypt": lambda key: key.decrypt(bytes(200)),
    "mac": lambda key: key.mac(b"x"),
    "verify_mac": lambda key: key.verify_mac(b"x", bytes(32)),
    "sign": lambda key: key.sign(b"x"),
    "verify": lambda key: key.verify(b"x", bytes(64)),
    "agree": lambda key: key.agree(bytes(32)),
    "derive": lambda key: KeyStore().derive("new", "AES-256-GCM", source=key),
    "wrap": lambda key: key.wrap(KeyStore().generate("other", policy=Policy(extractable=True))),
    "unwrap": lambda key: KeyStore().unwrap("new", bytes(200), source=key),
}
ALGORITHMS = {
    "AES-256-GCM": {"encrypt", "decrypt"},
    "HMAC-SHA-256": {"mac", "verify_mac"},
    "Ed25519": {"sign", "verify"},
    "X25519": {"agree"},
    "HKDF-SHA-256": {"derive"},
}


@pytest.mark.parametrize(("algorithm", "usages"), ALGORITHMS.items())
def test_keys_do_what_their_algorithm_is_for_and_nothing_else(store, algorithm, usages):
    """Each use outside the usages is refused, by name, before anything is done."""
    key = store.generate("key", algorithm)
    assert key.policy.usages == usages
    for usage in set(USES) - usages:
        with pytest.raises(KeyPolicyError, match=f"'{usage}' \\(usages\\)"):
            USES[usage](key)
    store.delete("key")
    for usage in usages:
        key = store.generate("key", algorithm, Policy(usages={usage}))
        for other in set(USES) - {usage}:
            with pytest.raises(KeyPolicyError, match="usages"):
                USES[other](key)
        store.delete("key")


def test_every_usage_is_tried():
    """The control of the table above: it has every usage that there is."""
    assert set(USES) == {"wrap", "unwrap"}.union(*ALGORITHMS.values())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"usages": {"encrypt", "sign"}}, InvalidArgumentError),
        ({"usages": {"encrypt", "unwrap"}}, InvalidArgumentError),
        ({"usages": {"encrpyt"}}, InvalidArgumentError),
        ({"usages": set()}, InvalidArgumentError),
        ({"usages": "encrypt"}, TypeError),
        ({"extractable": 1}, TypeError),
        ({"not_before": NOW, "not_after": NOW}, InvalidArgumentError),
        ({"not_after": datetime(2030, 1, 1)}, InvalidArgumentError),  # noqa: DTZ001 - without a time zone, as is refused
        ({"not_before": 0}, TypeError),
        ({"max_messages": 0}, InvalidArgumentError),
        ({"max_bytes": -1}, InvalidArgumentError),
        ({"max_bytes": 1.5}, TypeError),
        ({"max_messages": True}, TypeError),
    ],
)
def test_policies_that_cannot_be(arguments, error):
    """One purpose, existing words, times with a zone and in their order, limits of 1 or more."""
    with pytest.raises(error):
        Policy(**arguments)


def test_a_policy_has_to_fit_the_algorithm(store):
    """Ciphers are for encryption or wrapping; a signing key is not for either."""
    for algorithm, usages in (("Ed25519", {"encrypt"}), ("AES-256-GCM", {"sign"}), ("X25519", {"derive"})):
        with pytest.raises(InvalidArgumentError, match=algorithm):
            store.generate("key", algorithm, Policy(usages=usages))
    assert len(store) == 0


def test_a_policy_cannot_be_changed(store):
    """It is frozen, and so is what the handle shows of it."""
    key = store.generate("key", policy=Policy(max_messages=3))
    with pytest.raises(AttributeError):
        key.policy.max_messages = 4
    with pytest.raises(AttributeError):
        key.policy = Policy()


def test_times_bound_what_is_made_and_not_what_is_read(store):
    """Before and after its time a key protects nothing; it reads always."""
    secret = SecureBytes.random(32)
    box = store.import_key("now", "AES-256-GCM", secret[:], key_id=bytes(16)).encrypt(b"x")
    early = store.import_key("early", "AES-256-GCM", secret[:], Policy(not_before=NOW + HOUR), key_id=bytes(16))
    late = store.import_key("late", "AES-256-GCM", secret, Policy(not_after=NOW - HOUR), key_id=bytes(16))
    for key, rule in ((early, "not_before"), (late, "not_after")):
        with pytest.raises(KeyPolicyError, match=rule):
            key.encrypt(b"x")
        with key.session() as session, pytest.raises(KeyPolicyError, match=rule):
            session.encrypt(b"x")
        assert key.decrypt(box) == b"x"
    within = store.generate("within", policy=Policy(not_before=NOW - HOUR, not_after=NOW + HOUR))
    assert within.decrypt(within.encrypt(b"x")) == b"x"


def test_message_limits_hold_for_each_version(store):
    """So many and not one more, by the handle and sessions together; rotating gives as many anew."""
    key = store.generate("key", policy=Policy(max_messages=3))
    key.encrypt(b"x")
    with key.session() as session:
        box = session.encrypt(b"x")
        key.encrypt_into(b"x", bytearray(1 + key.overhead))
        for use in (session.encrypt, key.encrypt):
            with pytest.raises(KeyPolicyError, match="max_messages"):
                use(b"x")
        assert session.decrypt(box) == b"x"
    assert key.versions[0].messages == 3
    key.rotate()
    assert key.needs_rewrap(box)
    assert key.decrypt(key.rewrap(box)) == b"x"
    assert [version.messages for version in key.versions] == [3, 1]


def test_byte_limits_hold_for_each_version(store):
    """What would go over the limit is refused and not counted."""
    key = store.generate("key", "HMAC-SHA-256", Policy(max_bytes=10))
    key.mac(b"123456")
    with pytest.raises(KeyPolicyError, match=r"max_bytes.*4 are left"):
        key.mac(b"12345")
    key.mac(b"1234")
    with pytest.raises(KeyPolicyError, match="max_bytes"):
        key.mac(b"1")
    assert key.versions[0].protected_bytes == 10


def test_random_nonces_run_out(store):
    """An algorithm's own limit is KeyExhaustedError, though the policy has none, and reading goes on."""
    key = store.generate("key", "AES-256-GCM")
    box = key.encrypt(b"x")
    version = key._key.versions[0]
    version.facts = version.facts.__replace__(drawn=2**32)
    version.tickets = iter(range(1))
    key.encrypt(b"x")
    with pytest.raises(KeyExhaustedError, match="rotate"):
        key.encrypt(b"x")
    assert key.decrypt(box) == b"x"
    assert key_algorithm("AES-256-GCM").most_messages == 2**32


def test_rotation(store):
    """A new version is primary at once; old boxes open, and rewrap() moves them over."""
    key = store.generate("key")
    old = key.encrypt(b"x", b"context")
    assert not key.needs_rewrap(old)
    info = key.rotate()
    assert (info.number, info.state) == (2, State.PRIMARY)
    assert states(key) == ["active", "primary"]
    assert key.decrypt(old, b"context") == b"x"
    assert key.needs_rewrap(old)
    new = key.rewrap(old, b"context")
    assert not key.needs_rewrap(new)
    assert new[8:24] == info.key_id
    key.destroy(1)
    assert key.decrypt(new, b"context") == b"x"
    with pytest.raises(KeyPolicyError, match="version 1 is destroyed"):
        key.decrypt(old, b"context")
    with pytest.raises(DecryptionError):
        key.needs_rewrap(new[:23])
    empty = key.encrypt(b"")
    key.rotate()
    key.decrypt_into(key.rewrap(empty), bytearray())
    with pytest.raises(DecryptionError):
        key.rewrap(new, b"other context")


def test_states(store):
    """Pending waits, primary does all, active reads, disabled does nothing, destroyed is gone."""
    key = store.generate("key")
    key.rotate(pending=True)
    assert states(key) == ["primary", "pending"]
    first = key.encrypt(b"x")
    key.promote(2)
    assert states(key) == ["active", "primary"]
    second = key.encrypt(b"x")
    key.promote(1)
    assert states(key) == ["primary", "active"]
    assert key.decrypt(second) == b"x"
    key.disable(2)
    with pytest.raises(KeyPolicyError, match="version 2 is disabled"):
        key.decrypt(second)
    with pytest.raises(KeyPolicyError, match="disabled"):
        key.promote(2)
    key.enable(2)
    assert key.decrypt(second) == b"x"
    with pytest.raises(KeyPolicyError, match="not disabled"):
        key.enable(2)
    key.disable(1)
    assert states(key) == ["disabled", "active"]
    with pytest.raises(KeyPolicyError, match="no primary version"):
        key.encrypt(b"x")
    with pytest.raises(KeyPolicyError, match="disabled"):
        key.decrypt(first)
    key.destroy(1)
    key.destroy(1)
    for change in (key.promote, key.enable, key.disable):
        with pytest.raises(KeyPolicyError, match="destroyed"):
            change(1)
    key.promote(2)
    assert states(key) == ["destroyed", "primary"]
    assert key.decrypt(key.encrypt(b"x")) == b"x"
    for number in (0, 3, -1, "1"):
        with pytest.raises(KeyNotFoundError):
            key.destroy(number)


def test_key_ids_are_random_and_all_different(store):
    """16 bytes each, of every version of every key."""
    keys = [store.generate(str(number)) for number in range(20)]
    for key in keys:
        key.rotate()
    ids = {version.key_id for key in keys for version in key.versions}
    assert len(ids) == 40
    assert {len(one) for one in ids} == {16}
