"""What other libraries do with a SecureBytes, each tried with the library itself: the documentation's table.

A line is what is used, what comes of a SecureBytes as it is (YES, ERROR, WARNING), how that is tried, what of ours the
library takes it through, and how that is tried: a function, or the test module that does it.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import dataclasses
import hashlib
import hmac
import importlib
import importlib.util
import io
import json
import logging
import multiprocessing
import os
import pickle
import queue
import secrets
import smtplib
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import threading
import urllib.parse
import warnings
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from securemem import SecretTextWarning, SecureBytes
from securemem.adapters.hmac import hmac_new
from securemem.doors import concat, run, with_bytes, with_str

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VALUE = b"the-secret-of-32-bytes-is-here-!"
BASE32, BASE64 = base64.b32encode(VALUE), base64.urlsafe_b64encode(VALUE)
YES, ERROR, WARNING, COPIES = "yes", "an error", "its description, and a warning", "yes, as a copy"
NOTHING = "nothing: give a copy"


_plainly = False


def secret(value: bytes = VALUE) -> Any:
    """A secret with the value; of no type for the checker, since it goes where it may not."""
    return value if _plainly else SecureBytes.copy_of(value)


def text(value: bytes = VALUE) -> Any:
    """A secret for what takes text."""
    return value.decode() if _plainly else SecureBytes.copy_of(value)


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """What is tried is tried with bytes."""
    global _plainly  # noqa: PLW0603 - for the uses, which take no argument
    _plainly = True
    try:
        yield
    finally:
        _plainly = False


def module(name: str) -> Any:
    """A library, or the test is skipped."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    return importlib.import_module(name)


def primitives(name: str) -> Any:
    """A module of cryptography's."""
    return module(f"cryptography.hazmat.primitives.{name}")


class Line(NamedTuple):
    """A line of the table."""

    use: str
    outcome: str
    tried: Callable[[], object]
    through: str = "-"
    through_tried: Callable[[], object] | str | None = None


def outcome(tried: Callable[[], object]) -> str:
    """What comes of a SecureBytes as it is. What comes out by a warning must not be the secret."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = tried()
        except (TypeError, ValueError, AttributeError, LookupError, AssertionError) as error:
            result = error
        except Exception as error:  # a library's own
            if not type(error).__module__.partition(".")[0].startswith(("redis", "jwt", "pydantic", "argon2")):
                raise
            result = error
    if any(one.category is SecretTextWarning for one in said):
        text = result if isinstance(result, str) else repr(result)
        assert VALUE.decode() not in text
        assert base64.b64encode(VALUE).decode()[:-2] not in text
        return WARNING
    if isinstance(result, Exception):
        assert VALUE.decode() not in f"{result}{result!r}"
        return ERROR
    return YES if result is True else repr(result)


# cryptography


def _aead(name: str) -> Callable[[], bool]:
    def tried() -> bool:
        kind = getattr(primitives("ciphers.aead"), name)
        sealed = kind(secret()).encrypt(bytes(12), b"x", None)
        return bool(kind(VALUE).decrypt(bytes(12), sealed, None) == b"x")

    return tried


def _fernet() -> bool:
    fernet = module("cryptography.fernet").Fernet
    return bool(fernet(BASE64).decrypt(fernet(secret(BASE64)).encrypt(b"x")) == b"x")


def _cipher() -> bool:
    ciphers = primitives("ciphers")

    def made(key: Any) -> bytes:
        cipher = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CTR(bytes(16)))
        return bytes(cipher.encryptor().update(bytes(16)))

    return made(secret()) == made(VALUE)


def _same(make: Callable[[Any], object]) -> Callable[[], bool]:
    """Whether what is made of the secret is what is made of its bytes."""
    return lambda: make(secret()) == make(VALUE)


def _code(key: Any) -> bytes:
    code = primitives("hmac").HMAC(key, primitives("hashes").SHA256())
    code.update(b"x")
    return bytes(code.finalize())


def _hkdf(key: Any) -> bytes:
    return bytes(primitives("kdf.hkdf").HKDF(primitives("hashes").SHA256(), 32, None, None).derive(key))


def _scrypt(key: Any) -> bytes:
    return bytes(primitives("kdf.scrypt").Scrypt(b"s", 32, 2, 1, 1).derive(key))


def pem(password: Any = None, form: str = "PKCS8") -> bytes:
    """An EC private key in PEM, encrypted where there is a password."""
    key = primitives("asymmetric.ec").generate_private_key(primitives("asymmetric.ec").SECP256R1())
    forms = primitives("serialization")
    lock = forms.NoEncryption() if password is None else forms.BestAvailableEncryption(password)
    return bytes(key.private_bytes(forms.Encoding.PEM, getattr(forms.PrivateFormat, form), lock))


def _load(text: Any, password: Any = None) -> bool:
    return bool(primitives("serialization").load_pem_private_key(text, password).key_size == 256)


def _ed25519(seed: Any) -> bytes:
    key = primitives("asymmetric.ed25519").Ed25519PrivateKey.from_private_bytes(seed)
    return bytes(key.sign(b"x"))


# The standard library


def _through_a_pipe(write: Callable[[int], object]) -> bool:
    reader, writer = os.pipe()
    write(writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        return file.read() == VALUE


def _write_file(descriptor: int) -> None:
    with open(descriptor, "wb", 0, closefd=False) as file:
        file.write(secret())


def _sent(send: Callable[[socket.socket], object]) -> bool:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours)
        return theirs.recv(100) == VALUE


def _received() -> bool:
    ours, theirs = socket.socketpair()
    into = SecureBytes.zeros(len(VALUE))
    with ours, theirs:
        ours.sendall(VALUE)
        theirs.recv_into(into)
        return bool(into == VALUE)


def _sqlite() -> bool:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        return bool(connection.execute("select ?", (secret(),)).fetchone()[0] == VALUE)


def _queued() -> bool:
    line: queue.Queue[SecureBytes] = queue.Queue()
    line.put(secret())
    local = threading.local()
    local.key = line.get()
    return bool(local.key == VALUE)


@dataclasses.dataclass
class Holder:
    """Holds a secret."""

    key: object


@dataclasses.dataclass(frozen=True)
class FrozenHolder:
    """Holds a secret, and would be hashed by it."""

    key: object


def _dataclass() -> bool:
    return Holder(secret()) == Holder(secret()) and VALUE.decode() not in repr(Holder(secret()))


def _smtp() -> str:
    client = smtplib.SMTP()
    client.user, client.password = "u", secret()
    return client.auth_plain()


def _pipe(send: str, receive: str) -> Callable[[], bool]:
    def tried() -> bool:
        ours, theirs = multiprocessing.Pipe()
        with ours, theirs:
            getattr(ours, send)(secret())
            return bool(getattr(theirs, receive)() == VALUE)

    return tried


def _child_reads(**options: Any) -> bool:
    code = "import os, sys; sys.stdout.buffer.write(sys.stdin.buffer.read() or open(os.environ['X'], 'rb').read())"
    done = run([sys.executable, "-c", code], capture_output=True, check=True, **options)
    return bool(done.stdout == VALUE)


def _child_fed() -> bool:
    return bool(subprocess.run(["cat"], input=secret(), capture_output=True, check=True).stdout == VALUE)


# Others


def _jwt(algorithm: str, key: Any) -> bool:
    return bool(module("jwt").encode({"a": 1}, key, algorithm).count(".") == 2)


def _fresh_jwt(call: str) -> Callable[[], object]:
    """PyJWT with its own algorithms, whatever accept_secrets() did in this process."""

    def tried() -> object:
        algorithm = module("jwt.algorithms").HMACAlgorithm(module("jwt.algorithms").HMACAlgorithm.SHA256)
        key = algorithm.prepare_key(secret())
        return algorithm.sign(b"x", key) if call == "encode" else algorithm.verify(b"x", key, b"y")

    return tried


def _flask() -> object:
    flask = module("flask")
    app = flask.Flask("app")
    app.secret_key, app.testing = secret(), True

    def home() -> str:
        flask.session["a"] = 1
        return "x"

    app.add_url_rule("/", view_func=home)
    return app.test_client().get("/").status_code == 200


def _prepared(**options: Any) -> Any:
    return module("requests").Request("POST", "http://x", **options).prepare()


def _httpx_header() -> bool:
    httpx = module("httpx")
    request = httpx.Request("GET", "http://x")
    next(httpx.BasicAuth("u", secret()).auth_flow(request))
    return bool(request.headers["Authorization"].encode() == b"Basic " + base64.b64encode(b"u:" + VALUE))


def _boto3() -> object:
    credentials = module("botocore.credentials").ReadOnlyCredentials("id", secret(), None)
    request = module("botocore.awsrequest").AWSRequest("GET", "https://sts.amazonaws.com/")
    module("botocore.auth").SigV4Auth(credentials, "sts", "x").add_auth(request)
    return request.headers["Authorization"]


def _redis() -> object:
    return module("redis.connection").Encoder("utf-8", "strict", False).encode(secret())


def _sqlalchemy() -> str:
    url = module("sqlalchemy").URL.create("postgresql", username="u", password=secret())
    return str(url.render_as_string(hide_password=False))


def _pymysql() -> bool:
    auth = module("pymysql._auth")
    ways = (auth.scramble_native_password, auth.scramble_caching_sha2)
    return all(way(secret(), bytes(20)) == way(VALUE, bytes(20)) for way in ways)


def _raw_argon2() -> object:
    low = module("argon2.low_level")
    return low.hash_secret_raw(secret(), bytes(8), 1, 8, 1, 32, low.Type.ID)


def _pydantic(kind: Callable[[Any], object]) -> Callable[[], object]:
    def tried() -> object:
        pydantic = module("pydantic")
        model = pydantic.create_model("Model", key=(kind(pydantic), ...))
        return model(key=secret()).key == VALUE

    return tried


def _arbitrary() -> object:
    pydantic = module("pydantic")
    free = pydantic.ConfigDict(arbitrary_types_allowed=True)
    return pydantic.create_model("Model", __config__=free, key=(SecureBytes, ...))(key=secret()).model_dump_json()


def _bcrypt() -> bool:
    bcrypt = module("bcrypt")
    return bool(bcrypt.hashpw(secret(), bcrypt.gensalt(4)))


def _pwhash(key: Any) -> bool:
    return len(module("nacl.pwhash").argon2id.kdf(32, key, bytes(16), opslimit=1, memlimit=8192)) == 32


def _asyncssh(password: Any) -> bool:
    asyncssh = module("asyncssh")
    made = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem", VALUE)
    return asyncssh.import_private_key(made, password) is not None


LINES = (
    Line("cryptography: `Fernet`", YES, _fernet),
    *(
        Line(f"cryptography: `{name}`", YES, _aead(name))
        for name in ("AESGCM", "ChaCha20Poly1305", "AESGCMSIV", "AESCCM", "AESOCB3")
    ),
    Line("cryptography: `Cipher(AES(secret))`", YES, _cipher),
    Line("cryptography: `HMAC`", YES, _same(_code)),
    Line("cryptography: `HKDF`", YES, _same(_hkdf)),
    Line("cryptography: `Scrypt`", YES, _same(_scrypt)),
    Line("cryptography: `load_pem_private_key`", YES, lambda: _load(secret(pem()))),
    Line("cryptography: `load_pem_private_key(password=)`", YES, lambda: _load(pem(VALUE), secret())),
    Line("cryptography: `Ed25519PrivateKey.from_private_bytes`", YES, _same(_ed25519)),
    Line(
        "cryptography: `BestAvailableEncryption`",
        ERROR,
        lambda: pem(secret()),
        "doors.with_bytes",
        lambda: _load(with_bytes(secret(), pem), VALUE),
    ),
    Line("PyNaCl: `SecretBox`", ERROR, lambda: module("nacl.secret").SecretBox(secret()), "adapters.nacl", "nacl"),
    Line("PyNaCl: `SigningKey`", ERROR, lambda: module("nacl.signing").SigningKey(secret()), "adapters.nacl", "nacl"),
    Line("PyNaCl: `PrivateKey`", ERROR, lambda: module("nacl.public").PrivateKey(secret()), "adapters.nacl", "nacl"),
    Line(
        "PyNaCl: `pwhash`",
        ERROR,
        lambda: _pwhash(secret()),
        "doors.with_bytes",
        lambda: with_bytes(secret(), _pwhash),
    ),
    Line("PyJWT: `encode`, HS256", ERROR, _fresh_jwt("encode"), "adapters.jwt.accept_secrets", "tokens"),
    Line("PyJWT: `decode`, HS256", ERROR, _fresh_jwt("decode"), "adapters.jwt.accept_secrets", "tokens"),
    Line(
        "PyJWT: `encode`, a key in PEM",
        ERROR,
        lambda: _jwt("ES256", secret(pem())),
        "doors.with_bytes",
        lambda: with_bytes(secret(pem()), lambda key: _jwt("ES256", key)),
    ),
    Line(
        "itsdangerous: `Signer`",
        ERROR,
        lambda: module("itsdangerous").Signer(secret()).sign(b"x"),
        "adapters.itsdangerous",
        "tokens",
    ),
    Line(
        "itsdangerous: `URLSafeTimedSerializer`",
        ERROR,
        lambda: module("itsdangerous").URLSafeTimedSerializer(secret()).dumps("x"),
        "adapters.itsdangerous",
        "tokens",
    ),
    Line("Flask: `secret_key`", ERROR, _flask, "adapters.flask.SecretSessions", "tokens"),
    Line(
        "requests: `auth=(user, secret)`",
        WARNING,
        lambda: _prepared(auth=("u", secret())).headers["Authorization"],
        "adapters.requests",
        "",
    ),
    Line(
        "requests: `HTTPBasicAuth`",
        WARNING,
        lambda: _prepared(auth=module("requests").auth.HTTPBasicAuth(b"u", secret())).headers["Authorization"],
        "adapters.requests",
        "",
    ),
    Line(
        "requests: `headers={'Authorization': secret}`",
        ERROR,
        lambda: _prepared(headers={"Authorization": secret()}),
        "adapters.requests",
        "",
    ),
    Line("requests: `data=`", YES, lambda: bytes(memoryview(_prepared(data=secret()).body)) == VALUE),
    Line("httpx: `auth=(user, secret)`", YES, _httpx_header),
    Line(
        "httpx: `headers={'Authorization': secret}`",
        ERROR,
        lambda: module("httpx").Request("GET", "http://x", headers={"Authorization": secret()}),
        "adapters.httpx",
        "",
    ),
    Line(
        "psycopg: `password=`",
        WARNING,
        lambda: module("psycopg.conninfo").make_conninfo(password=secret()),
        "adapters.psycopg.SecretConnector",
        "psycopg",
    ),
    Line("SQLAlchemy: `URL`", WARNING, _sqlalchemy, "adapters.psycopg.SecretConnector, as creator=", "psycopg"),
    Line("PyMySQL: `password=`", YES, _pymysql),
    Line("redis: `password=`", ERROR, _redis, "adapters.redis.SecretCredentials", "redis"),
    Line("boto3: `aws_secret_access_key=`", WARNING, _boto3, "adapters.boto3.secret_session", "boto3"),
    Line("bcrypt: `hashpw`, `checkpw`", ERROR, _bcrypt, "adapters.bcrypt", "passwords"),
    Line(
        "argon2-cffi: `PasswordHasher`",
        ERROR,
        lambda: module("argon2").PasswordHasher(1, 64, 1).hash(secret()),
        "adapters.argon2.SecretHasher",
        "passwords",
    ),
    Line("argon2-cffi: `hash_secret_raw`", ERROR, _raw_argon2, "crypto.argon2.argon2id", "crypto"),
    Line(
        "pyotp: `TOTP`", YES, lambda: module("pyotp").TOTP(secret(BASE32)).at(0) == module("pyotp").TOTP(BASE32).at(0)
    ),
    Line("pydantic: `SecretBytes`", ERROR, _pydantic(lambda one: one.SecretBytes), "adapters.pydantic", "pydantic"),
    Line("pydantic: a field", ERROR, _pydantic(lambda _: SecureBytes), "adapters.pydantic.SecureSecret", "pydantic"),
    Line(
        "pydantic: `arbitrary_types_allowed`, to JSON", ERROR, _arbitrary, "adapters.pydantic.SecureSecret", "pydantic"
    ),
    Line("hashlib: `sha256`", YES, _same(lambda key: hashlib.sha256(key).digest())),
    Line("hashlib: `pbkdf2_hmac`", YES, _same(lambda key: hashlib.pbkdf2_hmac("sha256", key, b"s", 2))),
    Line("hashlib: `scrypt`", YES, _same(lambda key: hashlib.scrypt(key, salt=b"s", n=2, r=1, p=1))),
    Line("`hmac.digest`", YES, _same(lambda key: hmac.digest(key, b"x", "sha256"))),
    Line(
        "`hmac.new`",
        ERROR,
        lambda: hmac.new(secret(), b"x", "sha256"),
        "adapters.hmac.hmac_new",
        lambda: hmac_new(secret(), b"x", "sha256").digest() == hmac.digest(VALUE, b"x", "sha256"),
    ),
    Line("`secrets.compare_digest`", YES, lambda: secrets.compare_digest(secret(), VALUE)),
    Line("`base64.b32decode`", YES, lambda: base64.b32decode(secret(BASE32)) == VALUE),
    Line(
        "ssl: `load_cert_chain(password=)`",
        ERROR,
        lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain("/dev/null", password=secret()),
        "adapters.ssl.load_cert_chain",
        "",
    ),
    Line("smtplib: `login`", WARNING, _smtp, "adapters.smtplib.login", "smtplib"),
    Line("`sqlite3`: a parameter (it keeps a copy)", YES, _sqlite),
    Line("`os.write`", YES, lambda: _through_a_pipe(lambda file: os.write(file, secret()))),
    Line("socket: `send`", YES, lambda: _sent(lambda one: one.send(secret()))),
    Line("socket: `sendmsg`", YES, lambda: _sent(lambda one: one.sendmsg([secret()]))),
    Line("socket: `recv_into`", YES, _received),
    Line("files: `write` (a buffered one keeps a copy)", YES, lambda: _through_a_pipe(_write_file)),
    Line("files: `readinto`", YES, lambda: io.BytesIO(VALUE).readinto(SecureBytes.zeros(32)) == 32),
    Line("`struct.unpack_from`", COPIES, lambda: struct.unpack_from("32s", secret()) == (VALUE,)),
    Line("`zlib.compress`", COPIES, lambda: zlib.decompress(zlib.compress(secret())) == VALUE),
    Line("`str(secret, 'utf-8')`", COPIES, lambda: str(secret(), "utf-8") == VALUE.decode()),
    Line("`codecs.decode`", COPIES, lambda: codecs.decode(secret(), "ascii") == VALUE.decode()),
    Line("`numpy.frombuffer`", COPIES, lambda: module("numpy").frombuffer(secret(), "u1").tobytes() == VALUE),
    Line(
        "`subprocess.run(input=)` (it keeps copies)", YES, _child_fed, "doors.run", lambda: _child_reads(stdin=secret())
    ),
    Line(
        "`subprocess.run(env=)`, arguments",
        ERROR,
        lambda: subprocess.run(["true", secret()], env={"X": secret()}, check=True),
        "doors.run",
        lambda: _child_reads(secret_files={"X": secret()}, input=b""),
    ),
    Line(
        "`json.loads`",
        ERROR,
        lambda: json.loads(secret(b'"x"')),
        "doors.read_json_field",
        "json",
    ),
    Line(
        "`urllib.parse.quote`",
        ERROR,
        lambda: urllib.parse.quote(secret()),
        "doors.with_str",
        lambda: with_str(secret(), urllib.parse.quote) == urllib.parse.quote(VALUE),
    ),
    Line(
        "`urllib.parse.urlencode`",
        WARNING,
        lambda: urllib.parse.urlencode({"p": secret()}),
        "doors.with_str",
        lambda: (
            with_str(secret(), lambda text: urllib.parse.urlencode({"p": text})) == "p=" + urllib.parse.quote(VALUE)
        ),
    ),
    Line(
        "f-strings, `%s`, `str.format`, `print`", WARNING, lambda: f"{secret()}%s" % secret(), "doors.write_fd", "files"
    ),
    Line(
        "`bytes + secret`",
        ERROR,
        lambda: bytes(secret()),
        "doors.concat",
        lambda: concat(b"x", secret()) == b"x" + VALUE,
    ),
    Line("`hash`, a frozen dataclass's too", ERROR, lambda: hash(FrozenHolder(secret()))),
    Line("`dataclasses`: a field, `==`, `repr`", YES, _dataclass),
    Line("`dataclasses.asdict`, `copy`, `pickle`", ERROR, lambda: pickle.dumps(dataclasses.asdict(Holder(secret())))),
    Line("`int.from_bytes`", ERROR, lambda: int.from_bytes(secret(), "big")),
    Line("`queue.Queue`, `threading.local`", YES, _queued),
    Line(
        "multiprocessing: `Pipe().send`, a Process's arguments",
        ERROR,
        _pipe("send", "recv"),
        "doors.allow_multiprocessing",
        "programs",
    ),
    Line("multiprocessing: `Pipe().send_bytes`", COPIES, _pipe("send_bytes", "recv_bytes")),
    Line(
        "logging: a secret in a message",
        WARNING,
        lambda: logging.makeLogRecord({"msg": "key=%s", "args": (secret(),)}).getMessage(),
        "adapters.logging.MaskingFilter",
        "",
    ),
    Line(
        "paramiko: keys",
        ERROR,
        lambda: module("paramiko").ECDSAKey.from_private_key(io.StringIO(text(pem(form="TraditionalOpenSSL")))),
        NOTHING,
    ),
    Line(
        "paramiko: the password of a key",
        ERROR,
        lambda: module("paramiko").ECDSAKey.from_private_key(
            io.StringIO(pem(VALUE, "TraditionalOpenSSL").decode()), secret()
        ),
        NOTHING,
    ),
    Line("asyncssh: keys", ERROR, lambda: module("asyncssh").import_private_key(secret(pem())), NOTHING),
    Line("asyncssh: the password of a key", YES, lambda: _asyncssh(secret())),
    Line(
        "pyOpenSSL: the password of a key",
        ERROR,
        lambda: module("OpenSSL.crypto").load_privatekey(1, pem(VALUE), secret()),
        NOTHING,
    ),
    Line("pyrage: a passphrase", ERROR, lambda: module("pyrage.passphrase").encrypt(b"x", text()), NOTHING),
)


def table() -> str:
    """The documentation's table."""
    head = "| library and use | as it is | through |\n|---|---|---|\n"

    def way(line: Line) -> str:
        return line.through if line.through in {"-", NOTHING} else f"`{line.through}`"

    return head + "".join(f"| {line.use} | {line.outcome} | {way(line)} |\n" for line in LINES)
