"""A scanner from outside finds a secret once, in locked memory, while it is held, and nowhere after its release."""

from __future__ import annotations

from collections import Counter

import pytest

from securemem._memory_map import mappings
from securemem.scanning import scan_process
from tests.support.key_schedules import aes_round_keys

LARGE = 64 * 1024

# How the key is made: the code, its size, and the copies (in locked memory, elsewhere) while it is held.
MAKERS = {
    "random": ("key = SecureBytes.random(32)", 32, (1, 0)),
    "written through a view": ("key = SecureBytes.zeros(32); fill(key)", 32, (1, 0)),
    "open arena": ("key = SecureBytes.random(32, arena=Arena(at_rest='readwrite'))", 32, (1, 0)),
    "64 KiB": (f"key = SecureBytes.random({LARGE})", LARGE, (1, 0)),
    "64 KiB, open arena": (f"key = SecureBytes.random({LARGE}, arena=Arena(at_rest='readwrite'))", LARGE, (1, 0)),
    "taken": ("source = fill(bytearray(32)); key = SecureBytes.take(source)", 32, (1, 0)),
    "64 KiB taken": (f"source = fill(bytearray({LARGE})); key = SecureBytes.take(source)", LARGE, (1, 0)),
    "copied": ("source = fill(bytearray(32)); key = SecureBytes.copy_of(source)", 32, (1, 1)),
    "slice": ("whole = SecureBytes.random(64); key = whole[16:48]; whole.wipe()", 32, (1, 0)),
    "slice backwards": ("whole = SecureBytes.random(32); key = whole[::-1]; whole.wipe()", 32, (1, 0)),
    "among others": ("others = [SecureBytes.random(32) for _ in range(500)]; key = SecureBytes.random(32)", 32, (1, 0)),
}


@pytest.mark.parametrize(("make", "size", "held"), MAKERS.values(), ids=MAKERS)
def test_key_is_found_once_while_held_and_never_after_release(prey, make, size, held):
    """However it was made, the only copies are the slot and a source that was to be left; wiping leaves the source."""
    attacked = prey(f"""
{make}
control = fill(bytearray({size}))
tell(key); tell(control); stand_still()
key.wipe(); stand_still()
""")
    attacked.learn(size)
    attacked.wait()
    assert attacked.scan() == (held, (0, 1))
    attacked.next()
    assert attacked.scan() == ((0, held[1]), (0, 1))


RELEASES = {
    "wipe": "key.wipe()",
    "del": "del key",
    "with": "key.__exit__(None, None, None)",
    "purge": "assert purge() == 0",
    "arena closed": "arena.close()",
    "view released after wiping": """
view = memoryview(key)
try: key.wipe()
except BufferError: view.release()
""",
    "view released after purge": "view = memoryview(key); assert purge() == 1; view.release()",
}


@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_each_way_of_release_leaves_no_copy(prey, release, at_rest):
    """Wiping, dropping, purging and closing leave nothing of the key, in both kinds of arena."""
    attacked = prey(f"""
arena = Arena(at_rest="{at_rest}")
key = SecureBytes.random(32, arena=arena)
control = fill(bytearray(32))
tell(key); tell(control); stand_still()
{release}
stand_still()
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan() == ((1, 0), (0, 1))
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))


USES = {
    "reveal": "with key.reveal() as view: stand_still()",
    "writable reveal": "with key.reveal(writable=True) as view: stand_still()",
    "equal to a secret": "other = SecureBytes.random(32); assert key != other; stand_still()",
    "equal to bytes": "assert key != control; stand_still()",
    "freeze": "key.freeze(); stand_still()",
    "repr and format": "texts = repr(key), str(key), f'{key}'; stand_still()",
    "refused copies": """
import copy, pickle, json
errors = []
for copier in (bytes, copy.copy, copy.deepcopy, pickle.dumps, json.dumps, hash, lambda key: key[0]):
    try: copier(key)
    except TypeError as error: errors.append(error)
assert len(errors) == 7
stand_still()
""",
    "HMAC, scrubbed": "import hmac; hmac.digest(key, b'body', 'sha256'); binding.scrub(65536); stand_still()",
    "AES-GCM, dropped and scrubbed": """
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
cipher = AESGCM(memoryview(key)); sealed = cipher.encrypt(bytes(12), b"plaintext", None)
assert cipher.decrypt(bytes(12), sealed, None) == b"plaintext"
del cipher; binding.scrub(65536); stand_still()
""",
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_use_makes_no_copy(prey, use):
    """Each use leaves the one copy in locked memory."""
    attacked = prey(f"""
key = SecureBytes.random(32)
control = fill(bytearray(32))
tell(key); tell(control)
{use}
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan() == ((1, 0), (0, 1))


def test_the_same_use_of_a_bytearray_leaves_what_the_scanner_finds(prey):
    """The control of the uses: a cipher that lives on, and a base64 text, are found beside the bytearray itself."""
    attacked = prey("""
from base64 import b64encode
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
key = SecureBytes.random(32)
control = fill(bytearray(32))
tell(key); tell(control); stand_still()
cipher = AESGCM(control); text = b64encode(control); reversed_control = control[::-1]; part = control[8:24]
stand_still()
""")
    attacked.learn()
    attacked.wait()
    assert attacked.scan() == ((1, 0), (0, 1))
    attacked.next()
    forms = Counter()
    for place in scan_process(attacked.pid, attacked.control).where:
        forms[place.form] += place.count
    assert forms["AES round key"] >= 13
    assert forms["base64"] >= 1
    assert forms["reversed"] >= 1
    assert forms["raw"] >= 2
    assert forms["8 bytes of raw"] >= 2


def test_round_keys_are_those_of_the_standard():
    """FIPS 197, A.1 and A.3: the last round keys of its two example keys."""
    assert aes_round_keys(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))[10].hex() == (
        "d014f9a8c9ee2589e13f0cc8b6630ca6"
    )
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    assert aes_round_keys(key)[14].hex() == "fe4890d1e6188d0b046df344706c631e"


def test_where_a_secret_lies_seen_from_outside(prey):
    """At rest a copy in a closed arena has no access; a window gives it; the control is open and not locked."""
    attacked = prey("""
key = SecureBytes.random(32)
control = fill(bytearray(32))
tell(key); tell(control); stand_still()
with key.reveal(): stand_still()
""")
    attacked.learn()
    attacked.wait()
    (place,) = scan_process(attacked.pid, attacked.key).where
    assert (place.form, place.locked, place.accessible, place.count) == ("raw", True, False, 1)
    (control,) = scan_process(attacked.pid, attacked.control).where
    assert (control.form, control.locked, control.accessible) == ("raw", False, True)
    attacked.next()
    (place,) = scan_process(attacked.pid, attacked.key).where
    assert (place.locked, place.accessible) == (True, True)


@pytest.mark.parametrize("size", [32, LARGE])
def test_kernel_flags_of_a_secret_seen_from_outside(prey, size):
    """Locked, not dumped, not copied to children, no huge pages, not mergeable; the control is none of it."""
    attacked = prey(f"""
import ctypes
key = SecureBytes.random({size})
control = fill(bytearray({size}))
with key.reveal(writable=True) as view:
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    other = ctypes.addressof(ctypes.c_char.from_buffer(control))
    stand_still(f"{{address}} {{other}}")
""")
    places = attacked.wait().split()
    key, control = (
        next(one for one in mappings(attacked.pid) if one.start <= int(place) < one.end) for place in places
    )
    assert {"lo", "dd", "dc", "nh"} <= key.flags
    assert "mg" not in key.flags
    assert not {"lo", "dd", "dc"} & control.flags


def test_memfd_secret_is_hidden_even_from_the_scanner(prey):
    """The kernel does not give memfd_secret to a debugger, though the process told its bytes; the control it gives."""
    attacked = prey("""
from securemem.exceptions import BackendUnavailableError
try:
    key = SecureBytes.random(32, arena=Arena(backend="memfd_secret"))
except BackendUnavailableError as error:
    stand_still(f"unavailable: {error}")
control = fill(bytearray(32))
tell(key); tell(control); stand_still("held")
""")
    if (said := attacked.wait()) != "held":
        pytest.skip(said)
    attacked.learn()
    assert attacked.scan() == ((0, 0), (0, 1))
    assert scan_process(attacked.pid, attacked.key).unreadable > 0
