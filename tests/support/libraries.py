"""What other libraries do with a SecureBytes, each tried with the library itself: the documentation's table.

A line is what is used, what comes of a SecureBytes as it is (YES, ERROR, WARNING), how that is tried, what of ours the
library takes it through, and how that is tried: a function, or the test module that does it.
"""

from __future__ import annotations

import base64
import codecs
import dataclasses
import hashlib
import hmac
import io
import json
import logging
import os
import pickle
import secrets
import ssl
import struct
import subprocess
import urllib.parse
import warnings
import zlib
from typing import TYPE_CHECKING, NamedTuple

from securemem import SecretTextWarning, SecureBytes
from securemem.adapters.hmac import hmac_new
from securemem.doors import concat, with_bytes, with_str
from tests.support.tried_libraries import (
    BASE32,
    COPIES,
    ERROR,
    NOTHING,
    VALUE,
    WARNING,
    YES,
    FrozenHolder,
    Holder,
    a_code,
    aead,
    arbitrary,
    asyncssh,
    bcrypt,
    boto3,
    child_fed,
    child_reads,
    cipher,
    dataclass,
    ed25519,
    fernet,
    flask,
    fresh_jwt,
    hkdf,
    httpx_header,
    jwt,
    load_key,
    module,
    pem,
    pipe,
    prepared,
    pwhash,
    pydantic,
    pymysql,
    queued,
    raw_argon2,
    received,
    redis,
    same,
    scrypt,
    secret,
    sent,
    smtp,
    sqlalchemy,
    sqlite,
    text,
    through_a_pipe,
    write_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable


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


LINES = (
    Line("cryptography: `Fernet`", YES, fernet),
    *(
        Line(f"cryptography: `{name}`", YES, aead(name))
        for name in ("AESGCM", "ChaCha20Poly1305", "AESGCMSIV", "AESCCM", "AESOCB3")
    ),
    Line("cryptography: `Cipher(AES(secret))`", YES, cipher),
    Line("cryptography: `HMAC`", YES, same(a_code)),
    Line("cryptography: `HKDF`", YES, same(hkdf)),
    Line("cryptography: `Scrypt`", YES, same(scrypt)),
    Line("cryptography: `load_pem_private_key`", YES, lambda: load_key(secret(pem()))),
    Line("cryptography: `load_pem_private_key(password=)`", YES, lambda: load_key(pem(VALUE), secret())),
    Line("cryptography: `Ed25519PrivateKey.from_private_bytes`", YES, same(ed25519)),
    Line(
        "cryptography: `BestAvailableEncryption`",
        ERROR,
        lambda: pem(secret()),
        "doors.with_bytes",
        lambda: load_key(with_bytes(secret(), pem), VALUE),
    ),
    Line("PyNaCl: `SecretBox`", ERROR, lambda: module("nacl.secret").SecretBox(secret()), "adapters.nacl", "nacl"),
    Line("PyNaCl: `SigningKey`", ERROR, lambda: module("nacl.signing").SigningKey(secret()), "adapters.nacl", "nacl"),
    Line("PyNaCl: `PrivateKey`", ERROR, lambda: module("nacl.public").PrivateKey(secret()), "adapters.nacl", "nacl"),
    Line(
        "PyNaCl: `pwhash`",
        ERROR,
        lambda: pwhash(secret()),
        "doors.with_bytes",
        lambda: with_bytes(secret(), pwhash),
    ),
    Line("PyJWT: `encode`, HS256", ERROR, fresh_jwt("encode"), "adapters.jwt.accept_secrets", "tokens"),
    Line("PyJWT: `decode`, HS256", ERROR, fresh_jwt("decode"), "adapters.jwt.accept_secrets", "tokens"),
    Line(
        "PyJWT: `encode`, a key in PEM",
        ERROR,
        lambda: jwt("ES256", secret(pem())),
        "doors.with_bytes",
        lambda: with_bytes(secret(pem()), lambda key: jwt("ES256", key)),
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
    Line("Flask: `secret_key`", ERROR, flask, "adapters.flask.SecretSessions", "tokens"),
    Line(
        "requests: `auth=(user, secret)`",
        WARNING,
        lambda: prepared(auth=("u", secret())).headers["Authorization"],
        "adapters.requests",
        "",
    ),
    Line(
        "requests: `HTTPBasicAuth`",
        WARNING,
        lambda: prepared(auth=module("requests").auth.HTTPBasicAuth(b"u", secret())).headers["Authorization"],
        "adapters.requests",
        "",
    ),
    Line(
        "requests: `headers={'Authorization': secret}`",
        ERROR,
        lambda: prepared(headers={"Authorization": secret()}),
        "adapters.requests",
        "",
    ),
    Line("requests: `data=`", YES, lambda: bytes(memoryview(prepared(data=secret()).body)) == VALUE),
    Line("httpx: `auth=(user, secret)`", YES, httpx_header),
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
    Line("SQLAlchemy: `URL`", WARNING, sqlalchemy, "adapters.psycopg.SecretConnector, as creator=", "psycopg"),
    Line("PyMySQL: `password=`", YES, pymysql),
    Line("redis: `password=`", ERROR, redis, "adapters.redis.SecretCredentials", "redis"),
    Line("boto3: `aws_secret_access_key=`", WARNING, boto3, "adapters.boto3.secret_session", "boto3"),
    Line("bcrypt: `hashpw`, `checkpw`", ERROR, bcrypt, "adapters.bcrypt", "passwords"),
    Line(
        "argon2-cffi: `PasswordHasher`",
        ERROR,
        lambda: module("argon2").PasswordHasher(1, 64, 1).hash(secret()),
        "adapters.argon2.SecretHasher",
        "passwords",
    ),
    Line("argon2-cffi: `hash_secret_raw`", ERROR, raw_argon2, "crypto.argon2.argon2id", "crypto"),
    Line(
        "pyotp: `TOTP`", YES, lambda: module("pyotp").TOTP(secret(BASE32)).at(0) == module("pyotp").TOTP(BASE32).at(0)
    ),
    Line("pydantic: `SecretBytes`", ERROR, pydantic(lambda one: one.SecretBytes), "adapters.pydantic", "pydantic"),
    Line("pydantic: a field", ERROR, pydantic(lambda _: SecureBytes), "adapters.pydantic.SecureSecret", "pydantic"),
    Line(
        "pydantic: `arbitrary_types_allowed`, to JSON", ERROR, arbitrary, "adapters.pydantic.SecureSecret", "pydantic"
    ),
    Line("hashlib: `sha256`", YES, same(lambda key: hashlib.sha256(key).digest())),
    Line("hashlib: `pbkdf2_hmac`", YES, same(lambda key: hashlib.pbkdf2_hmac("sha256", key, b"s", 2))),
    Line("hashlib: `scrypt`", YES, same(lambda key: hashlib.scrypt(key, salt=b"s", n=2, r=1, p=1))),
    Line("`hmac.digest`", YES, same(lambda key: hmac.digest(key, b"x", "sha256"))),
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
    Line("smtplib: `login`", WARNING, smtp, "adapters.smtplib.login", "smtplib"),
    Line("`sqlite3`: a parameter (it keeps a copy)", YES, sqlite),
    Line("`os.write`", YES, lambda: through_a_pipe(lambda file: os.write(file, secret()))),
    Line("socket: `send`", YES, lambda: sent(lambda one: one.send(secret()))),
    Line("socket: `sendmsg`", YES, lambda: sent(lambda one: one.sendmsg([secret()]))),
    Line("socket: `recv_into`", YES, received),
    Line("files: `write` (a buffered one keeps a copy)", YES, lambda: through_a_pipe(write_file)),
    Line("files: `readinto`", YES, lambda: io.BytesIO(VALUE).readinto(SecureBytes.zeros(32)) == 32),
    Line("`struct.unpack_from`", COPIES, lambda: struct.unpack_from("32s", secret()) == (VALUE,)),
    Line("`zlib.compress`", COPIES, lambda: zlib.decompress(zlib.compress(secret())) == VALUE),
    Line("`str(secret, 'utf-8')`", COPIES, lambda: str(secret(), "utf-8") == VALUE.decode()),
    Line("`codecs.decode`", COPIES, lambda: codecs.decode(secret(), "ascii") == VALUE.decode()),
    Line("`numpy.frombuffer`", COPIES, lambda: module("numpy").frombuffer(secret(), "u1").tobytes() == VALUE),
    Line(
        "`subprocess.run(input=)` (it keeps copies)", YES, child_fed, "doors.run", lambda: child_reads(stdin=secret())
    ),
    Line(
        "`subprocess.run(env=)`, arguments",
        ERROR,
        lambda: subprocess.run(["true", secret()], env={"X": secret()}, check=True),
        "doors.run",
        lambda: child_reads(secret_files={"X": secret()}, input=b""),
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
    Line("`dataclasses`: a field, `==`, `repr`", YES, dataclass),
    Line("`dataclasses.asdict`, `copy`, `pickle`", ERROR, lambda: pickle.dumps(dataclasses.asdict(Holder(secret())))),
    Line("`int.from_bytes`", ERROR, lambda: int.from_bytes(secret(), "big")),
    Line("`queue.Queue`, `threading.local`", YES, queued),
    Line(
        "multiprocessing: `Pipe().send`, a Process's arguments",
        ERROR,
        pipe("send", "recv"),
        "doors.allow_multiprocessing",
        "programs",
    ),
    Line("multiprocessing: `Pipe().send_bytes`", COPIES, pipe("send_bytes", "recv_bytes")),
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
    Line("asyncssh: the password of a key", YES, lambda: asyncssh(secret())),
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
