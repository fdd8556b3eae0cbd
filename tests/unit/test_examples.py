"""Every program in examples/ does what it says, run as a reader would run it."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def _run(name, *arguments, **options):
    command = [sys.executable, EXAMPLES / name, *arguments]
    return subprocess.run(command, check=False, capture_output=True, **options)


@pytest.fixture
def key(tmp_path):
    """A key file as the example makes it."""
    path = tmp_path / "key"
    assert _run("encrypt_file.py", "generate", path).returncode == 0
    return path


def test_generated_key_is_private_and_never_overwritten(key):
    """32 bytes, for the owner only; a second one in its place is refused."""
    before = key.read_bytes()
    assert len(before) == 32
    assert key.stat().st_mode & 0o777 == 0o600
    assert _run("encrypt_file.py", "generate", key).returncode == 1
    assert key.read_bytes() == before


@pytest.mark.parametrize("size", [0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 32 * 1024, 3_000_000])
def test_encrypted_file_comes_back(tmp_path, key, size):
    """Files of every size around the chunk come back equal, and are not to be seen in between."""
    plain, sealed, again = tmp_path / "plain", tmp_path / "sealed", tmp_path / "again"
    plain.write_bytes(os.urandom(size))
    assert _run("encrypt_file.py", "encrypt", key, plain, sealed).returncode == 0
    assert size < 16 or plain.read_bytes()[:16] not in sealed.read_bytes()
    assert _run("encrypt_file.py", "decrypt", key, sealed, again).returncode == 0
    assert again.read_bytes() == plain.read_bytes()


CHANGES = {
    "a bit": lambda data: data[:9] + bytes([data[9] ^ 1]) + data[10:],
    "the last chunk cut off": lambda data: data[: 8 + 16 * 1024 + 16],
    "bytes cut off": lambda data: data[:-5],
    "chunks exchanged": lambda data: data[:8] + data[16408:32808] + data[8:16408] + data[32808:],
    "something appended": lambda data: data + bytes(100),
    "the version": lambda data: b"\x02" + data[1:],
    "all but the head cut off": lambda data: data[:8],
    "everything cut off": lambda data: data[:0],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_file_is_refused_and_leaves_nothing(tmp_path, key, change):
    """Any change is found, told in one line, and no part of the plaintext is left as a file."""
    plain, sealed, again = tmp_path / "plain", tmp_path / "sealed", tmp_path / "again"
    plain.write_bytes(os.urandom(40_000))
    assert _run("encrypt_file.py", "encrypt", key, plain, sealed).returncode == 0
    sealed.write_bytes(change(sealed.read_bytes()))
    done = _run("encrypt_file.py", "decrypt", key, sealed, again)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "plain", "sealed"]


def test_wrong_key_files_are_told(tmp_path, key):
    """Another key, and a file that is no key, are refused in one line."""
    plain, sealed, other = tmp_path / "plain", tmp_path / "sealed", tmp_path / "other"
    plain.write_bytes(b"text")
    assert _run("encrypt_file.py", "encrypt", key, plain, sealed).returncode == 0
    other.write_bytes(os.urandom(32))
    assert b"not its key" in _run("encrypt_file.py", "decrypt", other, sealed, tmp_path / "again").stderr
    other.write_bytes(os.urandom(31))
    assert b"is not a key" in _run("encrypt_file.py", "decrypt", other, sealed, tmp_path / "again").stderr


@pytest.mark.parametrize("token", [b"t", b"token-of-an-api", bytes(range(256)) * 15], ids=len)
def test_signed_request_verifies(tmp_path, token):
    """The signature is HMAC-SHA-256 of timestamp and body under the token, for each body."""
    bodies = [tmp_path / "one", tmp_path / "two"]
    for number, path in enumerate(bodies):
        path.write_bytes(b"body %d" % number)
    done = _run("hold_api_key.py", *bodies, input=token)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = [line.split(": ") for line in done.stdout.decode().splitlines()]
    assert [name for name, _ in lines] == ["X-Timestamp", "X-Signature"] * 2
    for number, body in enumerate(bodies):
        timestamp, signature = lines[2 * number][1], lines[2 * number + 1][1]
        message = timestamp.encode() + b"\n" + body.read_bytes()
        assert signature == hmac.new(token, message, hashlib.sha256).hexdigest()


def test_no_token_and_no_body_are_told(tmp_path):
    """Without a token, a body, or a file of that name: status 2 and one line."""
    body = tmp_path / "body"
    body.write_bytes(b"body")
    for done in (
        _run("hold_api_key.py", body, input=b""),
        _run("hold_api_key.py", input=b"token"),
        _run("hold_api_key.py", tmp_path / "missing", input=b"token"),
    ):
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.count(b"\n") == 1
