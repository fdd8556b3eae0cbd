"""Streams and files: what comes out is what went in, or an error; and a file that failed leaves nothing behind."""

from __future__ import annotations

import gc
import io
import os
import tracemalloc

import pytest

import securemem
from securemem import DecryptionError, KeyStore, Passphrase, Policy, SecureBytes, StoreLockedError
from securemem.crypto.argon2 import Cost
from securemem.exceptions import KeyPolicyError

CHUNK, TAG, HEAD = 64 * 1024, 16, 88
SEALED = CHUNK + TAG
ALGORITHMS = ["KC-XAES-256-GCM", "AES-128-GCM", "ChaCha20-Poly1305"]


@pytest.fixture
def store():
    """A store with a lock."""
    return KeyStore(Passphrase(SecureBytes.copy_of(b"passphrase"), cost=Cost(8, 1)))


@pytest.fixture
def key(store):
    """A key of the default algorithm."""
    return store.generate("key")


def sealed(key, data, context=b""):
    """Data as a stream."""
    target = io.BytesIO()
    key.encrypt_stream(io.BytesIO(data), target, context)
    return target.getvalue()


def opened(key, stream, context=b""):
    """A stream's data."""
    target = io.BytesIO()
    key.decrypt_stream(io.BytesIO(stream), target, context)
    return target.getvalue()


def refused(key, stream, context=b""):
    """Whether a stream is refused by the one DecryptionError."""
    with pytest.raises(DecryptionError) as caught:
        opened(key, stream, context)
    assert str(caught.value) == "the ciphertext could not be decrypted with this key and associated data"
    assert caught.value.__cause__ is caught.value.__context__ is None
    return True


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_streams_open_to_what_was_put_in(store, algorithm, size):
    """Around every boundary; the size says how many chunks there are, and only the empty stream has an empty one."""
    key = store.generate("key", algorithm)
    data = os.urandom(size)
    stream = sealed(key, data, b"context")
    assert len(stream) == HEAD + size + TAG * max(1, -(-size // CHUNK))
    assert opened(key, stream, b"context") == data
    assert refused(key, stream)


class Trickle(io.RawIOBase):
    """A source that gives, and a target that takes, a few bytes at a time."""

    def __init__(self, data=b"", step=1000):
        self.data = bytearray(data)
        self.step = step

    def readinto(self, buffer):
        """Give some."""
        count = min(self.step, len(buffer), len(self.data))
        buffer[:count], self.data[:count] = self.data[:count], b""
        return count

    def write(self, data):
        """Take some."""
        self.data += data[: self.step]
        return min(len(data), self.step)


def test_slow_sources_and_targets(key):
    """Short reads and short writes are gone on with; what blocks is an error, and so is what is no binary file."""
    data = os.urandom(2 * CHUNK + 77)
    target = Trickle()
    key.encrypt_stream(Trickle(data), target)
    back = Trickle()
    key.decrypt_stream(Trickle(target.data), back)
    assert back.data == data
    for name, count in (("readinto", None), ("write", None), ("write", 0)):
        broken = Trickle(data)
        setattr(broken, name, lambda _, count=count: count)
        with pytest.raises(BlockingIOError):
            key.encrypt_stream(broken, broken)
    for source, target in ((io.StringIO("text"), io.BytesIO()), (b"", io.BytesIO()), (io.BytesIO(), None)):
        with pytest.raises(TypeError, match="binary files"):
            key.encrypt_stream(source, target)


def test_a_writer_that_does_not_count(key):
    """A write() that returns None, as many wrappers have it, has taken everything."""
    parts = []

    class Writer:
        write = staticmethod(lambda data: parts.append(bytes(data)))

    key.encrypt_stream(io.BytesIO(b"x" * CHUNK), Writer())
    assert opened(key, b"".join(parts)) == b"x" * CHUNK


def chunks(stream):
    """A stream's header and chunks."""
    return stream[:HEAD], [stream[at : at + SEALED] for at in range(HEAD, len(stream), SEALED)]


COUNT = 4


@pytest.mark.parametrize("last", [CHUNK, 100])
def test_every_chunk_boundary_attacked(key, last):
    """Cut at, and one byte around, each boundary; chunks swapped, doubled, left out, moved; streams joined."""
    data = os.urandom((COUNT - 1) * CHUNK + last)
    stream, other = sealed(key, data), sealed(key, data)
    head, parts = chunks(stream)
    assert len(parts) == COUNT
    for boundary in [HEAD + SEALED * number for number in range(COUNT)]:
        for cut in (boundary - 1, boundary, boundary + 1, boundary + TAG - 1, boundary + TAG, boundary + TAG + 1):
            assert refused(key, stream[:cut])
    for cut in range(HEAD + 1):
        assert refused(key, stream[:cut])
    for first in range(COUNT):
        doubled = [*parts[: first + 1], *parts[first:]]
        assert refused(key, head + b"".join(doubled))
        assert refused(key, head + b"".join(parts[:first] + parts[first + 1 :]))
        for second in range(first):
            swapped = parts.copy()
            swapped[first], swapped[second] = swapped[second], swapped[first]
            assert refused(key, head + b"".join(swapped))
        _, theirs = chunks(other)
        assert refused(key, head + b"".join([*parts[:first], theirs[first], *parts[first + 1 :]]))
    assert refused(key, stream + stream)
    assert refused(key, stream + other[HEAD:])
    assert refused(key, stream + parts[-1])
    assert refused(key, stream + b"\0")
    assert refused(key, stream + bytes(TAG))
    assert refused(key, other[:HEAD] + stream[HEAD:])
    assert opened(key, stream) == data


def test_every_bit_of_the_header_and_of_a_chunk(key):
    """Header, salt, commitment, ciphertext and tag are all bound."""
    stream = sealed(key, b"plaintext", b"context")
    for bit in range(8 * len(stream)):
        changed = bytearray(stream)
        changed[bit // 8] ^= 1 << bit % 8
        assert refused(key, bytes(changed), b"context")


def test_streams_boxes_and_keys_are_not_taken_for_each_other(store, key):
    """A box is no stream, a stream no box, and another key's stream not ours."""
    stream, box = sealed(key, b"plaintext"), key.encrypt(b"plaintext" * 20)
    assert refused(key, box)
    for data in (stream, stream[:24] + bytes(200)):
        with pytest.raises(DecryptionError):
            key.decrypt(data)
        with pytest.raises(DecryptionError):
            key.needs_rewrap(data)
    assert refused(store.generate("other"), stream)


def test_chunks_go_out_before_the_end_is_known(key):
    """What is documented: a cut stream has given its first chunks, all authentic, when the error comes."""
    data = os.urandom(3 * CHUNK)
    target = io.BytesIO()
    with pytest.raises(DecryptionError):
        key.decrypt_stream(io.BytesIO(sealed(key, data)[: HEAD + 2 * SEALED]), target)
    assert data.startswith(target.getvalue())
    assert len(target.getvalue()) == CHUNK


def test_no_plaintext_is_held_by_an_exception_that_is_kept(key):
    """The buffers of a stream that failed are wiped and closed, though the frames of its error live on."""
    gc.collect()  # what other tests left in cycles is not to be released meanwhile
    stream, before = sealed(key, os.urandom(3 * CHUNK)), securemem.statistics()
    kept = []
    for cut in (HEAD + SEALED + 100, HEAD + SEALED):
        with pytest.raises(DecryptionError) as caught:
            key.decrypt_stream(io.BytesIO(stream[:cut]), io.BytesIO())
        kept.append(caught.value)
    broken = Trickle(bytes(CHUNK))
    broken.write = lambda _: None
    with pytest.raises(BlockingIOError) as caught:
        key.encrypt_stream(io.BytesIO(bytes(3 * CHUNK)), broken)
    kept.append(caught.value)
    after = securemem.statistics()
    assert (after.open_windows, after.live_bytes) == (before.open_windows, before.live_bytes)


def test_progress_and_results(key):
    """progress() is told the bytes written after each chunk; the last number is the result."""
    told = []
    stream = io.BytesIO()
    count = key.encrypt_stream(io.BytesIO(bytes(2 * CHUNK + 1)), stream, progress=told.append)
    assert told == [SEALED, 2 * SEALED, 2 * SEALED + 1 + TAG]
    assert count == told[-1]
    told.clear()
    stream.seek(0)
    assert key.decrypt_stream(stream, io.BytesIO(), progress=told.append) == 2 * CHUNK + 1
    assert told == [CHUNK, 2 * CHUNK, 2 * CHUNK + 1]


def test_limits_and_states_hold_for_streams(store):
    """A stream is one message and all its bytes; one of a destroyed version does not open."""
    key = store.generate("key", policy=Policy(max_messages=2, max_bytes=2 * CHUNK))
    stream = sealed(key, bytes(CHUNK))
    with pytest.raises(KeyPolicyError, match="max_bytes"):
        sealed(key, bytes(CHUNK + 1))
    with pytest.raises(KeyPolicyError, match="max_messages"):
        sealed(key, b"")
    key.rotate()
    assert opened(key, stream) == bytes(CHUNK)
    key.destroy(1)
    with pytest.raises(KeyPolicyError, match="destroyed"):
        opened(key, stream)
    with pytest.raises(KeyPolicyError, match="usages"):
        sealed(store.generate("mac", "HMAC-SHA-256"), b"")


@pytest.mark.parametrize("change", ["lock", "disable", "delete"])
def test_a_stream_ends_when_its_key_goes(store, key, change):
    """Locking, disabling or deleting in the middle of a stream ends it with an error, either way round."""
    changes = {"lock": store.lock, "disable": lambda: key.disable(1), "delete": lambda: store.delete("key")}
    stream = sealed(key, bytes(4 * CHUNK))
    error = StoreLockedError if change == "lock" else KeyPolicyError
    with pytest.raises(error):
        key.encrypt_stream(io.BytesIO(bytes(4 * CHUNK)), io.BytesIO(), progress=lambda _: changes[change]())
    if change == "delete":
        return
    if change == "lock":
        store.unlock(Passphrase(SecureBytes.copy_of(b"passphrase")))
    else:
        key.enable(1)
    with pytest.raises(error):
        key.decrypt_stream(io.BytesIO(stream), io.BytesIO(), progress=lambda _: changes[change]())


def test_memory_stays_flat(key):
    """A hundred times as long a stream needs no more Python memory at its peak."""

    class Zeros(io.RawIOBase):
        left = 0

        def readinto(self, buffer):
            count = min(len(buffer), self.left)
            self.left -= count
            return count

    class Sink(io.RawIOBase):
        def write(self, data):
            return len(data)

    def peak(size):
        source = Zeros()
        source.left = size
        tracemalloc.start()
        key.encrypt_stream(source, Sink())
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(CHUNK)
    assert peak(200 * CHUNK) < peak(2 * CHUNK) + CHUNK


def test_files(key, tmp_path):
    """Encrypted and decrypted whole, of mode 0600, in place of what was there, over their own source too."""
    plain, box, back = (tmp_path / name for name in ("plain", "box", "back"))
    data = os.urandom(3 * CHUNK + 9)
    plain.write_bytes(data)
    back.write_bytes(b"what was there")
    back.chmod(0o644)
    key.encrypt_file(plain, str(box), b"context")
    assert key.decrypt_file(str(box), back, b"context") == len(data)
    assert back.read_bytes() == data
    assert [path.stat().st_mode & 0o777 for path in (box, back)] == [0o600, 0o600]
    key.decrypt_file(box, box, b"context")
    assert box.read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "box", "plain"]


def test_files_that_fail_leave_nothing_behind(key, tmp_path):
    """A cut stream, a wrong context, a failing progress(), a missing source: no new file, the old one as it was."""
    plain, box, back = (tmp_path / name for name in ("plain", "box", "back"))
    plain.write_bytes(os.urandom(3 * CHUNK))
    key.encrypt_file(plain, box)
    whole = box.read_bytes()
    back.write_bytes(b"what was there")

    def stop(_):
        raise KeyboardInterrupt

    attempts = (
        (lambda: key.decrypt_file(box, back, b"other"), DecryptionError),
        (lambda: key.decrypt_file(box, tmp_path / "new", progress=stop), KeyboardInterrupt),
        (lambda: key.encrypt_file(plain, back, progress=stop), KeyboardInterrupt),
        (lambda: key.decrypt_file(tmp_path / "missing", back), FileNotFoundError),
        (lambda: key.decrypt_file(box, tmp_path / "no" / "where"), FileNotFoundError),
        (lambda: key.decrypt_file(box, tmp_path), OSError),
    )
    for attempt, error in attempts:
        with pytest.raises(error):
            attempt()
    for size in (HEAD + 2 * SEALED, len(whole) - 1, HEAD, 0):
        box.write_bytes(whole[:size])
        with pytest.raises(DecryptionError):
            key.decrypt_file(box, back)
    assert back.read_bytes() == b"what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "box", "plain"]
