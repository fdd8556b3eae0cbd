"""Envelope encryption: boxes that carry their data key, which a key-encryption key wrapped."""

from __future__ import annotations

import os
import threading

import pytest

from securemem import Arena, DecryptionError, SecureBytes
from securemem.crypto.aead import Key
from securemem.exceptions import InvalidArgumentError, SizeError
from securemem.keystore import envelope as module
from securemem.keystore.envelope import Envelope
from securemem.keystore.kek.key_file import KeyFile


class Counting:
    """A key-encryption key that counts what it is asked for."""

    def __init__(self):
        """With a random key of its own."""
        self.key = Key(SecureBytes.random(32))
        self.wraps = self.unwraps = 0

    def wrap(self, key, context):
        """Count, and encrypt."""
        self.wraps += 1
        return self.key.encrypt(key, context)

    def unwrap(self, wrapped, context):
        """Count, and decrypt."""
        self.unwraps += 1
        return self.key.decrypt(wrapped, context)


@pytest.fixture
def kek():
    """A key-encryption key that counts."""
    return Counting()


def test_a_box_opens_elsewhere(tmp_path):
    """What one process encrypts, another with the same key-encryption key decrypts."""
    tmp_path.chmod(0o700)
    made = Envelope(KeyFile.generate(tmp_path / "key"), context=b"invoices").encrypt(b"42 euros", b"number 7")
    opened = Envelope(KeyFile(tmp_path / "key"), context=b"invoices").decrypt(made, b"number 7")
    assert opened == b"42 euros"


def test_the_box_is_as_documented(kek):
    """Magic, two bytes of length, the wrapped data key, and a ciphertext bound to all of that and the aad."""
    box = Envelope(kek, context=b"c").encrypt(b"data", b"aad")
    size = int.from_bytes(box[4:6], "big")
    head, ciphertext = box[: 6 + size], box[6 + size :]
    data_key = kek.key.decrypt(head[6:], b"securemem envelope 1\0c")
    assert box[:4] == b"smv\x01"
    assert Key(data_key).decrypt(ciphertext, head + b"aad") == b"data"


def test_one_request_for_many_messages(kek):
    """The service is asked once to encrypt, and once to decrypt in another process."""
    envelope = Envelope(kek)
    boxes = [envelope.encrypt(b"%d" % number) for number in range(50)]
    other = Envelope(kek)
    assert [other.decrypt(box) == b"%d" % number for number, box in enumerate(boxes)] == [True] * 50
    assert (kek.wraps, kek.unwraps) == (1, 1)


def test_messages_of_a_data_key_are_counted(kek):
    """After max_messages another one is made, and its boxes have another head."""
    envelope = Envelope(kek, max_messages=3)
    heads = [envelope.encrypt(b"x")[:60] for _ in range(9)]
    assert kek.wraps == 3
    assert len(set(heads)) == 3


def test_a_data_key_ages(kek, monkeypatch):
    """After max_age neither the one in use nor one of an opened box is used any more."""
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    envelope = Envelope(kek, max_age=60)
    box = envelope.encrypt(b"x")
    envelope.decrypt(box)
    now[0] += 59
    envelope.encrypt(b"x")
    envelope.decrypt(box)
    assert (kek.wraps, kek.unwraps) == (1, 1)
    now[0] += 2
    envelope.encrypt(b"x")
    envelope.decrypt(box)
    assert (kek.wraps, kek.unwraps) == (2, 2)


@pytest.mark.parametrize(("keys", "asked"), [(0, 6), (1, 6), (3, 3)])
def test_so_many_data_keys_are_kept(kek, keys, asked):
    """Of the boxes that were opened, the data keys of the last max_keys are kept."""
    boxes = [Envelope(kek).encrypt(b"x") for _ in range(3)]
    envelope = Envelope(kek, max_keys=keys)
    for _ in range(2):
        for box in boxes:
            assert envelope.decrypt(box) == b"x"
    assert kek.unwraps == asked


def test_each_changed_byte_is_found(kek):
    """Wherever a box was changed, or cut, it does not open."""
    envelope = Envelope(kek)
    box = envelope.encrypt(b"data", b"aad")
    for at in range(len(box)):
        changed = bytearray(box)
        changed[at] ^= 1
        with pytest.raises(DecryptionError):
            envelope.decrypt(changed, b"aad")
        with pytest.raises(DecryptionError):
            envelope.decrypt(box[:at], b"aad")
    for aad in (b"", b"aae", box[:10] + b"aad"):
        with pytest.raises(DecryptionError):
            envelope.decrypt(box, aad)
    assert envelope.decrypt(box, b"aad") == b"data"


def test_contexts_are_apart(kek):
    """A box of one context does not open in another."""
    box = Envelope(kek, context=b"one").encrypt(b"data")
    with pytest.raises(DecryptionError):
        Envelope(kek, context=b"two").decrypt(box)


def test_clear_wipes(kek):
    """After clear(), or the with statement, no data key is alive; the next use asks for another one."""
    with Arena() as arena:
        with Envelope(kek, arena=arena) as envelope:
            box = envelope.encrypt(b"data")
            kek.unwrap = lambda wrapped, context: kek.key.decrypt(wrapped, context, arena=arena)
            assert arena.statistics().live_secrets == 1
            assert envelope.decrypt(box) == b"data"
            assert arena.statistics().live_secrets == 2
        assert arena.statistics().live_secrets == 0
        assert envelope.decrypt(box) == b"data"  # asks again
        assert arena.statistics().live_secrets == 1


def test_a_failed_key_encryption_key_leaves_nothing(kek):
    """Its error comes out, and the data key that it was to wrap is gone."""

    def broken(_key, _context):
        raise ConnectionError("away")

    kek.wrap = broken
    with Arena() as arena:
        envelope = Envelope(kek, arena=arena)
        with pytest.raises(ConnectionError, match="away") as caught:
            envelope.encrypt(b"x")
        assert caught.tb
        assert arena.statistics().live_secrets == 0


@pytest.mark.parametrize(
    ("wrapped", "error"),
    [(None, TypeError), ("text", TypeError), (b"", InvalidArgumentError), (bytes(2**16), InvalidArgumentError)],
)
def test_what_wrap_gives_is_checked(kek, wrapped, error):
    """What no box could carry is refused before anything is encrypted."""
    kek.wrap = lambda _key, _context: wrapped
    with pytest.raises(error, match="key-encryption key"):
        Envelope(kek).encrypt(b"x")


def test_what_unwrap_gives_is_checked(kek):
    """A data key of another size is refused."""
    box = Envelope(kek).encrypt(b"x")
    kek.unwrap = lambda _wrapped, _context: SecureBytes.random(16)
    with pytest.raises(SizeError, match="data key"):
        Envelope(kek).decrypt(box)
    kek.unwrap = lambda _wrapped, _context: bytes(32)
    with pytest.raises(TypeError):
        Envelope(kek).decrypt(box)


@pytest.mark.parametrize("options", [{"max_age": 0}, {"max_messages": 0}, {"max_keys": -1}, {"max_age": float("nan")}])
def test_numbers_out_of_bounds(kek, options):
    """They are refused at once."""
    with pytest.raises(InvalidArgumentError, match="max_age"):
        Envelope(kek, **options)


def test_wrong_arguments(kek):
    """Each says what to give."""
    with pytest.raises(TypeError, match="wrap"):
        Envelope("secret")
    with pytest.raises(TypeError, match="bytes"):
        Envelope(kek, context="invoices")
    with pytest.raises(TypeError):
        Envelope(kek).encrypt("text")
    with pytest.raises(TypeError):
        Envelope(kek).encrypt(b"data", "text")
    with pytest.raises(TypeError):
        Envelope(kek).decrypt("text")


def test_a_child_has_its_own(tmp_path):
    """A forked child asks again: it can open what the parent made, and the parent what the child made."""
    tmp_path.chmod(0o700)
    envelope = Envelope(KeyFile.generate(tmp_path / "key"))
    box = envelope.encrypt(b"of the parent")
    envelope.decrypt(box)
    child = os.fork()
    if child == 0:
        try:
            good = envelope.decrypt(box) == b"of the parent"
            (tmp_path / "box").write_bytes(envelope.encrypt(b"of the child"))
        finally:
            os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert envelope.decrypt((tmp_path / "box").read_bytes()) == b"of the child"


def test_threads_share_one(kek):
    """Eight threads that encrypt and decrypt at once, with few messages for a data key and few kept."""
    envelope = Envelope(kek, max_messages=7, max_keys=2)
    wrong = []

    def work(number):
        for turn in range(100):
            text = b"%d %d" % (number, turn)
            if envelope.decrypt(envelope.encrypt(text, text), text) != text:
                wrong.append(text)
            if turn % 10 == 0:
                envelope.clear()

    def tolerant(number):
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - each is told below
            wrong.append(error)

    threads = [threading.Thread(target=tolerant, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
