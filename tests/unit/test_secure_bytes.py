"""SecureBytes through its public face: reading, comparing, freezing, wiping, and all that it refuses."""

from __future__ import annotations

import copy
import gc
import hashlib
import hmac
import json
import os
import pickle
import weakref

import pytest

import securemem
from securemem import SecureBytes

SIZES = [1, 16, 17, 31, 32, 33, 64, 1000, 4088, 4089, 4096, 5000, 65536]


@pytest.fixture(
    params=[(rest, backend) for backend in ("mlock", "memfd_secret") for rest in ("noaccess", "readwrite")],
    ids="-".join,
)
def arena(request):
    """An arena of each kind, closed at the end."""
    at_rest, backend = request.param
    with securemem.Arena(at_rest=at_rest, backend=backend) as made:
        try:
            SecureBytes.zeros(1, arena=made)
        except securemem.exceptions.BackendUnavailableError as error:
            pytest.skip(f"this kernel has no secret memory: {error}")
        yield made


def content(secret):
    """The bytes of a secret, by the door that Python code has to use."""
    with secret.reveal() as view:
        return view.tobytes()


def pattern(size):
    """Bytes without a zero, all neighbours different."""
    return bytes(i % 255 + 1 for i in range(size))


# -- comparing --


def test_equality(arena):
    """Secrets equal secrets and buffers by content; lengths and any bit count."""
    secret = SecureBytes.copy_of(pattern(40), arena=arena)
    assert secret == SecureBytes.copy_of(pattern(40))
    assert secret == pattern(40)
    assert secret == bytearray(pattern(40))
    assert pattern(40) == secret
    assert secret == secret  # noqa: PLR0124 - identity must not be a special case
    assert secret != pattern(39)
    assert secret != pattern(41)
    for bit in range(320):
        other = bytearray(pattern(40))
        other[bit // 8] ^= 1 << bit % 8
        assert secret != other
        assert not secret == other  # noqa: SIM201 - both operators are tested


def test_equality_with_what_is_no_buffer():
    """Anything else is unequal, and there is no order."""
    secret = SecureBytes.copy_of(b"abc")
    assert secret != 5
    assert secret is not None
    with pytest.raises(TypeError):
        secret < b"abd"  # noqa: B015 - the operation is what is tested


def test_equality_with_scattered_buffer():
    """A buffer in pieces is refused and not called unequal."""
    with pytest.raises(securemem.exceptions.SourceError):
        SecureBytes.copy_of(b"ace") == memoryview(b"abcdef")[::2]  # noqa: B015 - the operation is what is tested


# -- views --


def test_reveal_reads_and_writes(arena):
    """Reveal gives a view in place: read-only unless a writable one was asked for."""
    secret = SecureBytes.zeros(8, arena=arena)
    with secret.reveal(writable=True) as view:
        view[:] = b"password"
    with secret.reveal() as view:
        assert view.readonly
        assert view == b"password"
        with pytest.raises(TypeError):
            view[0] = 0
    with pytest.raises(ValueError, match="released"):
        view[0]


def test_reveal_tells_of_living_slices(arena):
    """Leaving reveal() with a slice alive raises ExportedError; the slice's release closes the page."""
    secret = SecureBytes.copy_of(b"password", arena=arena)
    with pytest.raises(securemem.ExportedError), secret.reveal() as view:
        part = view[2:4]
    assert arena.statistics().open_windows == 1
    assert part == b"ss"
    part.release()
    assert arena.statistics().open_windows == 0


def test_reveal_tells_of_consumers(arena):
    """A consumer that holds the view is a living view as well."""
    secret = SecureBytes.copy_of(b"password", arena=arena)
    with pytest.raises(securemem.ExportedError), secret.reveal() as view:
        holder = memoryview(view)
    holder.release()
    assert arena.statistics().open_windows in {0, 1}
    view.release()
    assert arena.statistics().open_windows == 0


def test_reveal_keeps_the_body_error():
    """An error in the body comes through, with the window closed."""
    secret = SecureBytes.copy_of(b"password")
    with pytest.raises(KeyError), secret.reveal():
        raise KeyError
    assert secret.protection.closed


def test_reveal_is_entered_once():
    """A reveal() that is entered cannot be entered again; afterwards it can."""
    window = SecureBytes.copy_of(b"password").reveal()
    with window, pytest.raises(RuntimeError, match="again"):
        window.__enter__()
    with window as view:
        assert view == b"password"


@pytest.mark.parametrize("open_view", [memoryview, lambda s: s.reveal().__enter__()], ids=["memoryview", "reveal"])
def test_views_have_no_hash(open_view):
    """A read-only view of bytes has a hash, which tells of them; a view of a secret has none."""
    secret = SecureBytes.copy_of(b"password")
    secret.freeze()
    view = open_view(secret)
    assert view.readonly
    for one in (view, view[2:], memoryview(view)):
        with pytest.raises(TypeError, match="unhashable"):
            hash(one)
        one.release()
    assert hash(memoryview(b"password")) == hash(b"password")  # the control


def test_a_reveal_that_is_dropped_lets_go(arena):
    """Entered and dropped, as an interrupted with statement leaves it, it closes at once and needs no collector."""
    secret = SecureBytes.copy_of(b"password", arena=arena)
    gc.disable()
    try:
        secret.reveal().__enter__()
        assert arena.statistics().open_windows == 0
        window = secret.reveal()
        window.__enter__()
        assert arena.statistics().open_windows == 1  # the control
        del window
        assert arena.statistics().open_windows == 0
        view = secret.reveal().__enter__()  # who has the view has the window
        assert arena.statistics().open_windows == 1
        assert view == b"password"
        view.release()
        assert arena.statistics().open_windows == 0
    finally:
        gc.enable()


def test_window_closes_the_page():
    """A page is accessible while any view is open, read-only for readers, and closed after the last."""
    with securemem.Arena() as arena:
        secret = SecureBytes.copy_of(b"password", arena=arena)
        assert secret.protection.closed
        outer = memoryview(secret)
        with secret.reveal() as inner:
            assert not secret.protection.closed
            assert inner.readonly
            assert outer.readonly
        assert not secret.protection.closed
        outer.release()
        assert secret.protection.closed


def test_neighbours_window_opens_the_page():
    """Windows are page-wide, and counted: a neighbour's view opens the page, the last release closes it."""
    with securemem.Arena() as arena:
        one, two = SecureBytes.zeros(8, arena=arena), SecureBytes.zeros(8, arena=arena)
        with one.reveal():
            with two.reveal(writable=True):
                assert not one.protection.closed
            assert not two.protection.closed
        assert two.protection.closed


def test_open_arena_stays_open():
    """Pages of an open arena are accessible at rest, and protected in every other way."""
    with securemem.Arena(at_rest="readwrite") as arena:
        protection = SecureBytes.zeros(8, arena=arena).protection
        assert not protection.closed
        assert protection.locked
        assert protection.dump_excluded


def test_consumers_take_the_object_itself(arena):
    """Hashes, HMAC, system calls and memoryview take a secret as it is."""
    raw = pattern(32)
    secret = SecureBytes.copy_of(raw, arena=arena)
    assert hmac.digest(secret, b"body", "sha256") == hmac.digest(raw, b"body", "sha256")
    assert hashlib.sha256(secret).digest() == hashlib.sha256(raw).digest()
    reader, writer = os.pipe()
    try:
        assert os.write(writer, secret) == 32
        target = SecureBytes.zeros(32, arena=arena)
        with target.reveal(writable=True) as view:
            assert os.readv(reader, [view]) == 32
        assert target == secret
        assert os.write(writer, secret) == 32
        assert os.readv(reader, [target]) == 32
    finally:
        os.close(reader)
        os.close(writer)
    with memoryview(secret) as view:
        assert (view.nbytes, view.itemsize, view.format, view.ndim, view.contiguous) == (32, 1, "B", 1, True)
    assert arena.statistics().open_windows == 0


def test_aead_takes_the_object_itself(arena):
    """An AEAD of cryptography takes a secret as key, as plaintext and as destination."""
    aead = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead")
    key = SecureBytes.random(32, arena=arena)
    message = SecureBytes.copy_of(pattern(100), arena=arena)
    cipher = aead.AESGCM(key)
    box = bytearray(116)
    cipher.encrypt_into(bytes(12), message, None, box)
    out = SecureBytes.zeros(100, arena=arena)
    with pytest.raises(TypeError, match="writable"):  # it does not ask for a writable buffer, but wants one
        cipher.decrypt_into(bytes(12), box, None, out)
    with out.reveal(writable=True) as view:
        cipher.decrypt_into(bytes(12), box, None, view)
    assert out == message
    assert arena.statistics().open_windows == 0


# -- freezing --


def test_freeze(arena):
    """A frozen secret opens no writable view, and reads as before; a neighbour is still writable."""
    secret, neighbour = SecureBytes.copy_of(b"password", arena=arena), SecureBytes.zeros(8, arena=arena)
    secret.freeze()
    secret.freeze()
    with pytest.raises(securemem.exceptions.FrozenError), secret.reveal(writable=True):
        pass
    with pytest.raises((TypeError, BufferError)):
        os.readv(0, [secret])
    assert content(secret) == b"password"
    with neighbour.reveal(writable=True) as view:
        view[:] = b"neighbor"
    assert content(neighbour) == b"neighbor"
    secret.wipe()
    assert content(SecureBytes.zeros(8, arena=arena)) == bytes(8)


def test_freeze_with_a_writer(arena):
    """Freezing waits for no writer: ExportedError, and the secret stays writable."""
    secret = SecureBytes.zeros(8, arena=arena)
    with secret.reveal(writable=True) as view:
        with pytest.raises(securemem.ExportedError):
            secret.freeze()
        view[0] = 1
    secret.freeze()


# -- wiping --


def test_wiped_secrets_raise(arena):
    """A wiped secret raises at every use, and never yields zeros."""
    secret = SecureBytes.copy_of(b"password", arena=arena)
    assert not secret.wiped
    secret.wipe()
    secret.wipe()
    assert secret.wiped
    assert arena.statistics().live_secrets == 0
    for use in (
        lambda: len(secret),
        lambda: memoryview(secret),
        lambda: secret.reveal().__enter__(),
        lambda: secret[:2],
        lambda: secret == b"password",
        lambda: b"password" == secret,  # noqa: SIM300 - the reflected operation is what is tested
        lambda: SecureBytes.copy_of(b"x") == secret,
        lambda: secret.freeze(),
        lambda: secret.protection,
        lambda: secret.__enter__(),
        lambda: hashlib.sha256(secret),
    ):
        with pytest.raises(securemem.WipedError):
            use()


def test_wipe_with_a_view_dooms(arena):
    """Wiping under an open view raises; no new view opens, and the bytes go at the last release."""
    secret = SecureBytes.copy_of(b"password", arena=arena)
    view = memoryview(secret)
    part = view[2:]
    with pytest.raises(securemem.ExportedError):
        secret.wipe()
    assert secret.wiped
    assert view == b"password"
    with pytest.raises(securemem.WipedError):
        memoryview(secret)
    view.release()
    assert part == b"ssword"
    assert arena.statistics().live_secrets == 1
    part.release()
    assert arena.statistics().live_secrets == 0
    assert secret.wiped
    secret.wipe()


def test_with_wipes(arena):
    """Leaving the with statement wipes, after an error too."""
    with SecureBytes.copy_of(b"password", arena=arena) as secret:
        assert content(secret) == b"password"
    assert secret.wiped
    with pytest.raises(KeyError), SecureBytes.copy_of(b"password", arena=arena) as second:
        raise KeyError
    assert second.wiped


def test_with_and_a_view():
    """Leaving the with statement under an open view raises, and dooms."""
    with pytest.raises(securemem.ExportedError), SecureBytes.copy_of(b"password") as secret:
        view = memoryview(secret)
    assert secret.wiped
    view.release()


def test_deletion_wipes(arena):
    """The last reference's end gives the slot back, zeroed."""
    secret = SecureBytes.copy_of(pattern(32), arena=arena)
    del secret
    assert arena.statistics().live_secrets == 0
    assert content(SecureBytes.zeros(32, arena=arena)) == bytes(32)


def test_view_outlives_the_name(arena):
    """A view keeps its secret alive."""
    view = memoryview(SecureBytes.copy_of(b"password", arena=arena))
    gc.collect()
    assert view == b"password"
    view.release()
    assert arena.statistics().live_secrets == 0


def test_purge():
    """Purging wipes every secret in every arena and counts the views it waits for."""
    with securemem.Arena() as one, securemem.Arena(at_rest="readwrite") as two:
        secrets = [SecureBytes.copy_of(pattern(32), arena=arena) for arena in (one, two) for _ in range(300)]
        view, part = memoryview(secrets[0]), memoryview(secrets[400])
        assert securemem.purge() == 2
        assert all(secret.wiped for secret in secrets)
        assert view == pattern(32)
        view.release()
        part.release()
        assert securemem.purge() == 0
        assert securemem.statistics().live_secrets == 0
        assert content(SecureBytes.zeros(32, arena=one)) == bytes(32)


# -- what it tells of itself --


@pytest.mark.parametrize("way", [int, float, complex, round, lambda s: int(s, 16)])
@pytest.mark.parametrize("digits", [b"password", b"12345678"])
def test_no_number_and_no_bytes_in_the_error(way, digits):
    """A secret is not read as a number, and the refusal does not show it, as int() does for other buffers."""
    with pytest.raises((TypeError, ValueError)) as caught:
        way(SecureBytes.copy_of(digits))
    assert digits.decode() not in str(caught.value)
    with pytest.raises(ValueError, match="password"):  # the control
        int(memoryview(b"password"))


def test_no_way_out_by_copying():
    """No hash, pickle, copy, bytes() or JSON."""
    secret = SecureBytes.copy_of(b"password")
    for way in (hash, bytes, copy.copy, copy.deepcopy, pickle.dumps, json.dumps, lambda s: {s: 1}):
        with pytest.raises(TypeError) as caught:
            way(secret)
        assert "password" not in str(caught.value)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(secret, protocol)


def test_no_subclass_and_no_attributes():
    """The type is final and its objects have no dictionary to leak into."""
    with pytest.raises(TypeError):
        type("Sub", (SecureBytes,), {})
    with pytest.raises(AttributeError):
        SecureBytes.zeros(1).note = "x"


def test_weak_references():
    """A weak reference dies with the secret, and its callback runs."""
    called = []
    secret = SecureBytes.zeros(4)
    reference = weakref.ref(secret, called.append)
    assert reference() is secret
    del secret
    assert reference() is None
    assert called == [reference]


def test_not_tracked_by_the_collector():
    """A million secrets cost the garbage collector nothing."""
    assert not gc.is_tracked(SecureBytes.zeros(4))


def test_protection_of_every_size(arena):
    """Small and large secrets are protected alike, by the kernel's own account."""
    for size in SIZES:
        protection = SecureBytes.zeros(size, arena=arena).protection
        assert protection.locked
        assert protection.dump_excluded
        assert protection.fork_policy == "excluded"
        assert f"backend={protection.backend!r}" in repr(arena)
        assert protection.blocks_hibernation == (protection.backend == "memfd_secret")
        assert protection.guarded
        assert not protection.mergeable
        assert not protection.huge_pages
        assert not protection.failed_close


def test_protection_is_read_from_the_kernel():
    """Positive control: when the kernel's flags change, the answer changes."""
    import ctypes

    with securemem.Arena(at_rest="readwrite") as arena:
        secret = SecureBytes.zeros(32, arena=arena)
        assert secret.protection.locked
        with secret.reveal(writable=True) as view:
            address = ctypes.addressof(ctypes.c_char.from_buffer(view)) & ~4095
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.munlock(ctypes.c_void_p(address), 4096) == 0
        assert libc.madvise(ctypes.c_void_p(address), 4096, 17) == 0  # MADV_DODUMP
        assert libc.madvise(ctypes.c_void_p(address), 4096, 11) == 0  # MADV_DOFORK
        protection = secret.protection
        assert not protection.locked
        assert not protection.dump_excluded
        assert protection.fork_policy == "inherited"
