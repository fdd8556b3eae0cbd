"""Adapters: the real library does its work with a secret that stays in locked memory."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import logging
import socket
import ssl
import subprocess
import threading
import warnings

import pytest

from securemem import SecretTextWarning, SecureBytes
from securemem.adapters.hmac import hmac_new
from securemem.adapters.logging import MaskingFilter
from securemem.adapters.ssl import load_cert_chain
from securemem.doors import with_bytes
from securemem.exceptions import InvalidArgumentError, WipedError


@pytest.mark.parametrize("digest", ["sha256", "sha1", "sha512", "md5", "sha3_256", "blake2b"])
@pytest.mark.parametrize("size", [1, 32, 63, 64, 65, 72, 128, 136, 137, 200])
def test_hmac_is_that_of_the_standard_library(digest, size):
    """Keys shorter and longer than a block, in pieces, copied."""
    secret = SecureBytes.random(size)
    with secret.reveal() as view:
        theirs = hmac.new(bytes(view), b"first ", digest)
    ours = hmac_new(secret, b"first ", digest)
    assert ours.hexdigest() == theirs.hexdigest()
    other = ours.copy()
    for code in (ours, theirs):
        code.update(b"second")
    assert ours.digest() == theirs.digest()
    assert (ours.name, ours.digest_size, ours.block_size) == (theirs.name, theirs.digest_size, theirs.block_size)
    assert other.digest() != ours.digest()


def test_hmac_refuses():
    """A hash that does not exist, a wiped key."""
    for name in ("", "sha257", "shake_128"):
        with pytest.raises(InvalidArgumentError, match="sha256"):
            hmac_new(b"key", b"", name)
    secret = SecureBytes.random(8)
    secret.wipe()
    with pytest.raises(WipedError):
        hmac_new(secret, b"", "sha256")
    with pytest.raises(TypeError):  # the control: what the standard library says
        hmac.new(SecureBytes.random(8), b"", "sha256")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate and its key, plain and encrypted, in PEM."""
    folder = tmp_path_factory.mktemp("certificate")
    base = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=localhost", "-addext"]
    command = [*base, "subjectAltName=DNS:localhost", "-nodes", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    command = ["openssl", "rsa", "-aes256", "-passout", "pass:the password", "-in", "key.pem", "-out", "locked.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("password", [None, b"the password"])
@pytest.mark.parametrize("from_path", [False, True])
def test_a_tls_connection_with_a_key_from_locked_memory(certificate, password, from_path):
    """A server on loopback, a client that checks the certificate, bytes there and back."""
    name = "key.pem" if password is None else "locked.pem"
    key = certificate / name if from_path else SecureBytes.copy_of((certificate / name).read_bytes())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    text = None if password is None else SecureBytes.copy_of(password)
    load_cert_chain(server, certificate / "certificate.pem", key, text)
    client = ssl.create_default_context(cafile=certificate / "certificate.pem")
    ours, theirs = socket.socketpair()

    def serve():
        with server.wrap_socket(theirs, server_side=True) as connection:
            connection.sendall(connection.recv(100).upper())

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as connection:
        connection.sendall(b"there and back")
        assert connection.recv(100) == b"THERE AND BACK"
    thread.join()


def test_tls_keys_that_do_not_fit(certificate):
    """No key, a wrong password, none where one is needed: ssl.SSLError, and no question at the terminal."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    locked = SecureBytes.copy_of((certificate / "locked.pem").read_bytes())
    for key, password in (
        (SecureBytes.copy_of(b"no key"), None),
        (locked, None),
        (locked, SecureBytes.copy_of(b"another password")),
    ):
        with pytest.raises(ssl.SSLError):
            load_cert_chain(context, certificate / "certificate.pem", key, password)


@pytest.fixture
def echo():
    """A server that answers with the Authorization header that came."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = (self.headers["Authorization"] or "").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("library", ["requests", "httpx"])
def test_headers_of_clients(library, echo):
    """The header that arrives is the one of the standards; a session makes it anew for each request."""
    client = pytest.importorskip(library, reason=f"the extra {library} is not installed")
    adapter = pytest.importorskip(f"securemem.adapters.{library}")
    basic = getattr(adapter, f"{library.capitalize()}BasicAuth")
    bearer = getattr(adapter, f"{library.capitalize()}BearerAuth")
    password, token = SecureBytes.copy_of("pässword".encode()), SecureBytes.copy_of(b"token.of-some_length")
    assert client.get(echo, auth=basic("Aladdin", password)).text == "Basic QWxhZGRpbjpww6Rzc3dvcmQ="
    session = client.Session() if library == "requests" else client.Client()
    with session:
        for _ in range(2):
            assert session.get(echo, auth=bearer(token)).text == "Bearer token.of-some_length"
    token.wipe()
    with pytest.raises(WipedError):
        client.get(echo, auth=bearer(token))


@pytest.fixture
def logged():
    """A logger whose handler has the filter; what it wrote."""
    lines, secrets = [], []

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append(logging.Formatter().format(record))

    def make(*values):
        secrets.extend(SecureBytes.copy_of(value) for value in values)
        handler = Handler()
        handler.addFilter(MaskingFilter(secrets))
        logger = logging.getLogger(f"test {id(lines)}")
        logger.propagate = False
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        return logger, lines, secrets

    return make


def test_secrets_in_logs_are_masked(logged):
    """In the message, in its arguments, twice, beside other text of any kind, and in the traceback."""
    logger, lines, secrets = logged(b"s3cret-password", "schlüssel-wört".encode())
    logger.info("nothing here: %s", "é€😀")
    logger.info("password=%s and %s again", "s3cret-password", "s3cret-password")
    logger.info("é s3cret-password schlüssel-wört €")
    try:
        int("bad s3cret-password")
    except ValueError:
        logger.exception("it failed")
    assert lines[:3] == [
        "nothing here: é€😀",
        "password=[secret] and [secret] again",
        "é [secret] [secret] €",
    ]
    assert "with base 10: 'bad [secret]'" in lines[3]
    assert "s3cret" not in "".join(lines)
    secrets[0].wipe()
    logger.info("s3cret-password")
    assert lines[-1] == "s3cret-password"  # the control: without the secret it is not found


def test_a_bad_record_does_not_raise(logged):
    """A message whose arguments do not fit is withheld, not raised into the program."""
    logger, lines, _ = logged(b"s3cret-password")

    class Bad:
        def __str__(self):
            raise ZeroDivisionError

    logger.info("%s", Bad())
    logger.info("%d", "text")
    assert lines == ["[message withheld: ZeroDivisionError]", "[message withheld: TypeError]"]


def test_a_secret_that_is_logged_is_its_repr(logged):
    """As an argument, by name, as the message: its description, and no warning; the control: without it, it warns."""
    logger, lines, secrets = logged(b"s3cret-password")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logger.info("one %s two %r", secrets[0], secrets[0])
        logger.info("%(key)s", {"key": secrets[0]})
        logger.info(secrets[0])
        with pytest.raises(SecretTextWarning):
            logging.makeLogRecord({"msg": "%s", "args": (secrets[0],)}).getMessage()
    shown = repr(secrets[0])
    assert lines == [f"one {shown} two {shown!r}", shown, shown]


def test_short_secrets_are_not_masked():
    """They would be found everywhere."""
    with pytest.raises(InvalidArgumentError, match="8 bytes"):
        MaskingFilter([SecureBytes.copy_of(b"1234567")])
    with pytest.raises(TypeError):
        MaskingFilter([b"12345678"])


# Libraries that take bytes or str only, and do not keep what they are given: (module, with which copy, what is called).
CALLED = {
    "bcrypt": (with_bytes, lambda bcrypt, key: bcrypt.checkpw(key, bcrypt.hashpw(b"a password", bcrypt.gensalt(4)))),
    "argon2": (
        with_bytes,
        lambda argon2, key: argon2.PasswordHasher(1, 64, 1).verify(
            argon2.PasswordHasher(1, 64, 1).hash(b"a password"), key
        ),
    ),
    "nacl.pwhash": (
        with_bytes,
        lambda pwhash, key: pwhash.verify(pwhash.argon2id.str(b"a password", opslimit=1, memlimit=8192), key),
    ),
    "itsdangerous": (
        with_bytes,
        lambda its, key: its.Signer(key).sign(b"x") == its.Signer(b"a password").sign(b"x"),
    ),
}


@pytest.mark.parametrize("library", CALLED)
def test_libraries_that_take_a_copy(library):
    """They work with a copy for the length of the call, which is wiped: none warns that it was kept."""
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    copy, call = CALLED[library]
    assert copy(SecureBytes.copy_of(b"a password"), lambda key: call(module, key))
    with pytest.raises((TypeError, AttributeError)):  # the control: it takes no SecureBytes itself
        call(module, SecureBytes.copy_of(b"a password"))


def test_hashlib_takes_it_itself():
    """No adapter is needed where the buffer is taken."""
    secret = SecureBytes.copy_of(b"a password")
    assert hashlib.sha256(secret).digest() == hashlib.sha256(b"a password").digest()
    assert hmac.digest(secret, b"x", "sha256") == hmac.digest(b"a password", b"x", "sha256")
