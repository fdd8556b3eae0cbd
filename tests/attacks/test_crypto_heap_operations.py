"""Operations that need the crypto heap: a scan from outside finds no copy of their secrets outside locked memory.

Each case gives what it keeps alive, and the secret that is watched. The scrubbing is securemem's own.
"""

from __future__ import annotations

import os

import pytest

from securemem.crypto._key_kinds import KINDS

PRELUDE = """
from securemem import crypto_heap
from securemem.crypto import agreement, kem, private_keys, rsa_oaep, signing
from securemem.crypto._key_kinds import KINDS
crypto_heap.enable(budget=4 << 20, lock="warn")
from cryptography.hazmat.primitives import serialization
from securemem import scrub

def prime(key):
    '''A prime of a key of RSA, in locked memory.'''
    with crypto_heap.secret_section(), key.reveal() as view:
        numbers = serialization.load_der_private_key(view, None).private_numbers()
        found = SecureBytes.copy_of(numbers.p.to_bytes(numbers.p.bit_length() // 8, "big"))
        del numbers
    scrub()
    return found

def signed(algorithm):
    key = signing.generate_signing_key(algorithm)
    return [key, signing.signing_public_key(algorithm, key), signing.sign(algorithm, key, bytes(1000))], key

def agreed(algorithm):
    key, other = agreement.generate_agreement_key(algorithm), agreement.generate_agreement_key(algorithm)
    return [key, agreement.exchange(algorithm, key, agreement.agreement_public_key(algorithm, other))]

def sent(algorithm):
    key = kem.generate_kem_key(algorithm)
    shared, ciphertext = kem.encapsulate(algorithm, kem.kem_public_key(algorithm, key))
    return [key, shared, kem.decapsulate(algorithm, key, ciphertext)]

def file(kind, form, watched="key", password=False):
    size = KINDS[kind].size
    key = SecureBytes.random(size) if size else rsa_oaep.rsa_oaep_generate(bits=2048)
    word = SecureBytes.random(24) if password else None
    saved = private_keys.dump_private_key(kind, key, form, password=word)
    loaded = private_keys.load_private_key(saved, password=word)[1]
    assert loaded == key
    return [saved, loaded, word], prime(key) if kind == "RSA" else {"key": key, "word": word}[watched]

def rsa_signed():
    key = signing.generate_signing_key("RSA-PSS", bits=2048)
    return [key, signing.sign("RSA-PSS", key, b"message")], prime(key)

def unwrapped():
    key, wrapped = rsa_oaep.rsa_oaep_generate(bits=2048), SecureBytes.random(32)
    sent = rsa_oaep.rsa_oaep_wrap(rsa_oaep.rsa_oaep_public_key(key), wrapped)
    return [key, rsa_oaep.rsa_oaep_unwrap(key, sent)], wrapped
"""
EVERY = {
    **{f"{name} sign, key": f"signed('{name}')" for name in ("Ed448", "ECDSA-P-256", "ECDSA-P-384")},
    **{f"{name} sign, seed": f"signed('{name}')" for name in KINDS if "DSA" in name},
    **{f"{name} exchange, key": f"(k := agreed('{name}'), k[0])" for name in ("X448", "ECDH-P-256", "ECDH-P-384")},
    **{f"{name} exchange, shared": f"(k := agreed('{name}'), k[1])" for name in ("X448", "ECDH-P-256", "ECDH-P-384")},
    **{f"{name} decapsulate, seed": f"(k := sent('{name}'), k[0])" for name in KINDS if "KEM" in name},
    **{f"{name} decapsulate, shared": f"(k := sent('{name}'), k[2])" for name in KINDS if "KEM" in name},
    "RSA-PSS sign, prime": "rsa_signed()",
    "RSA-OAEP unwrap, key": "unwrapped()",
    **{f"{name} in PEM": f"file('{name}', 'PEM')" for name in KINDS},
    **{f"{name} in OpenSSH form": f"file('{name}', 'OpenSSH')" for name in ("Ed25519", "P-256", "P-384", "RSA")},
    "P-256 in DER": "file('P-256', 'DER')",
    "P-256 in encrypted PEM, key": "file('P-256', 'PEM', 'key', True)",
    "P-256 in encrypted PEM, password": "file('P-256', 'PEM', 'word', True)",
}
# Two scans a case: with SECUREMEM_WHOLE=1 in the environment all are run, else every third.
CASES = EVERY if "SECUREMEM_WHOLE" in os.environ else dict(list(EVERY.items())[::3])


def test_no_copy_is_left(prey):
    """Alive and gone; the control, in ordinary memory, is found each time."""
    attacked = prey(
        PRELUDE
        + "".join(
            f"""
kept, watched = {case}
control = fill(bytearray(len(watched)))
stand_still(len(watched)); tell(watched); tell(control); stand_still()
del kept, watched
{"del k" if "k :=" in case else ""}
stand_still()
"""
            for case in CASES.values()
        )
    )
    size, left = attacked.wait(), {}
    for name in CASES:
        attacked.go_on()
        attacked.learn(int(size))
        attacked.wait()
        alive = attacked.scan()
        attacked.next()
        gone = attacked.scan()
        assert alive.key[0] >= 1, name
        assert alive.control == gone.control == (0, 1), name
        if alive.key[1] or gone.key[1]:
            left[name] = alive.key, gone.key
        if name != list(CASES)[-1]:
            size = attacked.next()
    assert left == {}


@pytest.mark.parametrize("form", ["PEM", "OpenSSH"])
def test_without_the_heap_copies_are_found(prey, form):
    """Positive control: cryptography alone, with the same key in a file, and the same scan."""
    attacked = prey(f"""
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
secret = SecureBytes.random(32)
with secret.reveal() as view:
    key = Ed25519PrivateKey.from_private_bytes(view)
form = forms.PrivateFormat.PKCS8 if {form!r} == "PEM" else forms.PrivateFormat.OpenSSH
saved = key.private_bytes(forms.Encoding.PEM, form, forms.NoEncryption())
control = fill(bytearray(32))
tell(secret); tell(control); stand_still()
""")
    attacked.learn()
    attacked.wait()
    found = attacked.scan()
    assert found.key[1] >= 2
    assert found.control == (0, 1)
