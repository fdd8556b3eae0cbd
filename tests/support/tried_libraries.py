"""What the table of libraries tries: each function does one thing with a SecureBytes and a library."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import importlib
import importlib.util
import multiprocessing
import os
import queue
import smtplib
import socket
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from securemem import SecureBytes
from securemem.doors import run

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


# cryptography


def aead(name: str) -> Callable[[], bool]:
    def tried() -> bool:
        kind = getattr(primitives("ciphers.aead"), name)
        sealed = kind(secret()).encrypt(bytes(12), b"x", None)
        return bool(kind(VALUE).decrypt(bytes(12), sealed, None) == b"x")

    return tried


def fernet() -> bool:
    fernet = module("cryptography.fernet").Fernet
    return bool(fernet(BASE64).decrypt(fernet(secret(BASE64)).encrypt(b"x")) == b"x")


def cipher() -> bool:
    ciphers = primitives("ciphers")

    def made(key: Any) -> bytes:
        cipher = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CTR(bytes(16)))
        return bytes(cipher.encryptor().update(bytes(16)))

    return made(secret()) == made(VALUE)


def same(make: Callable[[Any], object]) -> Callable[[], bool]:
    """Whether what is made of the secret is what is made of its bytes."""
    return lambda: make(secret()) == make(VALUE)


def a_code(key: Any) -> bytes:
    code = primitives("hmac").HMAC(key, primitives("hashes").SHA256())
    code.update(b"x")
    return bytes(code.finalize())


def hkdf(key: Any) -> bytes:
    return bytes(primitives("kdf.hkdf").HKDF(primitives("hashes").SHA256(), 32, None, None).derive(key))


def scrypt(key: Any) -> bytes:
    return bytes(primitives("kdf.scrypt").Scrypt(b"s", 32, 2, 1, 1).derive(key))


def pem(password: Any = None, form: str = "PKCS8") -> bytes:
    """An EC private key in PEM, encrypted where there is a password."""
    key = primitives("asymmetric.ec").generate_private_key(primitives("asymmetric.ec").SECP256R1())
    forms = primitives("serialization")
    lock = forms.NoEncryption() if password is None else forms.BestAvailableEncryption(password)
    return bytes(key.private_bytes(forms.Encoding.PEM, getattr(forms.PrivateFormat, form), lock))


def load_key(text: Any, password: Any = None) -> bool:
    return bool(primitives("serialization").load_pem_private_key(text, password).key_size == 256)


def ed25519(seed: Any) -> bytes:
    key = primitives("asymmetric.ed25519").Ed25519PrivateKey.from_private_bytes(seed)
    return bytes(key.sign(b"x"))


# The standard library


def through_a_pipe(write: Callable[[int], object]) -> bool:
    reader, writer = os.pipe()
    write(writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        return file.read() == VALUE


def write_file(descriptor: int) -> None:
    with open(descriptor, "wb", 0, closefd=False) as file:
        file.write(secret())


def sent(send: Callable[[socket.socket], object]) -> bool:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours)
        return theirs.recv(100) == VALUE


def received() -> bool:
    ours, theirs = socket.socketpair()
    into = SecureBytes.zeros(len(VALUE))
    with ours, theirs:
        ours.sendall(VALUE)
        theirs.recv_into(into)
        return bool(into == VALUE)


def sqlite() -> bool:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        return bool(connection.execute("select ?", (secret(),)).fetchone()[0] == VALUE)


def queued() -> bool:
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


def dataclass() -> bool:
    return Holder(secret()) == Holder(secret()) and VALUE.decode() not in repr(Holder(secret()))


def smtp() -> str:
    client = smtplib.SMTP()
    client.user, client.password = "u", secret()
    return client.auth_plain()


def pipe(send: str, receive: str) -> Callable[[], bool]:
    def tried() -> bool:
        ours, theirs = multiprocessing.Pipe()
        with ours, theirs:
            getattr(ours, send)(secret())
            return bool(getattr(theirs, receive)() == VALUE)

    return tried


def child_reads(**options: Any) -> bool:
    code = "import os, sys; sys.stdout.buffer.write(sys.stdin.buffer.read() or open(os.environ['X'], 'rb').read())"
    done = run([sys.executable, "-c", code], capture_output=True, check=True, **options)
    return bool(done.stdout == VALUE)


def child_fed() -> bool:
    return bool(subprocess.run(["cat"], input=secret(), capture_output=True, check=True).stdout == VALUE)


# Others


def jwt(algorithm: str, key: Any) -> bool:
    return bool(module("jwt").encode({"a": 1}, key, algorithm).count(".") == 2)


def fresh_jwt(call: str) -> Callable[[], object]:
    """PyJWT with its own algorithms, whatever accept_secrets() did in this process."""

    def tried() -> object:
        algorithm = module("jwt.algorithms").HMACAlgorithm(module("jwt.algorithms").HMACAlgorithm.SHA256)
        key = algorithm.prepare_key(secret())
        return algorithm.sign(b"x", key) if call == "encode" else algorithm.verify(b"x", key, b"y")

    return tried


def flask() -> object:
    flask = module("flask")
    app = flask.Flask("app")
    app.secret_key, app.testing = secret(), True

    def home() -> str:
        flask.session["a"] = 1
        return "x"

    app.add_url_rule("/", view_func=home)
    return app.test_client().get("/").status_code == 200


def prepared(**options: Any) -> Any:
    return module("requests").Request("POST", "http://x", **options).prepare()


def httpx_header() -> bool:
    httpx = module("httpx")
    request = httpx.Request("GET", "http://x")
    next(httpx.BasicAuth("u", secret()).auth_flow(request))
    return bool(request.headers["Authorization"].encode() == b"Basic " + base64.b64encode(b"u:" + VALUE))


def boto3() -> object:
    credentials = module("botocore.credentials").ReadOnlyCredentials("id", secret(), None)
    request = module("botocore.awsrequest").AWSRequest("GET", "https://sts.amazonaws.com/")
    module("botocore.auth").SigV4Auth(credentials, "sts", "x").add_auth(request)
    return request.headers["Authorization"]


def redis() -> object:
    return module("redis.connection").Encoder("utf-8", "strict", False).encode(secret())


def sqlalchemy() -> str:
    url = module("sqlalchemy").URL.create("postgresql", username="u", password=secret())
    return str(url.render_as_string(hide_password=False))


def pymysql() -> bool:
    auth = module("pymysql._auth")
    ways = (auth.scramble_native_password, auth.scramble_caching_sha2)
    return all(way(secret(), bytes(20)) == way(VALUE, bytes(20)) for way in ways)


def raw_argon2() -> object:
    low = module("argon2.low_level")
    return low.hash_secret_raw(secret(), bytes(8), 1, 8, 1, 32, low.Type.ID)


def pydantic(kind: Callable[[Any], object]) -> Callable[[], object]:
    def tried() -> object:
        pydantic = module("pydantic")
        model = pydantic.create_model("Model", key=(kind(pydantic), ...))
        return model(key=secret()).key == VALUE

    return tried


def arbitrary() -> object:
    pydantic = module("pydantic")
    free = pydantic.ConfigDict(arbitrary_types_allowed=True)
    return pydantic.create_model("Model", __config__=free, key=(SecureBytes, ...))(key=secret()).model_dump_json()


def bcrypt() -> bool:
    bcrypt = module("bcrypt")
    return bool(bcrypt.hashpw(secret(), bcrypt.gensalt(4)))


def pwhash(key: Any) -> bool:
    return len(module("nacl.pwhash").argon2id.kdf(32, key, bytes(16), opslimit=1, memlimit=8192)) == 32


def asyncssh(password: Any) -> bool:
    asyncssh = module("asyncssh")
    made = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem", VALUE)
    return asyncssh.import_private_key(made, password) is not None
