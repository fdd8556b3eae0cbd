"""What a failed operation on keys leaves: its own exception, no open view, wiped targets."""

from __future__ import annotations

import array
import contextlib
import functools

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securemem import Arena, DecryptionError, SealedBytes, SecureBytes, WipedError, statistics
from securemem._binding.operations import Cipher
from securemem.crypto import aead, agreement, argon2, hazmat, kdf, mac, signing, wrap
from securemem.crypto._ciphers import ALGORITHMS, algorithm_named
from securemem.exceptions import (
    FrozenError,
    InvalidArgumentError,
    KeyExhaustedError,
    PeerKeyError,
    SizeError,
    SourceError,
    VerificationError,
)


# Made at their first use: a test before these may have purged every secret that the process had.
@functools.cache
def key():
    """A key for most operations."""
    return SecureBytes.copy_of(bytes(range(32)))


@functools.cache
def xaes():
    """The same, for the default algorithm."""
    return aead.Key(key())


@functools.cache
def spent():
    """One that has no message left."""
    return aead.Key(key(), "AES-256-GCM", messages=2**32)


ALGORITHM = pytest.mark.parametrize("algorithm", ALGORITHMS)


def forged(algorithm, data=b"hello"):
    """A ciphertext that is not authentic."""
    box = bytearray(aead.Key(SecureBytes.copy_of(bytes(ALGORITHMS[algorithm].key_size)), algorithm).encrypt(data))
    box[-1] ^= 1
    return box


# A secret in its own with statement, given to a call that fails: what must come out.
FAILING = {
    "Key of another size": (31, SizeError, aead.Key),
    "encrypt, aad is a str": (5, TypeError, lambda s: xaes().encrypt(s, "aad")),
    "encrypt with a spent key": (5, KeyExhaustedError, lambda s: spent().encrypt(s)),
    "encrypt_into with a spent key": (5, KeyExhaustedError, lambda s: spent().encrypt_into(s, bytearray(33))),
    "encrypt_into, out is too short": (5, SizeError, lambda s: xaes().encrypt_into(s, bytearray(3))),
    "encrypt_into, into it, too short": (5, SizeError, lambda s: xaes().encrypt_into(b"data", s)),
    "decrypt, other aad": (5, DecryptionError, lambda s: xaes().decrypt(xaes().encrypt(b"x"), s)),
    "decrypt it": (100, DecryptionError, lambda s: xaes().decrypt(s)),
    "decrypt it, too short": (3, DecryptionError, lambda s: xaes().decrypt(s)),
    "decrypt_into it": (5, DecryptionError, lambda s: xaes().decrypt_into(forged("KC-XAES-256-GCM"), s)),
    "decrypt_into it, of another size": (4, SizeError, lambda s: xaes().decrypt_into(forged("KC-XAES-256-GCM"), s)),
    "hazmat.decrypt it": (100, DecryptionError, lambda s: hazmat.decrypt("KC-XAES-256-GCM", key(), bytes(24), s)),
    "hazmat.decrypt_into it": (
        5,
        DecryptionError,
        lambda s: hazmat.decrypt_into("AES-256-GCM", key(), bytes(12), bytes(21), s),
    ),
    "hazmat, it is the nonce": (11, SizeError, lambda s: hazmat.encrypt("AES-256-GCM", key(), s, b"")),
    "hmac of a str": (1, TypeError, lambda s: mac.hmac(s, "x")),
    "verify, it is the data": (1, VerificationError, lambda s: mac.verify(key(), s, b"")),
    "verify, it is the code": (32, VerificationError, lambda s: mac.verify(key(), b"", s)),
    "hkdf, no length": (1, SizeError, lambda s: kdf.hkdf(s, 0)),
    "hkdf, salt is a str": (1, TypeError, lambda s: kdf.hkdf(s, 32, salt="x")),
    "hkdf, info is a str": (1, TypeError, lambda s: kdf.hkdf(s, 32, info="x")),
    "hkdf_expand, short key": (1, SizeError, lambda s: kdf.hkdf_expand(s, 32)),
    "pbkdf2, salt is a str": (1, TypeError, lambda s: kdf.pbkdf2(s, "x", 32, iterations=1)),
    "scrypt, wrong n": (1, InvalidArgumentError, lambda s: kdf.scrypt(s, b"", 32, n=3)),
    "argon2id, short salt": (1, SizeError, lambda s: argon2.argon2id(s, b"x")),
    "argon2id, cost is a tuple": (1, TypeError, lambda s: argon2.argon2id(s, b"saltsalt", cost=(1, 1))),
    "wrap a key of another size": (8, SizeError, lambda s: wrap.wrap(key(), s)),
    "wrap under a kek of another size": (31, SizeError, lambda s: wrap.wrap(s, key())),
    "unwrap under it": (32, DecryptionError, lambda s: wrap.unwrap(s, bytes(40))),
    "unwrap it": (40, DecryptionError, lambda s: wrap.unwrap(key(), s)),
    "exchange, low order": (32, PeerKeyError, lambda s: agreement.x25519_exchange(s, bytes(32))),
    "exchange, it is the peer": (32, PeerKeyError, lambda s: agreement.x25519_exchange(key(), s)),
    "sign a str": (32, TypeError, lambda s: signing.ed25519_sign(s, "x")),
    "verify, it is the signature": (64, VerificationError, lambda s: signing.ed25519_verify(bytes(32), b"", s)),
    "verify, it is the message": (64, VerificationError, lambda s: signing.ed25519_verify(bytes(32), s, b"\1" * 64)),
    "SealedBytes.take of it, frozen": (1, SourceError, lambda s: (s.freeze(), SealedBytes.take(s))),
}


@pytest.mark.parametrize(("size", "error", "use"), FAILING.values(), ids=FAILING)
def test_with_statement_of_a_secret_does_not_hide_the_error(size, error, use):
    """The secret is wiped at the end of its with statement, though the traceback of the failed call lives."""
    with Arena() as arena:
        secret = SecureBytes.zeros(size, arena=arena)
        with pytest.raises(error) as caught, secret:
            use(secret)
        assert type(caught.value) is error
        assert caught.value.__context__ is None
        assert secret.wiped
        assert arena.statistics().open_windows == 0


def test_a_view_in_a_frame_hides_the_error():
    """Positive control: what these calls did when their frames kept views."""

    def keep(buffer):
        view = memoryview(buffer)
        raise KeyError(len(view))

    with pytest.raises(BufferError, match="still open") as caught, SecureBytes.zeros(4) as secret:
        keep(secret)
    assert isinstance(caught.value.__context__, KeyError)


@ALGORITHM
def test_target_of_a_forged_message_is_wiped(algorithm):
    """Whatever it held before: bytearray, secret, or an open view of one."""
    key = aead.Key(SecureBytes.copy_of(bytes(ALGORITHMS[algorithm].key_size)), algorithm)
    box = forged(algorithm)
    secret = SecureBytes.copy_of(b"older")
    for out in (bytearray(b"older"), secret):
        with pytest.raises(DecryptionError):
            key.decrypt_into(box, out)
        assert out == bytes(5)
    with secret.reveal(writable=True) as view:
        view[:] = b"older"
        with pytest.raises(DecryptionError):
            key.decrypt_into(box, view)
    assert secret == bytes(5)
    box[-1] ^= 1
    key.decrypt_into(box, secret)
    assert secret == b"hello"


def test_target_keeps_what_it_held_where_nothing_was_written():
    """An argument that is refused is refused before anything is changed."""
    out = bytearray(b"older")
    for wrong in (lambda: xaes().decrypt_into(bytes(4), out), lambda: xaes().decrypt_into("text", out)):
        with pytest.raises((DecryptionError, TypeError)):
            wrong()
    with pytest.raises(SizeError):
        xaes().encrypt_into(b"data", out)
    assert out == b"older"


def test_frozen_target_is_refused():
    """By its own exception."""
    out = SecureBytes.zeros(1)
    out.freeze()
    with pytest.raises(FrozenError):
        xaes().decrypt_into(xaes().encrypt(b"x"), out)


BYTES_LIKE = {
    "Key.encrypt": lambda s: xaes().encrypt(s),
    "Key.encrypt, aad": lambda b: xaes().encrypt(b"", b),
    "Key.encrypt_into": lambda b: xaes().encrypt_into(b, bytearray(8 + xaes().overhead)),
    "Key.encrypt_into, out": lambda b: xaes().encrypt_into(b"", b),
    "Key.decrypt": lambda s: xaes().decrypt(s),
    "Key.decrypt_into": lambda b: xaes().decrypt_into(b, bytearray()),
    "Key.decrypt_into, out": lambda b: xaes().decrypt_into(xaes().encrypt(bytes(8)), b),
    "hazmat.encrypt, nonce": lambda b: hazmat.encrypt("AES-256-GCM", key(), b, b""),
    "mac.hmac": lambda b: mac.hmac(key(), b),
    "mac.verify, code": lambda b: mac.verify(key(), b"", b),
    "kdf.hkdf, salt": lambda b: kdf.hkdf(key(), 32, salt=b),
    "kdf.hkdf, info": lambda b: kdf.hkdf(key(), 32, info=b),
    "kdf.pbkdf2, salt": lambda b: kdf.pbkdf2(key(), b, 32, iterations=1),
    "kdf.scrypt, salt": lambda b: kdf.scrypt(key(), b, 32, n=2),
    "argon2.argon2id, salt": lambda b: argon2.argon2id(key(), b, cost=argon2.Cost(8, 1)),
    "wrap.unwrap": lambda b: wrap.unwrap(key(), b),
    "x25519_exchange, peer": lambda b: agreement.x25519_exchange(key(), b),
    "ed25519_sign": lambda b: signing.ed25519_sign(key(), b),
    "ed25519_verify, key": lambda b: signing.ed25519_verify(b, b"", bytes(64)),
    "ed25519_verify, message": lambda b: signing.ed25519_verify(bytes(32), b, bytes(64)),
    "ed25519_verify, signature": lambda b: signing.ed25519_verify(bytes(32), b"", b),
    "SealedBytes.copy_of": SealedBytes.copy_of,
}
# What a buffer of eight zeros, taken as such, may lead to.
NOT_ITS_BYTES = (SizeError, DecryptionError, VerificationError)


@pytest.mark.parametrize("use", BYTES_LIKE.values(), ids=BYTES_LIKE)
def test_one_rule_for_buffers(use):
    """Any items in one piece are bytes; a buffer in pieces is a SourceError, a str or None a TypeError that helps."""
    for buffer in (bytearray(8), array.array("I", [0, 0]), memoryview(bytearray(8)).cast("I")):
        with contextlib.suppress(*NOT_ITS_BYTES):
            use(buffer)
    with pytest.raises(SourceError, match="must be contiguous: copy it"):
        use(memoryview(bytearray(16))[::2])
    with pytest.raises(TypeError, match="not str: encode it first"):
        use("text")
    for wrong in (None, 7, object()):
        with pytest.raises(TypeError, match="bytes-like"):
            use(wrong)


def test_items_of_a_buffer_are_its_bytes():
    """What is encrypted, authenticated and signed are the same bytes as those of a bytes object."""
    numbers = array.array("I", [1, 2**31])
    assert xaes().decrypt(xaes().encrypt(numbers, numbers), numbers.tobytes()) == numbers.tobytes()
    assert mac.hmac(key(), numbers) == mac.hmac(key(), numbers.tobytes())
    assert signing.ed25519_sign(key(), numbers) == signing.ed25519_sign(key(), numbers.tobytes())


SECRETS = {
    "Key": aead.Key,
    "hazmat.encrypt": lambda s: hazmat.encrypt("AES-256-GCM", s, bytes(12), b""),
    "hazmat.decrypt": lambda s: hazmat.decrypt("AES-256-GCM", s, bytes(12), bytes(20)),
    "a cipher made ready": lambda s: algorithm_named("AES-256-GCM").cipher.prepare(s),
    "a compiled cipher": lambda s: algorithm_named("AES-256-GCM").cipher.seal(s, b"", None, b"", b""),
    "hmac": lambda s: mac.hmac(s, b""),
    "verify": lambda s: mac.verify(s, b"", b""),
    "hkdf": lambda s: kdf.hkdf(s, 32),
    "hkdf_extract": kdf.hkdf_extract,
    "hkdf_expand": lambda s: kdf.hkdf_expand(s, 32),
    "pbkdf2": lambda s: kdf.pbkdf2(s, b"", 32, iterations=1),
    "scrypt": lambda s: kdf.scrypt(s, b"", 32, n=2),
    "argon2id": lambda s: argon2.argon2id(s, bytes(16)),
    "wrap, kek": lambda s: wrap.wrap(s, key()),
    "wrap, key": lambda s: wrap.wrap(key(), s),
    "unwrap, kek": lambda s: wrap.unwrap(s, bytes(40)),
    "ed25519_sign": lambda s: signing.ed25519_sign(s, b""),
    "ed25519_public_key": signing.ed25519_public_key,
    "x25519_exchange": lambda s: agreement.x25519_exchange(s, bytes(32)),
    "x25519_public_key": agreement.x25519_public_key,
    "SealedBytes.seal": SealedBytes.seal,
}


@pytest.mark.parametrize("use", SECRETS.values(), ids=SECRETS)
def test_key_is_a_secure_bytes(use):
    """Of anything else the error says what to call; a wiped one is a WipedError, not a key of zeros."""
    for wrong in (bytes(32), bytearray(32), None, 7):
        with pytest.raises(TypeError, match=r"must be a SecureBytes, not .*SecureBytes\.take\(\)"):
            use(wrong)
    with pytest.raises(TypeError, match=r"not str: .*; encode text into one first"):
        use("key")
    wiped = SecureBytes.zeros(32)
    wiped.wipe()
    with pytest.raises(WipedError):
        use(wiped)


NUMBERS = {
    "Key, messages": (SizeError, lambda n: aead.Key(key(), messages=n)),
    "hkdf": (SizeError, lambda n: kdf.hkdf(key(), n)),
    "hkdf_expand": (SizeError, lambda n: kdf.hkdf_expand(key(), n)),
    "pbkdf2, length": (SizeError, lambda n: kdf.pbkdf2(key(), b"", n, iterations=1)),
    "pbkdf2, iterations": (InvalidArgumentError, lambda n: kdf.pbkdf2(key(), b"", 32, iterations=n)),
    "scrypt, length": (SizeError, lambda n: kdf.scrypt(key(), b"", n, n=2)),
    "scrypt, n": (InvalidArgumentError, lambda n: kdf.scrypt(key(), b"", 32, n=n)),
    "scrypt, r": (InvalidArgumentError, lambda n: kdf.scrypt(key(), b"", 32, n=2, r=n)),
    "argon2id": (SizeError, lambda n: argon2.argon2id(key(), bytes(16), n)),
    "Cost, memory": (InvalidArgumentError, lambda n: argon2.Cost(n, 1)),
    "Cost, passes": (InvalidArgumentError, lambda n: argon2.Cost(8, n)),
    "calibrate": (InvalidArgumentError, argon2.calibrate),
}


@pytest.mark.parametrize(("error", "use"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_out_of_bounds(error, use):
    """Negative and huge ones are of the documented type; what is no number is a TypeError."""
    for wrong in (-1, 2**64, 10**400):
        with pytest.raises(error):
            use(wrong)
    for wrong in (None, "32", b"32"):
        with pytest.raises(TypeError):
            use(wrong)


@pytest.mark.parametrize(
    "use",
    [
        lambda name: aead.Key(key(), name),
        aead.Key.generate,
        lambda name: hazmat.encrypt(name, key(), bytes(12), b""),
        lambda name: mac.hmac(key(), b"", algorithm=name),
        lambda name: kdf.hkdf(key(), 32, algorithm=name),
        lambda name: wrap.wrap(key(), key(), algorithm=name),
        lambda name: wrap.unwrap(key(), bytes(40), algorithm=name),
    ],
)
def test_names_of_algorithms(use):
    """Another name is an InvalidArgumentError that lists them, what is no name a TypeError."""
    with pytest.raises(InvalidArgumentError, match="choose"):
        use("AES-512")
    for wrong in (None, 7, ["AES-256-GCM"]):
        with pytest.raises(TypeError):
            use(wrong)


def test_prepared_key_holds_no_window_and_encrypts_no_more_after_close():
    """For XAES too the key's page is at rest between messages, and the key may be wiped."""
    cipher = algorithm_named("KC-XAES-256-GCM").cipher
    with Arena() as arena:
        key = SecureBytes.copy_of(bytes(32), arena=arena)
        prepared = cipher.prepare(key)
        assert arena.statistics().open_windows == 0
        out = bytearray(4)
        sealed = cipher.seal(prepared, b"", bytes(24), b"data", b"aad")
        cipher.open_into(prepared, 0, bytes(24), sealed, b"aad", out)
        assert out == b"data"
        key.wipe()
        assert cipher.seal(prepared, b"", bytes(24), b"data", b"aad") == sealed
        prepared.close()
        prepared.close()
        assert prepared.closed
        with pytest.raises(WipedError, match="closed"):
            cipher.seal(prepared, b"", bytes(24), b"data", b"aad")


@pytest.mark.parametrize("wiped", [False, True])
@pytest.mark.usefixtures("no_kept_ciphers")
def test_key_that_another_thread_wipes_meanwhile_is_told_as_wiped(wiped):
    """The TypeError with which cryptography refuses its buffer is replaced; another TypeError stays as it is."""

    def aead_of(secret):
        if wiped:
            secret.wipe()
            return AESGCM(secret)
        raise TypeError("another reason")

    cipher = Cipher("AES-256-GCM", aead_of, None, InvalidTag, 32, 12, 16, 0)
    secret = SecureBytes.random(32)
    with pytest.raises(WipedError if wiped else TypeError, match="was wiped" if wiped else "another reason"):
        cipher.seal(secret, b"", bytes(12), bytes(1 << 20), b"")


def test_no_scratch_is_left():
    """Subkeys and intermediate keys are wiped when their operation ends."""
    box = xaes().encrypt(b"data")
    before = statistics().live_secrets
    xaes().encrypt(b"data")
    kdf.hkdf(key(), 80).wipe()
    wrap.unwrap(key(), wrap.wrap(key(), key())).wipe()
    with pytest.raises(DecryptionError):
        xaes().decrypt(box[:-1])
    assert statistics().live_secrets == before
