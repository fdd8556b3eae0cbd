"""A backend of the `keyring` package: what programs keep by `keyring.set_password()` lies in a key store.

`pip install 'securemem[keyring]'`. keyring chooses it by the name `securemem.adapters.keyring.Keyring`, in
PYTHON_KEYRING_BACKEND or keyringrc.cfg; by itself only where a store is in its usual place and no other backend is
better. keyring's API is made of str: passwords come and go as str, which cannot be wiped. In the file, and while
nobody asks for them, they are as safe as the store; what a program asks for stays in its ordinary memory until that is
used again. Programs that can choose use KeyStore, whose get() gives a SecureBytes.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.credentials import SimpleCredential
from keyring.errors import InitError, KeyringError, KeyringLocked, PasswordDeleteError, PasswordSetError

from securemem.doors import prompt
from securemem.exceptions import KeyNotFoundError, SecureMemError, StoreLockedError, WrongKeyEncryptionKeyError
from securemem.keystore.kek.key_file import KeyFile
from securemem.keystore.kek.passphrase import Passphrase
from securemem.keystore.store import KeyStore
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from keyring.credentials import Credential

__all__ = ["Keyring"]

_LONGEST_NAME = 255
_IDLE = 300.0
_LABEL = "keyring"


def _usual_place() -> str:
    home = os.environ.get("XDG_DATA_HOME", "")
    place = Path(home) if home.startswith("/") else Path.home() / ".local" / "share"
    return str(place / "securemem" / "store")


def _escaped(text: str) -> str:
    """A text without line ends, slashes and other characters that names have not, still another for another text."""
    safe = (one if one.isprintable() and one not in "\\/" else f"\\{ord(one):x};" for one in text)
    return "".join(safe)


def _unescaped(text: str) -> str:
    first, *others = text.split("\\")
    parts = (one.partition(";") for one in others)
    return first + "".join(chr(int(number, 16)) + rest for number, _, rest in parts)


def _name(service: str, username: str) -> str:
    """The name in the store: both texts where they are not too long, else their hash."""
    name = f"keyring/{_escaped(service)}/{_escaped(username)}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"keyring#{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}"


class Keyring(KeyringBackend):
    """Passwords in a key store, each a secret named "keyring/SERVICE/USERNAME" with the label "keyring".

    store: an open KeyStore; None: the store's file is opened when it is first needed, and locks itself after five
    minutes without use. Properties, which KEYRING_PROPERTY_STORE_PATH and KEYRING_PROPERTY_KEY_FILE set too:
    store_path, the file, by default where `securemem store` has it; key_file, what opens it. Without a key file the
    passphrase is asked for at the controlling terminal.
    """

    store_path: str = ""
    key_file: str = ""

    def __init__(self, store: KeyStore | None = None) -> None:
        above: Any = super()  # has no types
        above.__init__()
        self._given = store is not None
        self._store = store

    @properties.classproperty
    def priority(self) -> float:
        """Below the keyrings of desktops; RuntimeError, so that it is not chosen, where no store is in its place."""
        if not Path(_usual_place()).is_file():
            raise RuntimeError("there is no key store; make one by `securemem store init`")
        return 0.5

    def _opened(self) -> KeyStore:
        """The store, unlocked. Raises InitError where it cannot be opened, KeyringLocked for a given one, locked."""
        store = self._store
        if store is not None and not store.locked:
            return store
        if self._given:
            raise KeyringLocked("the key store is locked: unlock() it")
        path = self.store_path or _usual_place()
        try:
            kek = KeyFile(self.key_file) if self.key_file else Passphrase(prompt(f"Passphrase of {path}: "))
            if store is not None:
                store.unlock(kek)
            else:
                self._store = store = KeyStore.open(path, kek, idle_timeout=_IDLE)
        except WrongKeyEncryptionKeyError as error:
            raise KeyringLocked(str(error)) from None
        except (SecureMemError, OSError) as error:
            raise InitError(str(error)) from None
        return store

    def get_password(self, service: str, username: str) -> str | None:
        """The password, None where there is none; the str stays in memory, see above."""
        return self._text(_name(service, username))

    def _text(self, name: str) -> str | None:
        text: str | None
        try:
            with self._opened().get(name) as secret, secret.reveal() as view:
                text = str(view, "utf-8")
        except KeyNotFoundError:
            return None
        except StoreLockedError as error:
            raise KeyringLocked(str(error)) from None
        except UnicodeDecodeError:  # whose traceback has the secret: it must not be the context of what is told
            text = None
        if text is None:
            raise KeyringError("what the store keeps under this name is no text: read it with KeyStore.get()")
        return text.removeprefix("\0") if text.startswith("\0") else text

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a password; the caller's str stays in memory. PasswordSetError where it cannot be kept."""
        self._validate_username(username)
        name, store = _name(service, username), self._opened()
        try:
            store.put(name, _encoded(password))
            store.set_details(name, labels=[_LABEL])
        except (SecureMemError, OSError, UnicodeError) as error:
            raise PasswordSetError(getattr(error, "reason", None) or str(error)) from None

    def delete_password(self, service: str, username: str) -> None:
        """Delete it; PasswordDeleteError where there is none."""
        try:
            self._opened().delete(_name(service, username))
        except (SecureMemError, OSError) as error:
            raise PasswordDeleteError(str(error)) from None

    def get_credential(self, service: str, username: str | None) -> Credential | None:
        """User name and password; the first of the service where no user name is given."""
        if username is not None:
            return super().get_credential(service, username)
        beginning = f"keyring/{_escaped(service)}/"
        for name in self._opened():
            if name.startswith(beginning) and (password := self._text(name)) is not None:
                return SimpleCredential(_unescaped(name.removeprefix(beginning)), password)
        return None


def _encoded(password: str) -> SecureBytes:
    """UTF-8; one zero byte before what is empty, which no secret is, and before what begins with one."""
    if not isinstance(password, str):
        raise PasswordSetError(f"a password must be a str, not {type(password).__name__}")
    marked = password if password and not password.startswith("\0") else "\0" + password
    return SecureBytes.take(bytearray(marked, "utf-8"))
