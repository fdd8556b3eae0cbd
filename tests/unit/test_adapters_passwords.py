"""Passwords checked and hashed by argon2-cffi and bcrypt from locked memory."""

from __future__ import annotations

import warnings

import pytest

from securemem import SecureBytes
from securemem.exceptions import WipedError

PASSWORD = "a pässword, with\0NUL"
TEXT = "a password"


def secret(text=PASSWORD):
    """A password in locked memory."""
    return SecureBytes.copy_of(text.encode())


def wiped():
    """One that is wiped."""
    one = secret()
    one.wipe()
    return one


@pytest.fixture
def argon2():
    """argon2-cffi."""
    return pytest.importorskip("argon2", reason="the extra argon2-cffi is not installed")


@pytest.fixture
def hasher(argon2):
    """Ours, with costs that are fast."""
    from securemem.adapters.argon2 import SecretHasher

    return SecretHasher(1, 64, 2, type=argon2.Type.ID)


def test_argon2_is_argon2_cffis(argon2, hasher):
    """Each reads the other's hashes, of each variant; with a salt they are equal; str and bytes work as before."""
    salt = bytes(range(16))
    for variant in argon2.Type:
        theirs = argon2.PasswordHasher(1, 64, 2, type=variant)
        ours = type(hasher)(1, 64, 2, type=variant)
        assert ours.hash(secret(), salt=salt) == theirs.hash(PASSWORD, salt=salt) == ours.hash(PASSWORD, salt=salt)
        assert theirs.verify(ours.hash(secret()), PASSWORD)
        assert ours.verify(theirs.hash(PASSWORD), secret())
        assert ours.verify(theirs.hash(PASSWORD).encode(), PASSWORD.encode())
    assert hasher.hash(secret()) != hasher.hash(secret())
    assert not hasher.check_needs_rehash(hasher.hash(secret()))


def test_argon2_refuses(argon2, hasher):
    """Another password, what is not a hash, one cut short, a wiped password, costs that are none."""
    stored = hasher.hash(secret())
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        hasher.verify(stored, secret(TEXT))
    for bad in ("", "text", "$argon2x$v=19$m=64", "$"):
        with pytest.raises(argon2.exceptions.InvalidHashError):
            hasher.verify(bad, secret())
    with pytest.raises(argon2.exceptions.VerificationError):
        hasher.verify(stored[:-30], secret())
    for use in (lambda: hasher.verify(stored, wiped()), lambda: hasher.hash(wiped())):
        with pytest.raises(WipedError):
            use()
    with pytest.raises(argon2.exceptions.HashingError):
        type(hasher)(1, 1, 1).hash(secret())
    password = secret()
    with pytest.raises(argon2.exceptions.VerifyMismatchError) as caught:
        hasher.verify(hasher.hash(TEXT), password)
    password.wipe()  # no view of it is left in the traceback
    assert caught.value.__traceback__ is not None


def test_bcrypt():
    """Each reads the other's hashes; nothing warns of a copy that was kept."""
    bcrypt = pytest.importorskip("bcrypt", reason="the extra bcrypt is not installed")
    from securemem.adapters.bcrypt import check, hash_password

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bcrypt.checkpw(TEXT.encode(), hash_password(secret(TEXT), rounds=4))
        stored = bcrypt.hashpw(TEXT.encode(), bcrypt.gensalt(4))
        assert check(secret(TEXT), stored) is True
        assert check(secret("another"), stored) is False
    for bad in (lambda: check(secret("x" * 73), stored), lambda: check(secret(TEXT), b"no hash")):
        with pytest.raises(ValueError, match=r"72|salt"):
            bad()
    with pytest.raises(WipedError):
        check(wiped(), stored)
    for use in (lambda: check(TEXT.encode(), stored), lambda: hash_password(TEXT)):
        with pytest.raises(TypeError, match="SecureBytes"):
            use()
    with pytest.raises(TypeError):  # the control: bcrypt's own takes no SecureBytes
        bcrypt.checkpw(secret(TEXT), stored)
