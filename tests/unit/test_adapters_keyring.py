"""The keyring backend passes keyring's own tests, and keeps its passwords in a store."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from securemem import KeyStore, SecureBytes
from securemem.keystore.kek.key_file import KeyFile
from tests.support.stores import passphrase

errors = pytest.importorskip("keyring.errors", reason="the extra keyring is not installed")
backends = pytest.importorskip("keyring.testing.backend")
Keyring = pytest.importorskip("securemem.adapters.keyring").Keyring


class TestBackend(backends.BackendBasicTests):
    """keyring's tests, over a store in a file that the backend opens itself."""

    @pytest.fixture(autouse=True)
    def _init_properties(self, request, tmp_path):
        tmp_path.chmod(0o700)
        self.directory = tmp_path
        self.keyring, self.credentials_created = self.init_keyring(), set()
        request.addfinalizer(self.cleanup)  # noqa: PT021 - as keyring's own

    def init_keyring(self):
        """A backend on a new store."""
        path, key = self.directory / "store", self.directory / "key"
        KeyStore.create(path, KeyFile.generate(key)).close()
        made = Keyring()
        made.store_path, made.key_file = str(path), str(key)
        return made


def test_passwords_are_secrets_of_the_store():
    """Named after service and user, labelled; long names go by their hash; each other pair has another name."""
    store = KeyStore(passphrase())
    backend = Keyring(store)
    backend.set_password("service", "user", "password")
    assert [(one.name, one.labels) for one in store.items()] == [("keyring/service/user", ("keyring",))]
    with store.get("keyring/service/user") as secret:
        assert secret == b"password"
    pairs = [
        ("a/b", "c"),
        ("a", "b/c"),
        ("a\\", "/"),
        ("a", "\\/"),
        ("a\n", "b"),
        ("a", "\nb"),
        ("x" * 300, "u"),
        ("x" * 301, "u"),
    ]
    for number, pair in enumerate(pairs):
        backend.set_password(*pair, str(number))
    assert [backend.get_password(*pair) for pair in pairs] == [str(number) for number in range(len(pairs))]
    assert backend.get_credential("a\n", None).username == "b"
    for password in ("", "\0", "\0x", "ünïcode"):
        backend.set_password("service", "user", password)
        assert backend.get_password("service", "user") == password


def test_what_is_no_text_is_in_no_exception():
    """The store's other users may keep bytes under such a name: they are in no exception, its context included."""
    store = KeyStore(passphrase())
    store.put("keyring/service/user", SecureBytes.copy_of(b"\xff\xfe not text"))
    with pytest.raises(errors.KeyringError, match="no text") as caught:
        Keyring(store).get_password("service", "user")
    assert caught.value.__context__ is None
    assert "not text" not in repr(caught.value)


def test_what_goes_wrong_is_keyring_s_error(tmp_path):
    """A locked store, a wrong key, no store, what is no password: no error that keyring's users do not expect."""
    tmp_path.chmod(0o700)
    store = KeyStore(passphrase())
    backend = Keyring(store)
    store.lock()
    with pytest.raises(errors.KeyringLocked):
        backend.get_password("service", "user")
    store.unlock(passphrase())
    for wrong in ("\ud800", b"bytes", 1, "x" * (2**20 + 1)):
        with pytest.raises(errors.PasswordSetError) as told:
            backend.set_password("service", "user", wrong)
        assert "ud800" not in str(told.value)
    KeyStore.create(tmp_path / "store", passphrase()).close()
    other = Keyring()
    other.store_path, other.key_file = str(tmp_path / "none"), str(tmp_path / "key")
    with pytest.raises(errors.InitError):
        other.get_password("service", "user")
    other.store_path = str(tmp_path / "store")
    KeyFile.generate(tmp_path / "key")
    with pytest.raises(errors.KeyringLocked):
        other.get_password("service", "user")


def test_keyring_finds_it(tmp_path, monkeypatch):
    """The entry point names the module; by itself it is chosen only where a store is in its usual place."""
    assert [one.value for one in entry_points(group="keyring.backends", name="securemem")] == [
        "securemem.adapters.keyring"
    ]
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert not Keyring.viable
    (tmp_path / "securemem").mkdir(mode=0o700)
    key = tmp_path / "key"
    KeyStore.create(tmp_path / "securemem" / "store", KeyFile.generate(key)).close()
    assert Keyring.viable
    assert 0 < Keyring.priority < 1
    program = """
import keyring
keyring.set_password("s", "u", "p")
print(keyring.get_password("s", "u"), type(keyring.get_keyring()).__module__)
"""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "securemem.adapters.keyring.Keyring")
    monkeypatch.setenv("KEYRING_PROPERTY_KEY_FILE", str(key))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["p", "securemem.adapters.keyring"]
