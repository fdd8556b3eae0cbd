"""Derivation, codes, wrapping, signatures and agreement: refusals, bounds, and every operation from eight threads."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time

import pytest

from securemem import DecryptionError, SealedBytes, SecureBytes, WipedError
from securemem.crypto import agreement, argon2, kdf, mac, signing, wrap
from securemem.crypto.aead import Key
from securemem.exceptions import InvalidArgumentError, PeerKeyError, SizeError, VerificationError

SMALL = argon2.Cost(8, 1)
OPERATIONS = {
    "hmac": lambda key: mac.hmac(key, b"data"),
    "hkdf": lambda key: kdf.hkdf(key, 100, salt=b"salt"),
    "hkdf_extract": kdf.hkdf_extract,
    "hkdf_expand": lambda key: kdf.hkdf_expand(key, 32),
    "pbkdf2": lambda key: kdf.pbkdf2(key, b"salt" * 4, 32, iterations=10),
    "scrypt": lambda key: kdf.scrypt(key, b"salt" * 4, 32, n=16),
    "argon2id": lambda key: argon2.argon2id(key, b"salt" * 4, cost=SMALL),
    "wrap": lambda key: wrap.wrap(key, key),
    "wrap, padded": lambda key: wrap.wrap(key, key, algorithm="AES-KWP"),
    "unwrap": lambda key: wrap.unwrap(key, wrap.wrap(key, key)),
    "ed25519_public_key": signing.ed25519_public_key,
    "ed25519_sign": lambda key: signing.ed25519_sign(key, b"message"),
    "x25519_public_key": agreement.x25519_public_key,
    "x25519_exchange": lambda key: agreement.x25519_exchange(key, b"\x09" + bytes(31)),
    "seal and open": lambda key: SealedBytes.seal(key).open(),
    "encrypt and decrypt": lambda key: Key(key).decrypt(Key(key).encrypt(b"data")),
    "encrypt and decrypt, GCM": lambda key: Key(key, "AES-256-GCM").decrypt(Key(key, "AES-256-GCM").encrypt(b"data")),
}
OPERATION = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


@OPERATION
def test_eight_threads_at_once(operation):
    """Each result is what one thread alone gets, while seven others do the same with the same key."""
    key = SecureBytes.random(32)
    expected = operation(key)
    wrong = []

    def work():
        wrong.extend(1 for _ in range(25) if operation(key) != expected)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@OPERATION
def test_wiped_secret_is_refused(operation):
    """WipedError, never a result of zeros."""
    key = SecureBytes.random(32)
    key.wipe()
    with pytest.raises(WipedError):
        operation(key)


@OPERATION
def test_plain_bytes_are_refused(operation):
    """A secret that is not in locked memory is a TypeError that says how to bring it there."""
    with pytest.raises(TypeError, match=r"SecureBytes\.take"):
        operation(bytes(32))


def test_key_wiped_by_another_thread_while_it_is_read():
    """It is doomed, not zeroed: what the cipher encrypted under it still decrypts."""
    secret = SecureBytes.random(32)
    twin = Key(secret[:], "AES-256-GCM")
    key = Key(secret, "AES-256-GCM")
    boxes = []
    data = bytes(4 << 20)

    def work():
        try:
            while True:
                boxes.append(key.encrypt(data))
        except WipedError:
            pass

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.05)
    with contextlib.suppress(BufferError):  # it is being read: wiped when the cipher is done
        secret.wipe()
    thread.join()
    assert secret.wiped
    out = bytearray(len(data))
    for box in boxes[-2:]:
        twin.decrypt_into(box, out)
        assert out == data


def test_hash_names():
    """Each has its size; another is refused."""
    key = SecureBytes.random(32)
    assert [len(mac.hmac(key, b"", algorithm=name)) for name in ("SHA-256", "SHA-384", "SHA-512")] == [32, 48, 64]
    for operation in (lambda: mac.hmac(key, b"", algorithm="MD5"), lambda: kdf.hkdf(key, 32, algorithm="SHA-1")):
        with pytest.raises(InvalidArgumentError, match="SHA-256"):
            operation()


def test_lengths_of_derived_keys():
    """HKDF gives 255 blocks at most; lengths below 1 and absurd ones are refused."""
    key = SecureBytes.random(32)
    assert len(kdf.hkdf(key, 255 * 32)) == 255 * 32
    for length in (0, -1, 255 * 32 + 1):
        with pytest.raises(SizeError):
            kdf.hkdf(key, length)
        with pytest.raises(SizeError):
            kdf.hkdf_expand(key, length)
    for length in (0, -1, 2**20 + 1):
        with pytest.raises(SizeError):
            kdf.pbkdf2(key, b"", length, iterations=1)
        with pytest.raises(SizeError):
            kdf.scrypt(key, b"", length, n=2)
    with pytest.raises(SizeError, match="from 32"):
        kdf.hkdf_expand(SecureBytes.random(31), 32)


def test_costs_are_bounded_before_use():
    """Numbers from a file that someone else wrote do not take all memory or time."""
    key = SecureBytes.random(32)
    for iterations in (0, -1, 2**31):
        with pytest.raises(InvalidArgumentError, match="iterations"):
            kdf.pbkdf2(key, b"", 32, iterations=iterations)
    for cost in ({"n": 3}, {"n": 1}, {"n": 0}, {"n": -2}, {"n": 2**26}, {"r": 0}, {"p": 0}, {"r": 2**15, "p": 2**15}):
        with pytest.raises(InvalidArgumentError, match="power of two"):
            kdf.scrypt(key, b"", 32, **cost)
    for cost in ({"memory_kib": 7}, {"memory_kib": 2**22 + 1}, {"passes": 0}, {"passes": 2**16 + 1}):
        with pytest.raises(InvalidArgumentError, match="must be from"):
            argon2.Cost(**cost)
    for salt, length in ((b"short", 32), (bytes(2**16 + 1), 32), (bytes(16), 3), (bytes(16), 0)):
        with pytest.raises(SizeError):
            argon2.argon2id(key, salt, length, cost=SMALL)


def test_argon2id_lets_other_threads_run():
    """A counting thread goes on counting while a derivation runs."""
    password = SecureBytes.random(16)
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    argon2.argon2id(password, bytes(16), cost=argon2.Cost(64 * 1024, 3))
    seen = counted[0]
    done.set()
    thread.join()
    assert seen >= 3


def test_calibrate():
    """A longer time gives no smaller cost than a short one, which gives up memory first; bounds are refused."""
    quick = argon2.calibrate(0.001, memory_kib=16 * 1024)
    longer = argon2.calibrate(0.5, memory_kib=16 * 1024)
    assert quick.passes == 1
    assert 8 * 1024 <= quick.memory_kib <= longer.memory_kib == 16 * 1024
    assert longer.passes > 1
    for target in (0, -1, 61, float("nan")):
        with pytest.raises(InvalidArgumentError, match="target_seconds"):
            argon2.calibrate(target)


def test_wrapped_sizes():
    """Each size that the standards allow goes through; others are refused before anything is done."""
    kek = SecureBytes.random(32)
    for size in (16, 24, 32, 40, 4096):
        key = SecureBytes.random(size)
        assert wrap.unwrap(kek, wrap.wrap(kek, key)) == key
    for size in (1, 7, 8, 9, 16, 31, 4096):
        key = SecureBytes.random(size)
        assert wrap.unwrap(kek, wrap.wrap(kek, key, algorithm="AES-KWP"), algorithm="AES-KWP") == key
    for size in (8, 15, 17, 4104):
        with pytest.raises(SizeError):
            wrap.wrap(kek, SecureBytes.random(size))
    with pytest.raises(SizeError, match="from 1 to 4096"):
        wrap.wrap(kek, SecureBytes.random(4097), algorithm="AES-KWP")
    with pytest.raises(SizeError, match="16 or 24 or 32"):
        wrap.wrap(SecureBytes.random(8), kek)
    with pytest.raises(InvalidArgumentError, match="AES-KWP"):
        wrap.unwrap(kek, bytes(24), algorithm="RSA")


@pytest.mark.parametrize("algorithm", ["AES-KW", "AES-KWP"])
def test_every_way_to_be_wrong_is_the_same_error(algorithm):
    """Any changed byte, length or key: one DecryptionError, one message, no context."""
    kek = SecureBytes.random(32)
    wrapped = wrap.wrap(kek, SecureBytes.random(16), algorithm=algorithm)
    wrong = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(len(wrapped))]
    wrong += [wrapped[:-1], wrapped[:-8], wrapped + bytes(8), b"", bytes(8), bytes(16), bytes(8192)]
    for one in wrong:
        with pytest.raises(DecryptionError) as caught:
            wrap.unwrap(kek, one, algorithm=algorithm)
        assert str(caught.value) == "the wrapped key could not be unwrapped with this key"
        assert caught.value.__cause__ is caught.value.__context__ is None
    with pytest.raises(DecryptionError):
        wrap.unwrap(SecureBytes.random(32), wrapped, algorithm=algorithm)


def test_signatures_and_public_keys_of_wrong_size():
    """A wrong signature does not verify, whatever its length; a wrong key is a SizeError."""
    private = signing.ed25519_generate()
    public = signing.ed25519_public_key(private)
    signature = signing.ed25519_sign(private, b"message")
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(64)):
        with pytest.raises(VerificationError) as caught:
            signing.ed25519_verify(public, b"message", wrong)
        assert caught.value.__context__ is None
    with pytest.raises(SizeError):
        signing.ed25519_verify(public[:-1], b"message", signature)
    with pytest.raises(SizeError):
        signing.ed25519_sign(SecureBytes.random(31), b"message")


def test_low_order_public_keys_are_refused():
    """RFC 7748, 6.1: an all-zero result tells of a peer's key of small order."""
    private = agreement.x25519_generate()
    for low in (bytes(32), b"\x01" + bytes(31)):
        with pytest.raises(PeerKeyError, match="refuse the peer") as caught:
            agreement.x25519_exchange(private, low)
        assert caught.value.__context__ is None
    with pytest.raises(SizeError):
        agreement.x25519_exchange(private, bytes(31))


def test_both_sides_agree():
    """The two exchanges give the same secret."""
    mine, theirs = agreement.x25519_generate(), agreement.x25519_generate()
    first = agreement.x25519_exchange(mine, agreement.x25519_public_key(theirs))
    assert first == agreement.x25519_exchange(theirs, agreement.x25519_public_key(mine))


def test_argon2_without_its_package_says_what_to_install():
    """The extra is optional: the ImportError names it."""
    program = "import sys; sys.modules['_argon2_cffi_bindings'] = None; import securemem.crypto.argon2"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'securemem[argon2]'" in done.stderr
