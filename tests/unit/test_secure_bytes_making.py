"""SecureBytes through its public face: making them from sizes, buffers, and slices of others."""

from __future__ import annotations

import array
import mmap

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


# -- making --


@pytest.mark.parametrize("size", SIZES)
def test_zeros_are_zero(arena, size):
    """A new secret is zero, whatever its slot held before."""
    first = SecureBytes.copy_of(pattern(size), arena=arena)
    first.wipe()
    assert content(SecureBytes.zeros(size, arena=arena)) == bytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_copy_of_leaves_its_source(arena, size):
    """copy_of holds the source's bytes and does not touch them."""
    source = bytearray(pattern(size))
    secret = SecureBytes.copy_of(source, arena=arena)
    assert content(secret) == source == pattern(size)
    assert len(secret) == size


@pytest.mark.parametrize("size", SIZES)
def test_take_wipes_its_source(arena, size):
    """Taking holds the source's bytes and zeroes the source."""
    source = bytearray(pattern(size))
    secret = SecureBytes.take(source, arena=arena)
    assert content(secret) == pattern(size)
    assert source == bytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_take_from_a_secret_wipes_it(arena, size):
    """A secret that another one took its bytes from raises; it is no live secret of zeros."""
    source = SecureBytes.copy_of(pattern(size), arena=arena)
    secret = SecureBytes.take(source, arena=arena)
    assert content(secret) == pattern(size)
    assert source.wiped
    with pytest.raises(securemem.WipedError):
        memoryview(source)
    source.wipe()


def test_take_from_a_viewed_secret_dooms_it(arena):
    """A view that is open while its secret is taken keeps its bytes, and the last release wipes."""
    source = SecureBytes.copy_of(b"seen", arena=arena)
    with memoryview(source) as view:
        secret = SecureBytes.take(source, arena=arena)
        assert bytes(view) == b"seen"
        assert source.wiped
    assert content(secret) == b"seen"
    assert arena.statistics().live_secrets == 1
    assert arena.statistics().open_windows == 0


def test_take_from_other_buffers(arena):
    """Any writable contiguous buffer is a source: array, mmap, a part of a bytearray."""
    numbers = array.array("I", [1, 2, 3])
    raw = numbers.tobytes()
    assert content(SecureBytes.take(numbers, arena=arena)) == raw
    assert numbers == array.array("I", [0, 0, 0])
    with mmap.mmap(-1, 4096) as mapped:
        mapped[:5] = b"hello"
        with memoryview(mapped) as view, view[:5] as part:
            assert content(SecureBytes.take(part, arena=arena)) == b"hello"
        assert mapped[:5] == bytes(5)


def test_random_differs(arena):
    """Random secrets are not zero and not the same twice."""
    one, two = SecureBytes.random(32, arena=arena), SecureBytes.random(32, arena=arena)
    assert one != two
    assert one != bytes(32)


def test_default_arena_is_used():
    """Without an arena a secret is made in the default one, closed and locked."""
    before = securemem.statistics().live_secrets
    secret = SecureBytes.random(32)
    assert securemem.statistics().live_secrets == before + 1
    assert secret.protection.closed
    assert secret.protection.locked


@pytest.mark.parametrize("size", [0, -1, -(2**70), 2**63 - 1, 2**80])
def test_impossible_sizes(arena, size):
    """Sizes below one, or larger than an address space, are a SizeError."""
    for make in (SecureBytes.zeros, SecureBytes.random):
        with pytest.raises(securemem.exceptions.SizeError, match="one byte"):
            make(size, arena=arena)
    assert arena.statistics().live_secrets == 0


def test_size_larger_than_memory():
    """A size that could be mapped but not be had is a CapacityError, and a MemoryError."""
    with securemem.Arena() as arena:
        keep = SecureBytes.copy_of(b"kept", arena=arena)
        with pytest.raises(securemem.CapacityError) as caught:
            SecureBytes.zeros(2**46, arena=arena)
        assert isinstance(caught.value, MemoryError)
        assert content(keep) == b"kept"


@pytest.mark.parametrize("size", ["32", 32.0, None, b"x", True])
def test_sizes_that_are_no_integers(size):
    """A size is an integer: nothing is guessed from anything else."""
    with pytest.raises(TypeError, match="integer"):
        SecureBytes.zeros(size)


def test_size_by_index():
    """Objects that are integers by __index__ are sizes."""

    class Size:
        def __index__(self):
            return 5

    assert len(SecureBytes.zeros(Size())) == 5


def test_arguments_that_do_not_exist():
    """Unknown, missing and doubled arguments are TypeErrors that name what is taken."""
    for call in (
        lambda: SecureBytes.zeros(),
        lambda: SecureBytes.zeros(1, 2),
        lambda: SecureBytes.zeros(1, size=2),
        lambda: SecureBytes.zeros(1, place=None),
        lambda: SecureBytes.zeros(1, arena="readwrite"),
        lambda: SecureBytes.take(bytearray(1), arena=object()),
        lambda: SecureBytes(b"x"),
        lambda: SecureBytes.zeros(1).reveal(False, True),
        lambda: SecureBytes.zeros(1).reveal(write=True),
        lambda: SecureBytes.zeros(1).reveal("no"),
        lambda: SecureBytes.zeros(1).reveal(writable=None),
    ):
        with pytest.raises(TypeError):
            call()
    assert len(SecureBytes.zeros(size=3)) == 3


def test_calling_the_type_says_what_to_call():
    """SecureBytes(b"x") is refused with the names of what makes secrets, and shows no byte."""
    for call in (lambda: SecureBytes(b"password"), lambda: SecureBytes(), lambda: SecureBytes(size=8)):
        with pytest.raises(TypeError, match=r"take\(buffer\).*copy_of.*random.*zeros") as caught:
            call()
        assert "password" not in str(caught.value)
    with pytest.raises(TypeError):
        object.__new__(SecureBytes)


@pytest.mark.parametrize("source", [b"read-only", memoryview(bytearray(b"abcdef"))[::2], memoryview(b"xyz")])
def test_take_refuses_what_it_cannot_wipe(source):
    """A read-only or scattered source is refused before anything is taken."""
    before = securemem.statistics().live_secrets
    with pytest.raises(securemem.exceptions.SourceError, match="contiguous"):
        SecureBytes.take(source)
    assert securemem.statistics().live_secrets == before


def test_copy_of_refuses_scattered_buffers():
    """A source in pieces is refused, with a word on what to do."""
    with pytest.raises(securemem.exceptions.SourceError, match="bytearray"):
        SecureBytes.copy_of(memoryview(b"abcdef")[::2])


@pytest.mark.parametrize("source", ["text", 5, None, [1, 2]])
def test_sources_that_are_no_buffers(source):
    """Text and numbers are no sources; the message says to encode, and shows no value."""
    for make in (SecureBytes.take, SecureBytes.copy_of):
        with pytest.raises(TypeError, match="encode") as caught:
            make(source)
        assert "text" not in str(caught.value).replace("encode text", "")


def test_empty_sources():
    """An empty source is a SizeError."""
    for make in (SecureBytes.take, SecureBytes.copy_of):
        with pytest.raises(securemem.exceptions.SizeError):
            make(bytearray())


def test_released_view_as_source():
    """A released memoryview is refused as Python refuses it."""
    view = memoryview(bytearray(4))
    view.release()
    with pytest.raises(ValueError, match="released"):
        SecureBytes.take(view)


def test_take_keeps_the_source_on_failure():
    """What could not be taken is not wiped: nothing is lost by a failure."""
    source = bytearray(pattern(8192))
    with securemem.Arena(max_bytes=4096) as arena, pytest.raises(securemem.exceptions.ArenaFullError):
        SecureBytes.take(source, arena=arena)
    assert source == pattern(8192)


# -- slices --


@pytest.mark.parametrize(
    "key", [slice(2, 5), slice(None), slice(-3, None), slice(None, None, 2), slice(None, None, -1)]
)
def test_slices_are_secrets(arena, key):
    """A slice is a SecureBytes of its own, in the same arena."""
    secret = SecureBytes.copy_of(pattern(20), arena=arena)
    part = secret[key]
    assert type(part) is SecureBytes
    assert content(part) == pattern(20)[key]
    assert arena.statistics().live_secrets == 2
    secret.wipe()
    assert content(part) == pattern(20)[key]


@pytest.mark.parametrize("key", [0, -1, "a", None, (1, 2)])
def test_no_index(key):
    """An index would make an int in ordinary memory: a TypeError that says so."""
    with pytest.raises(TypeError, match="slices"):
        SecureBytes.zeros(4)[key]


def test_empty_slice():
    """A slice of no bytes is a SizeError, as every secret of no bytes."""
    with pytest.raises(securemem.exceptions.SizeError):
        SecureBytes.zeros(4)[3:3]


def test_no_iteration():
    """Iterating would make ints: neither iter nor `in` work, and nothing can be assigned to."""
    secret = SecureBytes.zeros(4)
    with pytest.raises(TypeError):
        iter(secret)
    with pytest.raises(TypeError):
        0 in secret  # noqa: B015 - the operation is what is tested
    with pytest.raises(TypeError):
        secret[0:1] = b"x"
