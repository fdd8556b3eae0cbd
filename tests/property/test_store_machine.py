"""A key store against a model of it: whatever is done in whatever order, both allow and give the same."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from securemem import DecryptionError, KeyNotFoundError, KeyStore, Passphrase, Policy, SecureBytes, StoreLockedError
from securemem.crypto.argon2 import Cost
from securemem.exceptions import KeyExistsError, KeyPolicyError, VerificationError

NAMES = ["one", "two", "three"]
CONTEXTS = [b"", b"context"]
MOST_MESSAGES = [None, 1, 3]
MOST_BYTES = [None, 40]


def passphrase(text):
    """A passphrase, at a cost for tests."""
    return Passphrase(SecureBytes.copy_of(text), cost=Cost(8, 1))


@dataclass
class ModelVersion:
    """A version as the model sees it."""

    state: str = "pending"
    messages: int = 0
    nbytes: int = 0


@dataclass
class ModelKey:
    """A key as the model sees it."""

    policy: Policy
    is_mac: bool
    versions: list[ModelVersion] = field(default_factory=list)

    def primary(self):
        """The primary version, if there is one."""
        return next((version for version in self.versions if version.state == "primary"), None)

    def promote(self, version):
        """Make a version primary."""
        if (former := self.primary()) is not None:
            former.state = "active"
        version.state = "primary"

    def protect(self, size):
        """Count a message; whether it is allowed."""
        version, policy = self.primary(), self.policy
        if version is None or (policy.max_bytes is not None and version.nbytes + size > policy.max_bytes):
            return False
        version.nbytes += size if policy.max_bytes is not None else 0
        if policy.max_messages is not None and version.messages >= policy.max_messages:
            return False
        version.messages += 1
        return True


class StoreMachine(RuleBasedStateMachine):
    """Each rule does one thing to the store and the model."""

    boxes = Bundle("boxes")
    codes = Bundle("codes")

    @initialize(messages=st.sampled_from(MOST_MESSAGES), nbytes=st.sampled_from(MOST_BYTES))
    def begin(self, messages, nbytes):
        """A store with a lock, and one key."""
        self.text = b"passphrase"
        self.store = KeyStore(passphrase(self.text))
        self.locked = False
        self.keys = {}
        self.secrets = {}
        self.handles = {}
        self.generate("one", is_mac=False, messages=messages, nbytes=nbytes)

    def allowed(self, use, *errors):
        """Do something; None if it is refused by one of the errors, which must be the case while locked."""
        if self.locked:
            with pytest.raises(StoreLockedError):
                use()
            return None
        if errors:
            with pytest.raises(errors):
                use()
            return None
        return use()

    @rule(
        name=st.sampled_from(NAMES),
        is_mac=st.booleans(),
        messages=st.sampled_from(MOST_MESSAGES),
        nbytes=st.sampled_from(MOST_BYTES),
    )
    def generate(self, name, is_mac, messages, nbytes):
        """A new key, unless the name is taken."""
        policy = Policy(max_messages=messages, max_bytes=nbytes)
        errors = (KeyExistsError,) if name in self.keys or name in self.secrets else ()
        algorithm = "HMAC-SHA-256" if is_mac else "KC-XAES-256-GCM"
        handle = self.allowed(lambda: self.store.generate(name, algorithm, policy), *errors)
        if handle is not None:
            self.keys[name] = ModelKey(policy, is_mac, [ModelVersion("primary")])
            self.handles[name] = handle

    @rule(name=st.sampled_from(NAMES), value=st.binary(min_size=1, max_size=20))
    def put(self, name, value):
        """An opaque secret, in the place of another, but not of a key."""
        self.allowed(lambda: self.store.put(name, bytearray(value)), *((KeyExistsError,) if name in self.keys else ()))
        if not self.locked and name not in self.keys:
            self.secrets[name] = value

    @rule(name=st.sampled_from(NAMES))
    def get(self, name):
        """An opaque secret is what was put."""
        got = self.allowed(lambda: self.store.get(name), *(() if name in self.secrets else (KeyNotFoundError,)))
        assert got is None or got == self.secrets[name]

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name):
        """A key or secret goes; its handle says so."""
        known = name in self.keys or name in self.secrets
        self.allowed(lambda: self.store.delete(name), *(() if known else (KeyNotFoundError,)))
        if self.locked or not known:
            return
        self.secrets.pop(name, None)
        if self.keys.pop(name, None) is not None:
            handle = self.handles.pop(name)
            with pytest.raises(KeyNotFoundError):
                handle.rotate()

    def key(self, data):
        """A key that there is, by the model and by the store."""
        name = data.draw(st.sampled_from(sorted(self.keys)))
        return self.keys[name], self.store[name]

    def version(self, data):
        """A key and the number of one of its versions."""
        model, handle = self.key(data)
        return model, handle, data.draw(st.integers(1, len(model.versions)))

    @precondition(lambda self: self.keys)
    @rule(
        target=boxes,
        data=st.data(),
        plain=st.sampled_from([b"x", b"x" * 10, b"x" * 20]),
        context=st.sampled_from(CONTEXTS),
        how=st.sampled_from(["handle", "into", "session"]),
    )
    def protect(self, data, plain, context, how):
        """Encrypt or authenticate, if policy and state allow."""
        model, handle = self.key(data)

        def use():
            if model.is_mac:
                return handle.mac(plain)
            if how == "session":
                with handle.session() as session:
                    return session.encrypt(plain, context)
            if how == "into":
                out = bytearray(len(plain) + handle.overhead)
                handle.encrypt_into(plain, out, context)
                return bytes(out)
            return handle.encrypt(plain, context)

        fits = self.locked or model.protect(len(plain))
        box = self.allowed(use, *(() if fits else (KeyPolicyError,)))
        return None if box is None else (model, model.primary(), plain, context, box)

    @rule(made=boxes, spoil=st.booleans())
    def read(self, made, spoil):
        """Every box opens for as long as its version may read, and never when it was changed."""
        if made is None:
            return
        model, version, plain, context, box = made
        name = next((name for name, key in self.keys.items() if key is model), None)
        if name is None:
            return
        handle = self.store[name]
        if spoil:
            box = box[:-1] + bytes([box[-1] ^ 1])
        if model.is_mac:
            readers = [one for one in model.versions if one.state in {"primary", "active"}]
            good = version in readers and not spoil
            errors = () if good else (VerificationError,) if readers else (KeyPolicyError,)
            self.allowed(lambda: handle.verify_mac(plain, box), *errors)
            return
        readable = version.state in {"primary", "active"}
        errors = (KeyPolicyError,) if not readable else (DecryptionError,) if spoil else ()
        got = self.allowed(lambda: handle.decrypt(box, context), *errors)
        assert got is None or got == plain
        assert handle.needs_rewrap(box) == (version is not model.primary())

    @rule(made=boxes)
    def read_elsewhere(self, made):
        """Another key opens no box, nor does another context."""
        if made is None or made[0].is_mac:
            return
        model, version, _, context, box = made
        for name, other in self.keys.items():
            if other.is_mac:
                continue
            if other is not model:
                self.allowed(lambda name=name: self.store[name].decrypt(box, context), DecryptionError)
            elif version.state in {"primary", "active"}:
                self.allowed(lambda name=name: self.store[name].decrypt(box, context + b"x"), DecryptionError)

    @rule(target=boxes, made=boxes)
    def rewrap(self, made):
        """A box goes over to the primary version, if the old may read and the new protect."""
        if made is None or made[0].is_mac or made[0] not in self.keys.values():
            return None
        model, version, plain, context, box = made
        name = next(name for name, key in self.keys.items() if key is model)
        fits = self.locked or (version.state in {"primary", "active"} and model.protect(len(plain)))
        moved = self.allowed(lambda: self.store[name].rewrap(box, context), *(() if fits else (KeyPolicyError,)))
        return None if moved is None else (model, model.primary(), plain, context, moved)

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), pending=st.booleans())
    def rotate(self, data, pending):
        """A new version, primary or pending."""
        model, handle = self.key(data)
        if self.allowed(lambda: handle.rotate(pending=pending)) is not None:
            model.versions.append(ModelVersion())
            if not pending:
                model.promote(model.versions[-1])

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def promote(self, data):
        """Any version but a disabled or destroyed one."""
        model, handle, number = self.version(data)
        version = model.versions[number - 1]
        possible = version.state not in {"disabled", "destroyed"}
        self.allowed(lambda: handle.promote(number), *(() if possible else (KeyPolicyError,)))
        if possible and not self.locked:
            model.promote(version)

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), change=st.sampled_from(["disable", "enable", "destroy"]))
    def retire(self, data, change):
        """Out of use, back, or gone."""
        model, handle, number = self.version(data)
        version = model.versions[number - 1]
        possible = {
            "disable": version.state != "destroyed",
            "enable": version.state == "disabled",
            "destroy": True,
        }[change]
        self.allowed(lambda: getattr(handle, change)(number), *(() if possible else (KeyPolicyError,)))
        if possible and not self.locked:
            version.state = {"disable": "disabled", "enable": "active", "destroy": "destroyed"}[change]

    @rule()
    def lock(self):
        """Lock, again too."""
        self.store.lock()
        self.locked = True

    @rule(right=st.booleans())
    def unlock(self, right):
        """Unlock, or knock with a wrong passphrase, which changes nothing."""
        if right:
            self.store.unlock(passphrase(self.text))
            self.locked = False
        else:
            with pytest.raises(DecryptionError):
                self.store.unlock(passphrase(b"wrong"))

    @rule(text=st.sampled_from([b"passphrase", b"another"]))
    def change_passphrase(self, text):
        """From then on the other one unlocks."""
        self.allowed(lambda: self.store.change_kek(passphrase(text)))
        if not self.locked:
            self.text = text

    @invariant()
    def both_show_the_same(self):
        """Names, states and counts, locked or not."""
        if not hasattr(self, "store"):
            return
        assert self.store.locked == self.locked
        assert set(self.store) == self.keys.keys() | self.secrets.keys()
        for name, model in self.keys.items():
            found = self.store[name].versions
            assert [one.state for one in found] == [one.state for one in model.versions]
            assert [one.messages for one in found] == [one.messages for one in model.versions]
            assert [one.protected_bytes for one in found] == [one.nbytes for one in model.versions]


StoreMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestStoreMachine = StoreMachine.TestCase
