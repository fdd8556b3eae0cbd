"""Which libraries take a SecureBytes: each line of the documentation's table, tried with the library itself."""

from __future__ import annotations

import base64
import codecs
import copy
import dataclasses
import hashlib
import hmac
import importlib.util
import io
import json
import multiprocessing
import os
import pickle
import queue
import secrets
import smtplib
import socket
import sqlite3
import struct
import subprocess
import sys
import urllib.parse
import warnings
import zlib

import pytest

from securemem import SecretTextWarning, SecureBytes
from securemem.adapters.hmac import hmac_new
from securemem.doors import concat, run, with_bytes, with_str, write_fd
from tests.support import ROOT

VALUE = b"the-secret-of-32-bytes-is-here-!"
PAGE = ROOT / "docs/reference/libraries.md"


def secret():
    """A secret with the value."""
    return SecureBytes.copy_of(VALUE)


def module(name):
    """A library, or the test is skipped."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    return importlib.import_module(name)


def aead(name):
    """Encrypts under the secret and decrypts under its bytes."""
    kind = getattr(module("cryptography.hazmat.primitives.ciphers.aead"), name)
    sealed = kind(secret()).encrypt(bytes(12), b"x", None)
    return kind(VALUE).decrypt(bytes(12), sealed, None) == b"x"


def through(write):
    """What a writer writes into a pipe."""
    reader, writer = os.pipe()
    write(writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        return file.read() == VALUE


def sent(send):
    """What is sent through a socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours)
        return theirs.recv(100) == VALUE


def received():
    """A socket writes into the secret."""
    ours, theirs = socket.socketpair()
    into = SecureBytes.zeros(len(VALUE))
    with ours, theirs:
        ours.sendall(VALUE)
        theirs.recv_into(into)
        return into == VALUE


def pwhash_checked(key):
    """Whether PyNaCl knows the password."""
    pwhash = module("nacl.pwhash")
    return pwhash.verify(pwhash.argon2id.str(VALUE, opslimit=1, memlimit=8192), key)


def bcrypt_checked(key):
    """Whether bcrypt knows the password."""
    bcrypt = module("bcrypt")
    return bcrypt.checkpw(key, bcrypt.hashpw(VALUE, bcrypt.gensalt(4)))


def argon2_checked(key):
    """argon2-cffi knows the password."""
    hasher = module("argon2").PasswordHasher(1, 64, 1)
    return hasher.verify(hasher.hash(VALUE), key)


def child_reads(**options):
    """A child that reads its standard input, or a file named in its environment."""
    code = "import os, sys; sys.stdout.buffer.write(sys.stdin.buffer.read() or open(os.environ['X'], 'rb').read())"
    return run([sys.executable, "-c", code], capture_output=True, check=True, **options).stdout == VALUE


@dataclasses.dataclass
class Holder:
    """Holds a secret."""

    key: object


# What takes it as it is: True is what each gives.
ITSELF = {
    "cryptography: AESGCM": lambda: aead("AESGCM"),
    "cryptography: ChaCha20Poly1305": lambda: aead("ChaCha20Poly1305"),
    "cryptography: Fernet": lambda: (
        module("cryptography.fernet")
        .Fernet(base64.urlsafe_b64encode(VALUE))
        .decrypt(
            module("cryptography.fernet").Fernet(SecureBytes.copy_of(base64.urlsafe_b64encode(VALUE))).encrypt(b"x")
        )
        == b"x"
    ),
    "hashlib: sha256, pbkdf2_hmac, scrypt": lambda: (
        hashlib.sha256(secret()).digest() == hashlib.sha256(VALUE).digest()
        and hashlib.pbkdf2_hmac("sha256", secret(), b"s", 2) == hashlib.pbkdf2_hmac("sha256", VALUE, b"s", 2)
        and hashlib.scrypt(secret(), salt=b"s", n=2, r=1, p=1) == hashlib.scrypt(VALUE, salt=b"s", n=2, r=1, p=1)
    ),
    "hmac.digest": lambda: hmac.digest(secret(), b"x", "sha256") == hmac.digest(VALUE, b"x", "sha256"),
    "secrets.compare_digest": lambda: secrets.compare_digest(secret(), VALUE),
    "os.write": lambda: through(lambda file: os.write(file, secret())),
    "socket: send, sendmsg, recv_into": lambda: (
        sent(lambda one: one.send(secret())) and sent(lambda one: one.sendmsg([secret()])) and received()
    ),
    "files: write, readinto": lambda: (
        through(lambda file: open(file, "wb", 0, closefd=False).write(secret()))  # noqa: SIM115 - closed by through
        and io.BytesIO(VALUE).readinto(SecureBytes.zeros(32)) == 32
    ),
    "sqlite3: a parameter (SQLite keeps a copy)": lambda: _sqlite(secret()) == VALUE,
    "struct.unpack_from, zlib.compress, base64.b32decode": lambda: (
        struct.unpack_from("32s", secret()) == (VALUE,)
        and zlib.decompress(zlib.compress(secret())) == VALUE
        and base64.b32decode(SecureBytes.copy_of(base64.b32encode(VALUE))) == VALUE
    ),
    "subprocess.run(input=) (keeps copies)": lambda: (
        subprocess.run(["cat"], input=secret(), capture_output=True, check=True).stdout == VALUE
    ),
    "queue.Queue, threading.local, dataclass fields": lambda: _queued() and Holder(secret()) == Holder(secret()),
    "httpx: auth=(user, secret)": lambda: _httpx_header() == b"Basic " + base64.b64encode(b"u:" + VALUE),
}
# What takes it through something of ours.
THROUGH = {
    ("hmac.new", "adapters.hmac.hmac_new"): lambda: (
        hmac_new(secret(), b"x", "sha256").digest() == hmac.digest(VALUE, b"x", "sha256")
    ),
    ("ssl: load_cert_chain, its password=", "adapters.ssl.load_cert_chain"): None,  # test_adapters.py connects with it
    ("requests: Basic and Bearer", "adapters.requests"): None,
    ("httpx: Basic and Bearer", "adapters.httpx"): None,
    ("psycopg; SQLAlchemy's creator=", "adapters.psycopg.SecretConnector"): None,  # test_adapters_psycopg.py
    ("pydantic: a field", "adapters.pydantic.SecureSecret"): None,  # test_adapters_pydantic.py
    ("pydantic-settings: a source", "adapters.pydantic_settings.CredentialsSource"): None,
    ("PyNaCl: SecretBox, Box, SigningKey", "adapters.nacl"): None,  # test_adapters_nacl.py
    ("PyJWT: encode, decode by HS256", "adapters.jwt.accept_secrets"): None,  # test_adapters_tokens.py
    ("itsdangerous: signers, serializers", "adapters.itsdangerous"): None,
    ("Flask: sessions", "adapters.flask.SecretSessions"): None,
    ("logging", "adapters.logging.MaskingFilter"): None,
    ("subprocess: standard input", "doors.run(stdin=)"): lambda: child_reads(stdin=secret()),
    ("subprocess: environment", "doors.run(secret_files=)"): lambda: child_reads(
        secret_files={"X": secret()}, input=b""
    ),
    ("multiprocessing: arguments of a Process, pools", "doors.allow_multiprocessing"): None,
    ("bytes + secret", "doors.concat"): lambda: concat(b"x", secret()) == b"x" + VALUE,
    ("print, sys.stdout", "doors.write_fd"): lambda: through(lambda file: write_fd(file, secret())),
    ("json.load of a file", "doors.read_json_field"): None,
    ("bcrypt: checkpw, hashpw", "doors.with_bytes"): lambda: with_bytes(secret(), bcrypt_checked),
    ("argon2-cffi: PasswordHasher", "doors.with_bytes"): lambda: with_bytes(secret(), argon2_checked),
    ("PyNaCl: pwhash", "doors.with_bytes"): lambda: with_bytes(secret(), pwhash_checked),
    ("urllib.parse.quote", "doors.with_str"): lambda: (
        with_str(secret(), urllib.parse.quote) == urllib.parse.quote(VALUE)
    ),
}
# What refuses it, as it should: its job is to copy, or it has no way for a buffer.
REFUSED = {
    "bytes(), b''.join of text, int.from_bytes, hash, pickle, copy": lambda: all(
        _refuses(use)
        for use in (
            lambda: bytes(secret()),
            lambda: hash(secret()),
            lambda: pickle.dumps(secret()),
            lambda: copy.deepcopy(secret()),
            lambda: dataclasses.asdict(Holder(secret())),
            lambda: int.from_bytes(secret()),
        )
    ),
    "json.loads": lambda: _refuses(lambda: json.loads(secret())),
    "subprocess: env=, arguments": lambda: (
        _refuses(lambda: subprocess.run(["true"], env={"X": secret()}, check=True))
        and _refuses(lambda: subprocess.run(["true", secret()], check=True))
    ),
    "multiprocessing: Pipe().send": lambda: _refuses(lambda: multiprocessing.Pipe()[0].send(secret())),
    "ssl: password= of a context's own load_cert_chain": lambda: _refuses(
        lambda: __import__("ssl").SSLContext(16).load_cert_chain("/dev/null", password=secret())
    ),
}
# What would send its description in place of the secret: each gives a SecretTextWarning.
DESCRIBED = {
    "f-strings, %s, str.format, str()": lambda: f"{secret()}",
    "urllib.parse.urlencode": lambda: urllib.parse.urlencode({"p": secret()}),
    "smtplib: login": lambda: _smtp(),
    "requests: auth=(user, secret)": lambda: module("requests").auth._basic_auth_str("u", secret()),
}


def _refuses(use):
    try:
        use()
    except (TypeError, ValueError):
        return True
    return False


def _sqlite(value):
    connection = sqlite3.connect(":memory:")
    try:
        return connection.execute("select ?", (value,)).fetchone()[0]
    finally:
        connection.close()


def _queued():
    line = queue.Queue()
    line.put(secret())
    return line.get() == VALUE


def _httpx_header():
    httpx = module("httpx")
    request = httpx.Request("GET", "http://x")
    next(httpx.BasicAuth("u", secret()).auth_flow(request))
    return request.headers["Authorization"].encode()


def _smtp():
    client = smtplib.SMTP()
    client.user, client.password = "u", secret()
    return client.auth_plain()


@pytest.mark.parametrize("line", ITSELF)
def test_takes_it_itself(line):
    """The library works with the object as with its bytes."""
    assert ITSELF[line]() is True


@pytest.mark.parametrize("line", [line for line, use in THROUGH.items() if use], ids=" | ".join)
def test_takes_it_through_something_of_ours(line):
    """The library works by the door or adapter that the page names."""
    assert THROUGH[line]() is True


@pytest.mark.parametrize("line", REFUSED)
def test_refuses_it(line):
    """It is a TypeError or ValueError, and no copy is made."""
    assert REFUSED[line]() is True


@pytest.mark.parametrize("line", DESCRIBED)
def test_uses_its_description_with_a_warning(line):
    """The text that comes out is no secret, and the warning says so."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        text = DESCRIBED[line]()
    assert any(one.category is SecretTextWarning for one in said)
    assert VALUE.decode() not in text
    assert base64.b64encode(VALUE).decode()[:-2] not in text


def test_the_page_has_these_lines():
    """The table of the documentation is this module's, line by line."""
    page = PAGE.read_text()
    rows = [f"| {line} | itself |" for line in ITSELF]
    rows += [f"| {line} | `{by}` |" for line, by in THROUGH]
    rows += [f"| {line} | no: an error |" for line in REFUSED]
    rows += [f"| {line} | no: a description, and a warning |" for line in DESCRIBED]
    missing = [row for row in rows if row not in page]
    assert missing == []
    table = page[: page.index("\n## ")]
    assert table.count("\n| ") == len(rows) + 1  # the head


def test_codecs_copy():
    """What makes a str of a buffer copies it, and nothing can warn: the page says so."""
    assert codecs.decode(secret(), "ascii") == VALUE.decode()
    assert '`str(secret, "utf-8")`' in PAGE.read_text()
