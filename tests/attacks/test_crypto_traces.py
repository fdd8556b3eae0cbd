"""What a scan of live memory does not show: derived subkeys, registers in a core taken right after, sealed secrets."""

from __future__ import annotations

import os
import resource
import signal

import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from securemem.scanning import scan_file, scan_process
from tests.support.crypto_cases import PRELUDE
from tests.support.key_schedules import every_form_of


def cmac(key, message):
    """AES-CMAC, by cryptography and in this process, which is the attacker's."""
    context = CMAC(algorithms.AES(key))
    context.update(message)
    return context.finalize()


@pytest.mark.parametrize("algorithm", ["XAES-256-GCM", "KC-XAES-256-GCM"])
@pytest.mark.parametrize("spoil", [False, True])
def test_xaes_subkey_is_nowhere(prey, algorithm, spoil):
    """The AES key that XAES derives for one message, which the attacker computes, is found nowhere; its control is."""
    attacked = prey(f"""
{PRELUDE}
key = SecureBytes.random(32)
control = fill(bytearray(32))
tell(key); tell(control)
made = aead.Key(key, "{algorithm}")
box = made.encrypt(b"data")
if {spoil}: fails(made.decrypt, spoiled(box)); fails(made.decrypt, plainly_spoiled(box, made.overhead - 40))
else: made.decrypt(box)
stand_still(box[:24].hex())
""")
    attacked.learn()
    nonce = bytes.fromhex(attacked.wait())
    key = attacked.key[0].pattern
    subkey = cmac(key, b"\0\1X\0" + nonce[:12]) + cmac(key, b"\0\2X\0" + nonce[:12])
    halves = (*every_form_of(subkey), *every_form_of(subkey[:16]), *every_form_of(subkey[16:]))
    assert scan_process(attacked.pid, halves).where == ()
    assert attacked.scan() == ((1, 0), (0, 1))


def test_subkey_of_the_same_construction_in_bytes_is_found(prey):
    """Positive control: a plain implementation leaves the subkey that the attacker computes."""
    attacked = prey("""
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC
def cmac(message):
    context = CMAC(algorithms.AES(memoryview(key))); context.update(message); return context.finalize()
key = SecureBytes.random(32)
control = fill(bytearray(32))
tell(key); tell(control)
nonce = os.urandom(24)
subkey = cmac(b"\\0\\1X\\0" + nonce[:12]) + cmac(b"\\0\\2X\\0" + nonce[:12])
box = AESGCM(subkey).encrypt(nonce[12:], b"data", None)
stand_still(nonce.hex())
""")
    attacked.learn()
    nonce = bytes.fromhex(attacked.wait())
    key = attacked.key[0].pattern
    subkey = cmac(key, b"\0\1X\0" + nonce[:12]) + cmac(key, b"\0\2X\0" + nonce[:12])
    assert scan_process(attacked.pid, every_form_of(subkey)).unlocked >= 1


# What is done with `key`; and the same with what leaves traces, as the control of the same core.
ENDS = {
    "AES-256-GCM encrypt": "aead.Key(key, 'AES-256-GCM').encrypt(b'data')",
    "KC-XAES-256-GCM encrypt": "aead.Key(key).encrypt(b'data')",
    "ChaCha20-Poly1305 encrypt": "aead.Key(key, 'ChaCha20-Poly1305').encrypt(b'data')",
    "HMAC": "mac.hmac(key, b'data')",
    "HKDF": "kdf.hkdf(key, 32)",
    "PBKDF2": "kdf.pbkdf2(key, b'salt' * 4, 32, iterations=10)",
    "Argon2id": "argon2.argon2id(key, b'salt' * 4, cost=argon2.Cost(64, 1))",
    "wrap and unwrap": "wrap.unwrap(key, wrap.wrap(key, key))",
    "Ed25519 sign": "signing.ed25519_sign(key, b'message')",
    "X25519 exchange": "agreement.x25519_exchange(key, b'\\x09' + bytes(31))",
    "SealedBytes": "SealedBytes.seal(key).open()",
}


def core_files_are_written(directory):
    """Whether the kernel writes cores into the directory in which a process dies."""
    with open("/proc/sys/kernel/core_pattern") as file:  # noqa: PTH123 - a file of the kernel's
        pattern = file.read().strip()
    return not pattern.startswith(("|", "/")) and resource.getrlimit(resource.RLIMIT_CORE)[1] != 0 and directory


def found_in_core(prey, tmp_path, code):
    """Copies in memory and registers of the key and of the control, in a core taken right after the code has run."""
    if not core_files_are_written(tmp_path):
        pytest.skip("the kernel pipes cores to a program, or RLIMIT_CORE is 0")
    attacked = prey(f"""
import resource
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
{PRELUDE}
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
key = SecureBytes.random(32)
control = fill(bytearray(32))
tell(key); tell(control); stand_still()
{code}
signal.raise_signal(signal.SIGABRT)
""")
    attacked.learn()
    attacked.wait()
    attacked.go_on()
    assert attacked.process.wait(timeout=60) == -signal.SIGABRT
    (core,) = (tmp_path / name for name in os.listdir(tmp_path) if name.startswith("core"))  # noqa: PTH208 - names only
    try:
        return scan_file(core, attacked.key).unlocked, scan_file(core, attacked.control).unlocked
    finally:
        core.unlink()


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_core_taken_right_after_has_no_key_in_registers_or_memory(prey, tmp_path, code):
    """A kernel core of the process, killed right after the operation, has the control and nothing of the key."""
    key, control = found_in_core(prey, tmp_path, code)
    assert key == 0
    assert control >= 1


def test_core_taken_after_a_cipher_that_clears_nothing_has_the_key(prey, tmp_path):
    """Positive control: round keys of an object that is dropped, without clearing, are in the core."""
    key, control = found_in_core(prey, tmp_path, "AESGCM(memoryview(key)).encrypt(bytes(12), b'data', None)")
    assert key >= 1
    assert control >= 1


def test_sealed_secret_is_in_memory_in_no_form_until_it_is_opened(prey):
    """While sealed it is found nowhere, not even locked; while open once, in locked memory; then nowhere again."""
    attacked = prey(f"""
{PRELUDE}
source = fill(bytearray(32))
control = fill(bytearray(32))
tell(source); tell(control)
sealed = SealedBytes.take(source); stand_still()
with sealed.open() as opened: stand_still()
stand_still()
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan() == ((0, 0), (0, 1))
    attacked.next()
    assert attacked.scan() == ((1, 0), (0, 1))
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))
