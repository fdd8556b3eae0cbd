"""Tokens of PyJWT and itsdangerous, and sessions of Flask, under locked keys: the same as under the bytes."""

from __future__ import annotations

import warnings

import pytest

from securemem import SecureBytes
from securemem.exceptions import InvalidArgumentError, WipedError
from tests.support import ROOT

VALUE = b"the-secret-of-64-bytes-is-here-!the-secret-of-64-bytes-is-here-!"


def key(value=VALUE):
    """The key in locked memory."""
    return SecureBytes.copy_of(value)


@pytest.fixture
def jwt():
    """PyJWT that takes secrets, and is as before after the test."""
    library = pytest.importorskip("jwt", reason="the extra jwt is not installed")
    from securemem.adapters.jwt import accept_secrets

    with pytest.raises((TypeError, library.InvalidKeyError)):  # the control: before, it takes none
        library.encode({"a": 1}, key(), "HS256")
    accept_secrets()
    yield library
    for name, before in library.algorithms.get_default_algorithms().items():
        if name.startswith("HS"):
            library.unregister_algorithm(name)
            library.register_algorithm(name, before)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_jwt_tokens_are_the_same(jwt, algorithm):
    """Made under the secret and under its bytes, read under either; keys of bytes work on; twice is as once."""
    from securemem.adapters.jwt import accept_secrets

    accept_secrets()
    token = jwt.encode({"a": 1}, key(), algorithm)
    assert token == jwt.encode({"a": 1}, VALUE, algorithm)
    assert jwt.decode(token, key(), [algorithm]) == jwt.decode(token, VALUE, [algorithm]) == {"a": 1}
    assert jwt.PyJWT().decode(token, VALUE, [algorithm]) == {"a": 1}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, SecureBytes.random(64), [algorithm])
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-4] + "AAAA", key(), [algorithm])


def test_jwt_refuses(jwt):
    """Keys that are no keys of HMAC, short ones by a warning, wiped ones."""
    for value in (b"-----BEGIN PUBLIC KEY-----\nMFkw", b"ssh-rsa AAAA", b' {"kty": "oct"}'):
        with pytest.raises(jwt.InvalidKeyError) as caught:
            jwt.decode(jwt.encode({}, VALUE, "HS256"), key(value), ["HS256"])
        assert value.decode() not in str(caught.value)
    if hasattr(jwt.warnings, "InsecureKeyLengthWarning"):
        with pytest.warns(jwt.warnings.InsecureKeyLengthWarning, match="3 bytes"):
            jwt.encode({}, key(b"abc"), "HS256")
    secret = key()
    secret.wipe()
    with pytest.raises(WipedError):
        jwt.encode({}, secret, "HS256")


@pytest.fixture
def its():
    """The package itsdangerous."""
    return pytest.importorskip("itsdangerous", reason="the extra itsdangerous is not installed")


@pytest.mark.parametrize("derivation", ["concat", "django-concat", "hmac", "none"])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_signatures_of_itsdangerous_are_the_same(its, derivation, digest):
    """Each derivation and hash; both ways; the oldest of several keys is still read."""
    import hashlib

    from securemem.adapters.itsdangerous import SecretSigner

    options = {"salt": "a salt", "key_derivation": derivation, "digest_method": getattr(hashlib, digest)}
    ours, theirs = SecretSigner(key(), **options), its.Signer(VALUE, **options)
    assert ours.sign("value") == theirs.sign("value")
    assert ours.unsign(theirs.sign("value")) == b"value"
    rotated = SecretSigner([key(), SecureBytes.random(32)], **options)
    assert rotated.unsign(theirs.sign("value")) == b"value"
    assert rotated.sign("value") != theirs.sign("value")
    with pytest.raises(its.BadSignature):
        SecretSigner(SecureBytes.random(32), **options).unsign(theirs.sign("value"))


def test_serializers_of_itsdangerous(its):
    """Tokens with and without a time, through its serializers."""
    from securemem.adapters.itsdangerous import SecretSigner, SecretTimestampSigner

    plain = its.URLSafeSerializer([key()], signer=SecretSigner)
    assert plain.dumps({"a": 1}) == its.URLSafeSerializer(VALUE).dumps({"a": 1})
    timed = its.URLSafeTimedSerializer([key()], signer=SecretTimestampSigner)
    assert timed.loads(its.URLSafeTimedSerializer(VALUE).dumps([1]), max_age=60) == [1]
    assert its.URLSafeTimedSerializer(VALUE).loads(timed.dumps([1]), max_age=60) == [1]
    with pytest.raises(its.SignatureExpired):
        timed.loads(timed.dumps([1]), max_age=-1)


def test_signers_refuse(its):
    """Keys of other types, other algorithms, unknown derivations, wiped keys."""
    from securemem.adapters.itsdangerous import SecretSigner

    for given in (VALUE, "text", [VALUE], [key(), VALUE]):
        with pytest.raises(TypeError, match="SecureBytes"):
            SecretSigner(given)
    with pytest.raises(InvalidArgumentError, match="HMAC"):
        SecretSigner(key(), algorithm=its.signer.NoneAlgorithm())
    with pytest.raises(InvalidArgumentError, match="key_derivation"):
        SecretSigner(key(), key_derivation="another").sign(b"x")
    secret = key()
    signer = SecretSigner(secret)
    secret.wipe()
    with pytest.raises(WipedError):
        signer.sign(b"x")


@pytest.fixture
def app():
    """An application that counts in the session, signed under the locked key."""
    flask = pytest.importorskip("flask", reason="the extra flask is not installed")
    from securemem.adapters.flask import SecretSessions

    def make(*keys):
        made = flask.Flask("test")
        made.testing = True
        made.session_interface = SecretSessions(*keys)

        @made.get("/")
        def count():
            flask.session["count"] = flask.session.get("count", 0) + 1
            return str(flask.session["count"])

        return made

    return make


def cookie_of(client):
    """The session's cookie."""
    return client.get_cookie("session").value


def test_flask_sessions(app):
    """They last; a cookie is read under the same bytes by Flask's own, a rotated key reads it, another does not."""
    flask = pytest.importorskip("flask")
    client = app(key()).test_client()
    assert [client.get("/").text for _ in range(3)] == ["1", "2", "3"]
    plain = flask.Flask("plain")
    plain.secret_key = VALUE
    serializer = plain.session_interface.get_signing_serializer(plain)
    assert serializer.loads(cookie_of(client)) == {"count": 3}
    for keys, text in (((SecureBytes.random(64), key()), "4"), ((SecureBytes.random(64),), "1")):
        other = app(*keys).test_client()
        other.set_cookie("session", cookie_of(client))
        assert other.get("/").text == text
    other = app(key()).test_client()
    other.set_cookie("session", serializer.dumps({"count": 41}))
    assert other.get("/").text == "42"


def test_flask_refuses(app):
    """Keys of other types; a wiped key fails the request and signs nothing."""
    with pytest.raises(TypeError, match="SecureBytes"):
        app(VALUE)
    secret = key()
    made = app(secret)
    secret.wipe()
    with pytest.raises(WipedError):
        made.test_client().get("/")


def test_the_example(tmp_path, monkeypatch):
    """Signs in with the right password, counts, refuses a wrong one; the credentials come from the folder."""
    pytest.importorskip("flask", reason="the extra flask is not installed")
    import runpy

    (tmp_path / "session-key").write_bytes(VALUE)
    (tmp_path / "password").write_text("open sesame\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = runpy.run_path(str(ROOT / "examples/flask_app.py"))["make_app"]()
    client = made.test_client()
    assert client.get("/").status_code == 401
    assert client.post("/login", data={"password": "wrong"}).status_code == 403
    assert client.get("/").status_code == 401
    assert client.post("/login", data={"password": "open sesame"}).status_code == 302
    assert [client.get("/").text for _ in range(2)] == ["visit 1", "visit 2"]
    stranger = made.test_client()
    stranger.set_cookie("session", cookie_of(client)[:-2] + "AA")
    assert stranger.get("/").status_code == 401
