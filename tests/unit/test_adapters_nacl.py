"""PyNaCl on locked keys: the boxes and signatures are PyNaCl's own, both ways."""

from __future__ import annotations

import pytest

from securemem import SecureBytes
from securemem.exceptions import EmptyInputError, InvalidArgumentError, WipedError

pytest.importorskip("nacl", reason="the extra nacl is not installed")

from nacl.exceptions import BadSignatureError, CryptoError
from nacl.public import Box, PrivateKey
from nacl.secret import SecretBox
from nacl.signing import SigningKey

from securemem.adapters.nacl import LockedBox, LockedSecretBox, LockedSigningKey

VALUE = bytes(range(32))


def key():
    """The key in locked memory."""
    return SecureBytes.copy_of(VALUE)


@pytest.mark.parametrize("message", [b"x", b"a message", bytes(100_000)])
def test_secret_boxes_go_both_ways(message):
    """Ours opens in PyNaCl and PyNaCl's in ours; the message may be a SecureBytes; nonces are given or random."""
    ours, theirs = LockedSecretBox(key()), SecretBox(VALUE)
    assert theirs.decrypt(ours.encrypt(message)) == message
    assert theirs.decrypt(ours.encrypt(SecureBytes.copy_of(message))) == message
    opened = ours.decrypt(theirs.encrypt(message))
    assert isinstance(opened, SecureBytes)
    assert opened == message
    nonce = bytes(24)
    assert ours.encrypt(message, nonce) == theirs.encrypt(message, nonce)
    assert ours.decrypt(theirs.encrypt(message, nonce).ciphertext, nonce) == message
    assert ours.encrypt(message) != ours.encrypt(message)
    assert theirs.decrypt(ours.encrypt(b"")) == b""


def test_secret_boxes_refuse():
    """Each changed byte, cut boxes, an empty message, wrong lengths, wrong types, a wiped key."""
    ours = LockedSecretBox(key())
    box = ours.encrypt(b"a message")
    for at in range(len(box)):
        with pytest.raises(CryptoError):
            ours.decrypt(box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :])
        with pytest.raises(CryptoError):
            ours.decrypt(box[:at] if at != 40 else b"")
    with pytest.raises(EmptyInputError):
        ours.decrypt(SecretBox(VALUE).encrypt(b""))
    for size in (0, 23, 25):
        with pytest.raises(InvalidArgumentError, match="24 bytes"):
            ours.encrypt(b"x", bytes(size))
        with pytest.raises(InvalidArgumentError, match="24 bytes"):
            ours.decrypt(box, bytes(size))
    for kind in (LockedSecretBox, LockedSigningKey):
        with pytest.raises(InvalidArgumentError, match="32 bytes"):
            kind(SecureBytes.random(31))
        with pytest.raises(TypeError, match="SecureBytes"):
            kind(VALUE)
    secret = key()
    ours = LockedSecretBox(secret)
    secret.wipe()
    for use in (lambda: ours.encrypt(b"x"), lambda: ours.decrypt(box)):
        with pytest.raises(WipedError):
            use()


def test_boxes_go_both_ways():
    """Between a locked private key and one of PyNaCl."""
    mine, other = PrivateKey(VALUE), PrivateKey.generate()
    ours, theirs = LockedBox(key(), other.public_key), Box(other, mine.public_key)
    assert theirs.decrypt(ours.encrypt(b"a message")) == b"a message"
    assert ours.decrypt(theirs.encrypt(b"a message")) == b"a message"
    with pytest.raises(CryptoError):
        LockedBox(SecureBytes.random(32), other.public_key).decrypt(theirs.encrypt(b"a message"))


def test_signatures_are_the_same():
    """Ed25519 has one signature for a key and a message; the seed may go once the key is made."""
    seed = key()
    ours, theirs = LockedSigningKey(seed), SigningKey(VALUE)
    seed.wipe()
    assert ours.verify_key == theirs.verify_key
    for message in (b"", b"x", bytes(100_000), SecureBytes.copy_of(b"a secret message")):
        signature = ours.sign(message)
        with memoryview(message) as view:
            assert signature == theirs.sign(bytes(view)).signature
            assert ours.verify_key.verify(bytes(view), signature) == bytes(view)
    with pytest.raises(BadSignatureError):
        ours.verify_key.verify(b"another", ours.sign(b"one"))


@pytest.mark.parametrize("kind", [SecretBox, SigningKey])
def test_pynacl_itself_takes_none(kind):
    """The control: why there is an adapter."""
    with pytest.raises((TypeError, ValueError)):
        kind(key())
