"""An attacker reads the memory of a process that gives a secret to a library through an adapter.

Beside each adapter the same process gives a second secret to the library as programs do today: what finds that would
find the first.
"""

from __future__ import annotations

import importlib.util
import secrets

import pytest

from tests.support.key_schedules import every_form_of

IMPORTS = "from securemem import doors\n"
PYDANTIC = """
import pydantic
from securemem.adapters.pydantic import *
class Plain(pydantic.BaseModel):
    token: str
class Of(SecretModel):
    token: SecureSecret
class From(SecretModel):
    token: SecretFile
"""
NACL = """
import nacl.secret, nacl.signing
from securemem.adapters.nacl import *
"""
JWT = """
import jwt
from securemem.adapters.jwt import accept_secrets
accept_secrets()
"""
ITS = """
import itsdangerous
from securemem.adapters.itsdangerous import *
"""
FLASK = """
import flask
from securemem.adapters.flask import SecretSessions
def visit(interface=None, key=None):
    app = flask.Flask("app")
    if interface: app.session_interface = interface
    app.secret_key = key
    @app.get("/")
    def home():
        flask.session["a"] = flask.session.get("a", 0) + 1
        return str(flask.session["a"])
    client = app.test_client()
    client.get("/")
    assert client.get("/").text == "2"
    return app
"""
SSL = """
import ssl, subprocess
from securemem.adapters.ssl import load_cert_chain
def make(name):
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=x", "-out", "certificate.pem"]
    words += ["-keyout", f"{name}.pem", "-passout", f"file:{name}"]
    subprocess.run(words, check=True, capture_output=True)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
"""
BOTO3 = """
import http.server, threading, boto3
from botocore.config import Config
from securemem.adapters.boto3 import secret_session
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        assert "Signature=" in self.headers["Authorization"]
        body = b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
def ask(session):
    session.client("s3").generate_presigned_url("list_buckets")
    client = session.client("sts", endpoint_url=f"http://127.0.0.1:{server.server_port}")
    client.get_caller_identity()
    return client
"""
ARGON2 = """
import argon2
from securemem.adapters.argon2 import SecretHasher
"""
BCRYPT = """
import bcrypt
from securemem.adapters.bcrypt import check, hash_password
"""
READ = "doors.read_file('key')"
TODAY = "open('control', 'rb').read()"
MODEL = "Plain(token=open('control').read())"
# name: (the library, what comes first, with the adapter, without it, copies in locked memory and elsewhere)
CASES = {
    "pydantic, a SecureBytes": ("pydantic", PYDANTIC, f"Of(token={READ}).token", MODEL, (1, 0)),
    "pydantic, a file": ("pydantic", PYDANTIC, "From(token='key').token", MODEL, (1, 0)),
    "pydantic, dumped": (
        "pydantic",
        PYDANTIC,
        f"{READ}; model = Of(token=key); model.model_dump(); model.model_dump_json(); repr(model)",
        MODEL,
        (1, 0),
    ),
    "PyNaCl, a box": (
        "nacl",
        NACL,
        f"{READ}; box = LockedSecretBox(key); box.decrypt(box.encrypt(b'text'))",
        f"nacl.secret.SecretBox({TODAY})",
        (1, 0),
    ),
    "PyNaCl, what a box held": (
        "nacl",
        NACL,
        f"{READ}; box = LockedSecretBox(SecureBytes.random(32)); sealed = box.encrypt(key); key.wipe(); "
        "key = box.decrypt(sealed)",
        f"nacl.secret.SecretBox(bytes(32)).decrypt(nacl.secret.SecretBox(bytes(32)).encrypt({TODAY}))",
        (1, 0),
    ),
    "PyNaCl, signing": (
        "nacl",
        NACL,
        f"{READ}; signer = LockedSigningKey(key); signer.sign(b'text'); del signer",
        f"nacl.signing.SigningKey({TODAY})",
        (1, 0),
    ),
    "PyJWT": (
        "jwt",
        JWT,
        f"{READ}; jwt.decode(jwt.encode({{}}, key, 'HS256'), key, ['HS256'])",
        f"{TODAY}; jwt.encode({{}}, control, 'HS256')",
        (1, 0),
    ),
    "itsdangerous": (
        "itsdangerous",
        ITS,
        f"{READ}; signer = SecretSigner(key); signer.unsign(signer.sign(b'text'))",
        f"itsdangerous.Signer({TODAY})",
        (1, 0),
    ),
    "ssl, a password": (
        "ssl",
        SSL,
        f"{READ}; context = make('key'); load_cert_chain(context, 'certificate.pem', 'key.pem', key)",
        f"{TODAY}; make('control').load_cert_chain('certificate.pem', 'control.pem', control)",
        (1, 0),
    ),
    "boto3": (
        "boto3",
        BOTO3,
        f"{READ}; client = ask(secret_session('id', key, region_name='eu-west-1'))",
        "open('control').read(); other = ask(boto3.Session('id', control, region_name='eu-west-1'))",
        (1, 0),
    ),
    "argon2-cffi": (
        "argon2",
        ARGON2,
        f"{READ}; hasher = SecretHasher(1, 64, 2); hasher.verify(hasher.hash(key), key)",
        f"{TODAY}; argon2.PasswordHasher(1, 64, 2).hash(control)",
        (1, 0),
    ),
    "bcrypt": (
        "bcrypt",
        BCRYPT,
        f"{READ}; check(key, hash_password(key, 4))",
        f"{TODAY}; bcrypt.hashpw(control, bcrypt.gensalt(4))",
        (1, 0),
    ),
    "Flask": ("flask", FLASK, f"{READ}; app = visit(SecretSessions(key))", f"visit(key={TODAY})", (1, 0)),
}
LIFE = """
stand_still()
key = {door}
control = {today}
stand_still()
key.wipe()
stand_still()
"""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_copies(prey, tmp_path, case):
    """The copies that the page states while the library has the secret; none before, and none after it is wiped."""
    library, before, door, today, copies = case
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    attacked = prey(IMPORTS + before + LIFE.format(door=door, today=today))
    attacked.wait()
    for name in ("key", "control"):
        value = secrets.token_urlsafe(24).encode()
        setattr(attacked, name, every_form_of(value))
        path = tmp_path / name
        path.write_bytes(value)
        path.chmod(0o600)
    assert attacked.scan() == ((0, 0), (0, 0))
    attacked.next()
    held = attacked.scan()
    assert held.key == copies
    assert held.control[1] >= 1
    attacked.next()
    assert attacked.scan().key == (0, copies[1])
