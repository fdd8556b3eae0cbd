"""A scanner from outside finds no key, root key or passphrase of a store in clear once it should be gone.

The process under attack tells the watched secret, straight from its slot, and a control that it keeps in a bytearray.
"""

from __future__ import annotations

import time

import pytest

SETUP = """
import io
from securemem import DecryptionError, KeyStore, Passphrase, Policy
from securemem.crypto import wrap
from securemem.crypto.argon2 import Cost
from securemem.keystore.kek import passphrase as passphrases
from securemem.keystore.kek.passphrase import argon2id

class Device:
    def __init__(self): self.secret = SecureBytes.random(32)
    def wrap(self, key, context): return wrap.wrap(self.secret, key)
    def unwrap(self, wrapped, context): return wrap.unwrap(self.secret, wrapped)

def passphrase(secret): return Passphrase(secret, cost=Cost(8, 1))
def root(store): return store._contents.root.cell.value
def clear(key, number=1):
    version = key._key.numbered(number)
    return key._key.contents.gate.run(key._key.contents.opened, version)

control = fill(bytearray(32))
def watch(secret): tell(secret); tell(control)
device = Device()
"""

# What is watched: made and told, with the store unlocked and in use.
WATCHED = {
    "key": "key = store.generate('key', 'AES-256-GCM'); box = key.encrypt(b'x'); watch(clear(key))",
    "default key": "key = store.generate('key'); box = key.encrypt(b'x'); key.decrypt(box); watch(clear(key))",
    "root key": "key = store.generate('key'); box = key.encrypt(b'x'); watch(root(store))",
    "HMAC key": "key = store.generate('key', 'HMAC-SHA-256'); key.verify_mac(b'x', key.mac(b'x')); watch(clear(key))",
    "signing key": "key = store.generate('key', 'Ed25519'); key.verify(b'x', key.sign(b'x')); watch(clear(key))",
    "agreement key": "key = store.generate('key', 'X25519'); key.agree(key.public_key()); watch(clear(key))",
    "agreed key": (
        "key = store.generate('key', 'X25519'); agreed = key.agree(key.public_key()); watch(agreed)\n"
        "key = store.import_key('agreed', 'AES-256-GCM', agreed); box = key.encrypt(b'x'); key.decrypt(box)"
    ),
    "derived key": (
        "source = store.generate('source', 'HKDF-SHA-256')\n"
        "key = store.derive('key', 'AES-256-GCM', source=source); box = key.encrypt(b'x'); watch(clear(key))"
    ),
    "derivation key": (
        "key = store.generate('source', 'HKDF-SHA-256')\n"
        "other = store.derive('key', 'AES-256-GCM', source=key); other.encrypt(b'x'); watch(clear(key))"
    ),
    "wrapped and unwrapped key": (
        "wrapping = store.generate('wrapping', policy=Policy(usages={'wrap', 'unwrap'}))\n"
        "other = store.generate('other', policy=Policy(extractable=True)); wrapped = wrapping.wrap(other)\n"
        "key = store.unwrap('key', wrapped, source=wrapping); box = key.encrypt(b'x'); watch(clear(key))"
    ),
    "wrapping key": (
        "key = store.generate('wrapping', policy=Policy(usages={'wrap', 'unwrap'}))\n"
        "other = store.generate('other', policy=Policy(extractable=True)); wrapped = key.wrap(other)\n"
        "store.unwrap('key', wrapped, source=key); watch(clear(key))"
    ),
    "rotated key": (
        "key = store.generate('key', 'AES-256-GCM'); box = key.encrypt(b'x'); watch(clear(key)); key.rotate()\n"
        "box = key.rewrap(box)"
    ),
    "key of a stream": (
        "key = store.generate('key', 'AES-256-GCM'); stream = io.BytesIO(); watch(clear(key))\n"
        "key.encrypt_stream(io.BytesIO(bytes(200000)), stream); stream.seek(0)\n"
        "key.decrypt_stream(stream, io.BytesIO())"
    ),
    "key of a session": (
        "key = store.generate('key', 'AES-256-GCM'); watch(clear(key)); session = key.session()\n"
        "for _ in range(10): session.decrypt(session.encrypt(b'x'))"
    ),
    "key of a default session": (
        "key = store.generate('key'); watch(clear(key)); session = key.session()\n"
        "for _ in range(10): session.decrypt(session.encrypt(b'x'))"
    ),
    "opaque secret": (
        "secret = SecureBytes.random(32); watch(secret); store.put('name', secret); opened = store.get('name')\n"
        "stand_still(); opened.wipe()"
    ),
}
ENDED_BY_THE_CASE = {"opaque secret"}


@pytest.mark.parametrize(("name", "code"), WATCHED.items(), ids=WATCHED)
def test_nothing_is_left_after_lock(prey, name, code):
    """While the store is unlocked the key is in locked memory, and elsewhere in a session only; then nowhere."""
    attacked = prey(f"""
{SETUP}
store = KeyStore(device)
{code}
stand_still()
store.lock()
stand_still()
""")
    attacked.learn()
    attacked.wait()
    if name != "agreed key":  # which was moved, and is opened again into a slot
        assert attacked.scan().key[0] >= 1
    if "session" not in name:
        assert attacked.scan().key[1] == 0
    if name in ENDED_BY_THE_CASE:
        attacked.next()
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))


def test_a_session_leaves_what_the_scanner_finds(prey):
    """Without the crypto heap the expanded key is found in unlocked memory while a session lives; it is documented."""
    attacked = prey(f"""
{SETUP}
store = KeyStore(device, crypto_heap="off")
key = store.generate('key', 'AES-256-GCM'); watch(clear(key)); session = key.session(); session.encrypt(b'x')
stand_still()
session.end()
stand_still()
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan().key[1] >= 1
    attacked.next()
    assert attacked.scan() == ((1, 0), (0, 1))


def test_a_key_kept_in_bytes_is_found(prey):
    """Positive control: what a program does without a store leaves copies that locking cannot reach."""
    attacked = prey(f"""
{SETUP}
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from securemem.keystore.cleartext import export
store = KeyStore(device, crypto_heap="off")
key = store.generate('key', 'AES-256-GCM', Policy(extractable=True)); watch(clear(key))
with export(key) as exported, exported.reveal() as view:
    plain = bytearray(view)
cipher = AESGCM(plain)
del view
store.lock()
stand_still()
""")
    attacked.learn()
    attacked.wait()
    found = attacked.scan()
    assert found.key[0] == 0
    assert found.key[1] >= 2


@pytest.mark.parametrize("timer", ["idle_timeout", "absolute_timeout"])
@pytest.mark.parametrize("name", ["key", "default key", "root key", "key of a session", "key of a default session"])
def test_nothing_is_left_a_second_after_a_timer_fires(prey, name, timer):
    """No call comes: the main thread sleeps in a read, and the daemon thread locks."""
    attacked = prey(f"""
{SETUP}
store = KeyStore(device, {timer}=1.5)
{WATCHED[name]}
stand_still()
assert store.locked
stand_still()
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan().key[0] >= 1
    time.sleep(1.5 + 1)
    assert attacked.scan() == ((0, 0), (0, 1))
    attacked.next()


PASSPHRASES = {
    "making a store": "store = KeyStore(passphrase(secret))",
    "the right one": "store = KeyStore(passphrase(secret[:])); store.lock(); store.unlock(passphrase(secret))",
    "a wrong one": """
store = KeyStore(passphrase(SecureBytes.random(32))); store.lock()
try: store.unlock(passphrase(secret))
except DecryptionError as error: kept = error
""",
    "one at a store that is unlocked": "store = KeyStore(passphrase(secret[:])); store.unlock(passphrase(secret))",
    "changing it": "store = KeyStore(device); store.change_kek(passphrase(secret))",
    "a cost that is refused": """
from securemem.exceptions import InvalidArgumentError
wrapped = passphrase(SecureBytes.random(32)).wrap(SecureBytes.random(32), b"")
try: Passphrase(secret, cost=Cost(8, 1), highest=Cost(8, 1)).unwrap(wrapped[:4] + bytes([0, 0, 1]) + wrapped[7:], b"")
except InvalidArgumentError as error: kept = error
""",
    "an exception in the middle": """
class Broken:
    def __init__(self, secret): pass
    def encrypt(self, *_): raise RuntimeError
passphrases.Key = Broken
try: KeyStore(passphrase(secret))
except RuntimeError as error: kept = error
""",
}


@pytest.mark.parametrize("code", PASSPHRASES.values(), ids=PASSPHRASES)
def test_no_passphrase_is_left(prey, code):
    """Right or wrong, it is wiped by its one use; an exception that is kept, with its frames, keeps nothing."""
    attacked = prey(f"""
{SETUP}
secret = SecureBytes.random(32); watch(secret); stand_still()
{code}
stand_still()
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan() == ((1, 0), (0, 1))
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))


@pytest.mark.parametrize("right", [True, False])
def test_no_key_from_a_passphrase_and_no_root_key_is_left(prey, right):
    """The key that Argon2id gives is wiped after each unlocking; the root key is there only after a right one."""
    attacked = prey(f"""
{SETUP}
told = []
def telling(secret, salt, *, cost):
    derived = argon2id(secret, salt, cost=cost)
    if told: watch(derived)
    return derived
passphrases.argon2id = telling
secret, wrong = SecureBytes.random(32), SecureBytes.random(32)
store = KeyStore(passphrase(secret[:]))
store.generate("key").encrypt(b"x")
store.lock()
told.append(True)
try: store.unlock(passphrase({"secret" if right else "wrong"}))
except DecryptionError as error: kept = error
stand_still()
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan() == ((0, 0), (0, 1))


def test_no_root_key_is_left_after_a_wrong_passphrase(prey):
    """A store that was unlocked once, and then knocked at, holds neither root key nor keys."""
    attacked = prey(f"""
{SETUP}
store = KeyStore(passphrase(SecureBytes.random(32)), crypto_heap="off")
key = store.generate("key"); key.encrypt(b"x"); watch(root(store)); stand_still()
store.lock()
kept = []
for _ in range(3):
    try: store.unlock(passphrase(SecureBytes.random(32)))
    except DecryptionError as error: kept.append(error)
assert len(kept) == 3
stand_still()
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan() == ((1, 0), (0, 1))
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))


BREAK = """
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from securemem._binding.operations import Cipher
from securemem.crypto import _xaes as xaes
from securemem.crypto import agreement, kdf, mac, signing
from securemem.keystore import _changes as changes, _root_key as root_key, _streams as streams
from securemem.storage import memory

class Stop(Exception): pass

class Plain:
    '''A cipher that does its work, and then breaks.'''
    def __init__(self, key): self.key = key
    def encrypt(self, nonce, data, aad): AESGCM(self.key).encrypt(nonce, data, aad); raise Stop
    def encrypt_into(self, nonce, data, aad, out): AESGCM(self.key).encrypt_into(nonce, data, aad, out); raise Stop
    def decrypt_into(self, nonce, data, aad, out): AESGCM(self.key).decrypt_into(nonce, data, aad, out); raise Stop

def broken(module, name, then=None):
    '''Let a function of a module do its work, and then break.'''
    whole = getattr(module, name)
    def breaking(*arguments, **names):
        whole(*arguments, **names)
        raise Stop
    setattr(module, name, breaking)
    def mend(): setattr(module, name, whole)
    return mend

class BreakingFile(io.BytesIO):
    def readinto(self, buffer):
        if self.tell() > 100000: raise Stop
        return super().readinto(buffer)
    def write(self, data):
        if self.tell() > 100000: raise Stop
        return super().write(data)

def breaks(use, *arguments, **names):
    try: use(*arguments, **names)
    except Stop as error: kept.append(error)
    else: raise AssertionError("it should have broken")

kept = []
store = KeyStore(device, crypto_heap="off")
def aes(policy=Policy()): return store.generate("key", "AES-256-GCM", policy)
def breaking_cipher(key):
    if key.algorithm == "AES-256-GCM":
        key._key.primary.cipher = Cipher("broken", Plain, None, InvalidTag, 32, 12, 16, 0)
    else:
        key._key.primary.cipher = Cipher("broken", Plain, xaes.blocks, InvalidTag, 32, 24, 16, xaes.COMMITMENT)
def breaking_blocks(key):
    def blocks(secret):
        xaes.blocks(secret)
        raise Stop
    key._key.primary.cipher = Cipher("broken", AESGCM, blocks, InvalidTag, 32, 24, 16, xaes.COMMITMENT)
"""
BREAKING = {
    "encrypt": "key = aes(); watch(clear(key)); breaking_cipher(key); breaks(key.encrypt, b'x')",
    "encrypt_into": (
        "key = aes(); watch(clear(key)); breaking_cipher(key)\n"
        "breaks(key.encrypt_into, b'x', bytearray(1 + key.overhead))"
    ),
    "decrypt": (
        "key = aes(); box = key.encrypt(b'x'); watch(clear(key)); breaking_cipher(key)\nbreaks(key.decrypt, box)"
    ),
    "decrypt_into": (
        "key = aes(); box = key.encrypt(b'x'); watch(clear(key)); breaking_cipher(key)\n"
        "breaks(key.decrypt_into, box, bytearray(1))"
    ),
    "rewrap": (
        "key = aes(); box = key.encrypt(b'x'); watch(clear(key)); key.rotate(); breaking_cipher(key)\n"
        "breaks(key.rewrap, box)"
    ),
    "encrypt, XAES": (
        "key = store.generate('key'); watch(clear(key)); breaking_blocks(key); breaks(key.encrypt, b'x')"
    ),
    "session": (
        "key = aes(); watch(clear(key)); Stop = TypeError; session = key.session(); breaks(session.encrypt, 'text')\n"
        "session.end()"
    ),
    "default session": (
        "key = store.generate('key'); watch(clear(key)); Stop = TypeError; session = key.session()\n"
        "breaks(session.encrypt, 'text'); session.end()"
    ),
    "default session, in its cipher": (
        "key = store.generate('key'); watch(clear(key)); breaking_cipher(key); session = key.session()\n"
        "breaks(session.encrypt, b'x'); session.end()"
    ),
    "session, decrypt": (
        "key = store.generate('key'); box = key.encrypt(b'x'); watch(clear(key)); session = key.session()\n"
        "Stop = DecryptionError; breaks(session.decrypt, box[:-1] + bytes([box[-1] ^ 1])); session.end()"
    ),
    "a failing start of a session": (
        "key = store.generate('key'); watch(clear(key)); breaking_blocks(key); breaks(key.session)"
    ),
    "mac": (
        "key = store.generate('key', 'HMAC-SHA-256'); watch(clear(key)); broken(mac, '_code')\nbreaks(key.mac, b'x')"
    ),
    "sign": (
        "key = store.generate('key', 'Ed25519'); watch(clear(key))\n"
        "broken(signing, 'ed25519_sign'); breaks(key.sign, b'x')"
    ),
    "agree": (
        "key = store.generate('key', 'X25519'); watch(clear(key)); broken(agreement, 'x25519_exchange')\n"
        "breaks(key.agree, key.public_key())"
    ),
    "derive": (
        "key = store.generate('key', 'HKDF-SHA-256'); watch(clear(key)); broken(kdf, '_expand')\n"
        "breaks(store.derive, 'new', 'AES-256-GCM', source=key)"
    ),
    "wrap": (
        "other = store.generate('other', policy=Policy(usages={'wrap', 'unwrap'}))\n"
        "key = aes(Policy(extractable=True)); watch(clear(key)); breaking_cipher(other); breaks(other.wrap, key)"
    ),
    "unwrap": (
        "other = store.generate('other', policy=Policy(usages={'wrap', 'unwrap'}))\n"
        "key = aes(Policy(extractable=True))\n"
        "wrapped = other.wrap(key); watch(clear(key)); store.delete('key'); broken(changes, 'create')\n"
        "breaks(store.unwrap, 'key', wrapped, source=other)"
    ),
    "import_key": (
        "secret = SecureBytes.random(32); watch(secret); broken(memory.MemoryRecords, 'commit')\n"
        "breaks(store.import_key, 'key', 'AES-256-GCM', secret); secret.wipe()"
    ),
    "put": (
        "secret = SecureBytes.random(32); watch(secret); broken(memory.MemoryRecords, 'commit')\n"
        "breaks(store.put, 'key', secret); secret.wipe()"
    ),
    "rotate": "key = aes(); key.encrypt(b'x'); watch(clear(key)); broken(changes._Change, 'add'); breaks(key.rotate)",
    "forbid_extraction": (
        "key = aes(Policy(extractable=True)); watch(clear(key)); broken(memory.MemoryRecords, 'commit')\n"
        "breaks(key.forbid_extraction)"
    ),
    "encrypt_stream, source": (
        "key = aes(); watch(clear(key)); breaks(key.encrypt_stream, BreakingFile(bytes(300000)), io.BytesIO())"
    ),
    "encrypt_stream, target": (
        "key = aes(); watch(clear(key)); breaks(key.encrypt_stream, io.BytesIO(bytes(300000)), BreakingFile())"
    ),
    "decrypt_stream": (
        "key = aes(); watch(clear(key)); stream = io.BytesIO(); key.encrypt_stream(io.BytesIO(bytes(300000)), stream)\n"
        "stream.seek(0); breaks(key.decrypt_stream, stream, BreakingFile())"
    ),
    "key of a stream": (
        "key = aes(); whole = streams.algorithm_named\n"
        "class Telling:\n"
        "    def __init__(self, name): self.cipher, self.whole = self, whole(name).cipher\n"
        "    def prepare(self, secret): watch(secret); return self.whole.prepare(secret)\n"
        "    def __getattr__(self, name): return getattr(self.whole, name)\n"
        "streams.algorithm_named = Telling\n"
        "breaks(key.encrypt_stream, BreakingFile(bytes(300000)), io.BytesIO())"
    ),
    "unlock": (
        "key = aes(); key.encrypt(b'x'); watch(root(store)); store.lock(); mend = broken(root_key, 'Key')\n"
        "breaks(store.unlock, device); mend(); store.unlock(device); store.lock(); store.unlock(device)"
    ),
}


@pytest.mark.parametrize("code", BREAKING.values(), ids=BREAKING)
def test_an_exception_in_the_middle_leaves_nothing(prey, code):
    """Nothing is outside locked memory, though the exception and its frames are kept; after lock() nothing at all."""
    attacked = prey(f"""
{SETUP}
{BREAK}
{code}
assert len(kept) == 1 and kept[0].__traceback__ is not None
stand_still()
store.lock()
stand_still()
""")
    attacked.learn()
    attacked.wait()
    found = attacked.scan()
    assert found.key[1] == 0
    assert found.control == (0, 1)
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))
