"""The audit of a store: what it hears of each use and change, and what it never hears."""

from __future__ import annotations

import logging

import pytest

from securemem import (
    DecryptionError,
    KeyStore,
    Passphrase,
    Policy,
    SecureBytes,
    StoreLockedError,
)
from securemem.crypto.argon2 import Cost
from securemem.exceptions import KeyPolicyError

CHEAP = Cost(8, 1)
PATIENCE = 30  # seconds until what should happen counts as not happening


def passphrase(text=b"correct horse"):
    """A passphrase, at a cost for tests."""
    return Passphrase(SecureBytes.copy_of(text), cost=CHEAP)


def test_the_audit_hears_of_every_use_and_its_outcome(caplog):
    """Operation, name, key id, version and outcome, and no data; off unless asked for."""
    events = []
    store = KeyStore(passphrase(), audit=events.append, log=True)
    with caplog.at_level(logging.INFO, logger="securemem.keystore"):
        key = store.generate("key", policy=Policy(max_messages=2))
        box = key.encrypt(b"the data", b"the context")
        key.decrypt(box, b"the context")
        with pytest.raises(DecryptionError):
            key.decrypt(box)
        with pytest.raises(DecryptionError):
            key.decrypt(b"no box")
        with key.session() as session:
            session.encrypt(b"the data")
            with pytest.raises(KeyPolicyError):
                session.encrypt(b"the data")
        store.lock()
        with pytest.raises(StoreLockedError):
            key.encrypt(b"the data")
        with pytest.raises(DecryptionError):
            store.unlock(passphrase(b"wrong"))
        store.unlock(passphrase())
        key.rotate()
    heard = [(event.operation, event.version, event.outcome) for event in events]
    assert heard == [
        ("generate", 1, "success"),
        ("encrypt", 1, "success"),
        ("decrypt", 1, "success"),
        ("decrypt", 1, "DecryptionError"),
        ("decrypt", 0, "DecryptionError"),
        ("session", 1, "success"),
        ("encrypt", 1, "success"),
        ("encrypt", 1, "KeyPolicyError"),
        ("lock", 0, "success"),
        ("encrypt", 1, "StoreLockedError"),
        ("unlock", 0, "DecryptionError"),
        ("unlock", 0, "success"),
        ("rotate", 2, "success"),
    ]
    assert events[1].key_id == key.versions[0].key_id.hex()
    assert len(caplog.records) == len(events)
    assert {record.levelname for record in caplog.records} == {"INFO", "WARNING"}
    for text in (*map(repr, events), caplog.text):
        assert "the data" not in text
        assert "the context" not in text
    caplog.clear()
    quiet = KeyStore()
    quiet.generate("key").encrypt(b"x")
    assert caplog.records == []
