"""KeyStore: keys and opaque secrets by their names, sealed under a root key, and a lock for all of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from securemem._binding.memory import wipe
from securemem.crypto._workspace import bytes_view
from securemem.exceptions import KeyExistsError, KeyNotFoundError, SizeError, SourceError
from securemem.keystore import lifecycle, work
from securemem.keystore.algorithms import algorithm_numbered, key_algorithm
from securemem.keystore.audit import listener
from securemem.keystore.box import HEADER, WRAPPED
from securemem.keystore.handle import KeyHandle
from securemem.keystore.lock import Timers
from securemem.keystore.policy import Policy
from securemem.keystore.vault import Vault
from securemem.keystore.versions import Entry
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.keystore.algorithms import KeyAlgorithmName
    from securemem.keystore.audit import Event
    from securemem.keystore.lock import KeyEncryptionKey

__all__ = ["KeyStore"]

_USUAL = Policy()
_KEY_ID = 16
_DESCRIPTOR = 1 + _KEY_ID  # of a wrapped key: its algorithm's number and its id
_LONGEST_SECRET = 2**20


class KeyStore:
    """Named keys that are used without being seen, and opaque secrets, such as passwords and tokens.

    Each lies sealed under the root key, in ordinary memory, and is opened into locked memory when it is used: keys stay
    open until the store is locked (at most 4,096 at a time), opaque secrets for one get().

    kek: the key-encryption key that wraps the root key, such as Passphrase(secret). It is used here, once, and not
        kept. Without one the store cannot be locked.
    arena: where the root key and open keys live; None: the default arena.
    idle_timeout, absolute_timeout: seconds after the last use, and after the making or unlocking, when the store locks
        itself, whether a call comes or not; those of suspend count (CLOCK_BOOTTIME; it is noticed up to a second
        after waking). They need a kek.
    audit: called with an Event after each use and change, in the thread that made it; what it raises is raised there.
    log: whether each also goes to the logger "securemem.keystore", successes as INFO and the rest as WARNING.

    All methods may be called from several threads. Those that need a key in clear raise StoreLockedError while the
    store is locked, and CapacityError where no memory can be locked. In a forked child the store is locked, and the
    error says so: its keys stayed in the parent, and unlock() with the kek recovers them.

    Raises NoKeyEncryptionKeyError for timers without a kek, InvalidArgumentError for a timer that is not above 0, and
    what kek.wrap() raises.
    """

    __slots__ = ("__weakref__", "_vault")

    def __init__(  # noqa: PLR0913 - all but the first are named
        self,
        kek: KeyEncryptionKey | None = None,
        *,
        arena: Arena | None = None,
        idle_timeout: float | None = None,
        absolute_timeout: float | None = None,
        audit: Callable[[Event], None] | None = None,
        log: bool = False,
    ) -> None:
        self._vault = Vault(kek, arena, Timers(idle_timeout, absolute_timeout), listener(audit, log=log))

    # Keys

    def generate(
        self, name: str, algorithm: KeyAlgorithmName = "KC-XAES-256-GCM", policy: Policy = _USUAL
    ) -> KeyHandle:
        """A new random key.

        Raises InvalidArgumentError for a name or algorithm that cannot be, or a policy that does not fit the algorithm,
        and KeyExistsError for a name that is taken; so do all that make keys.
        """
        lifecycle.check_name(name)
        chosen = key_algorithm(algorithm)
        with (
            self._vault.changing("generate", name),
            work.held(SecureBytes.random(chosen.size, arena=self._vault.arena)) as secret,
        ):
            return self._created(name, chosen.name, policy, secret)

    def _created(
        self, name: str, algorithm: str, policy: Policy, secret: SecureBytes, key_id: bytes | None = None
    ) -> KeyHandle:
        entry = lifecycle.create(self._vault, name, key_algorithm(algorithm), policy, secret, key_id=key_id)
        return KeyHandle(self._vault, entry)

    def import_key(
        self,
        name: str,
        algorithm: KeyAlgorithmName,
        secret: SecureBytes | Buffer,
        policy: Policy = _USUAL,
        *,
        key_id: bytes | None = None,
    ) -> KeyHandle:
        """A key from outside: a SecureBytes, which is taken, or a writable buffer; both are wiped once it is sealed.

        key_id: 16 bytes, where boxes are to be read, or made, that other stores share; None: new random ones.

        Raises SizeError for a key or key_id of another size, SourceError for a buffer that cannot be wiped; what was
        given is then left as it was.
        """
        lifecycle.check_name(name)
        chosen = key_algorithm(algorithm)
        _check_key_id(key_id)
        with self._vault.changing("import_key", name):
            self._check_free(name)
            policy.for_algorithm(chosen)
            lifecycle.check_size(chosen, _size(secret))
            with _taking(secret, self._vault.arena) as taken:
                return self._created(name, algorithm, policy, taken, key_id)

    def derive(
        self,
        name: str,
        algorithm: KeyAlgorithmName,
        policy: Policy = _USUAL,
        *,
        source: KeyHandle,
        context: bytes = b"",
    ) -> KeyHandle:
        """A key from another one, of this or another store, for HKDF-SHA-256, by HKDF.

        The same source, algorithm and context give the same key with the same key id, whatever its name.
        """
        lifecycle.check_name(name)
        chosen = key_algorithm(algorithm)
        self._check_free(name)
        policy.for_algorithm(chosen)
        info = b"securemem derive 1" + bytes((chosen.number,)) + context
        vault, entry = source._vault, source._entry  # noqa: SLF001 - both are of this package
        secret = vault.use(entry, "derive", None, work.derive, info, _KEY_ID + chosen.size)
        with work.held(secret), self._vault.changing("derive", name):
            with secret[:_KEY_ID].reveal() as view:
                key_id = bytes(view)
            with work.held(secret[_KEY_ID:]) as own:
                return self._created(name, algorithm, policy, own, key_id)

    def unwrap(
        self, name: str, wrapped: Buffer, policy: Policy = _USUAL, *, source: KeyHandle, context: bytes = b""
    ) -> KeyHandle:
        """The key that source.wrap() wrapped under the same context: the algorithm and key id are those it had.

        Raises DecryptionError for another source or context, and for what was changed.
        """
        lifecycle.check_name(name)
        self._check_free(name)
        view = bytes_view(wrapped, "the wrapped key")
        vault, entry = source._vault, source._entry  # noqa: SLF001 - both are of this package
        head, descriptor = bytes(view[:HEADER]), bytes(view[HEADER : HEADER + _DESCRIPTOR])
        version = entry.find(head)
        chosen = algorithm_numbered(descriptor[0]) if len(descriptor) == _DESCRIPTOR else None
        if version is None or chosen is None or head != version.header_of(WRAPPED):
            vault.refuse_box(entry, "unwrap")
        policy.for_algorithm(chosen)
        secret = vault.use(entry, "unwrap", version, work.unwrap, view, (HEADER + _DESCRIPTOR, context))
        with work.held(secret), self._vault.changing("unwrap", name):
            return self._created(name, chosen.name, policy, secret, descriptor[1:])

    def _check_free(self, name: str) -> None:
        if name in self._vault.entries:
            raise KeyExistsError(f"the store has {name!r} already: delete it first, or rotate the key")

    def __getitem__(self, name: str) -> KeyHandle:
        """The handle of a key; can be had of a locked store too. KeyNotFoundError where there is none of that name."""
        found = self._vault.entries.get(name)
        if isinstance(found, Entry):
            return KeyHandle(self._vault, found)
        hint = " it is an opaque secret: get() it" if found is not None else ""
        raise KeyNotFoundError(f"the store has no key {name!r}{':' if hint else ''}{hint}")

    # Opaque secrets

    def put(self, name: str, secret: SecureBytes | Buffer) -> None:
        """Keep an opaque secret of 1 to 2**20 bytes, in the place of one of that name.

        It is taken, or wiped, as by import_key(). Raises KeyExistsError where the name is a key's, SizeError for
        another size.
        """
        lifecycle.check_name(name)
        with self._vault.changing("put", name):
            if isinstance(self._vault.entries.get(name), Entry):
                raise KeyExistsError(f"{name!r} is a key: choose another name for the secret")
            if not 0 < _size(secret) <= _LONGEST_SECRET:
                raise SizeError(f"an opaque secret has 1 to {_LONGEST_SECRET} bytes")
            with _taking(secret, self._vault.arena) as taken:
                self._vault.put(name, taken)

    def get(self, name: str, *, arena: Arena | None = None) -> SecureBytes:
        """A copy of an opaque secret, in the given arena or the store's; KeyNotFoundError where there is none."""
        with self._vault.changing("get", name):
            found = self._vault.entries.get(name)
            if not isinstance(found, bytes):
                hint = " it is a key, and can only be used" if found is not None else ""
                raise KeyNotFoundError(f"the store has no opaque secret {name!r}{':' if hint else ''}{hint}")
            return self._vault.get(name, found, arena)

    # All of them

    def __contains__(self, name: object) -> bool:
        """Whether there is a key or an opaque secret of that name."""
        return name in self._vault.entries

    def __iter__(self) -> Iterator[str]:
        """The names of keys and opaque secrets, as they are now, in the order of their making."""
        return iter(tuple(self._vault.entries))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._vault.entries)

    def __bool__(self) -> bool:
        """True: an empty store is a store."""
        return True

    def delete(self, name: str) -> None:
        """Destroy all versions of a key, or an opaque secret, and forget its name; KeyNotFoundError where it is not."""
        with self._vault.changing("delete", name):
            if name not in self._vault.entries:
                raise KeyNotFoundError(f"the store has no {name!r}")
            self._vault.forget(name)

    def clear(self) -> None:
        """Destroy all keys and opaque secrets, of a locked store too."""
        self._vault.clear()

    # The lock

    @property
    def locked(self) -> bool:
        """Whether the store is locked."""
        return self._vault.locked

    def lock(self) -> None:
        """End all sessions and streams, and wipe every key in clear, the root key too; locking again is no error.

        Waits for the uses that go on in other threads. Raises NoKeyEncryptionKeyError where there is no kek, as the
        keys would be lost.
        """
        self._vault.lock()

    def unlock(self, kek: KeyEncryptionKey) -> None:
        """Recover the root key, and start the timers anew.

        Raises DecryptionError for a wrong kek, NoKeyEncryptionKeyError for a store without one, and what kek.unwrap()
        raises. A Passphrase is wiped, whether right or wrong.
        """
        self._vault.unlock(kek)

    def change_kek(self, kek: KeyEncryptionKey) -> None:
        """Wrap the root key by another key-encryption key, or a first one; from then on only that unlocks."""
        with self._vault.changing("change_kek"):
            self._vault.change_kek(kek)

    def __repr__(self) -> str:
        """How many keys, and whether it is locked; no bytes."""
        return f"<KeyStore: {len(self)} names, {'locked' if self.locked else 'unlocked'}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a KeyStore cannot be pickled or copied: its root key is in this process only")


def _check_key_id(key_id: bytes | None) -> None:
    if key_id is None:
        return
    if not isinstance(key_id, bytes):
        raise TypeError(f"key_id must be bytes or None, not {type(key_id).__name__}")
    if len(key_id) != _KEY_ID:
        raise SizeError(f"a key id has {_KEY_ID} bytes, not {len(key_id)}")


def _size(secret: SecureBytes | Buffer) -> int:
    return len(secret) if isinstance(secret, SecureBytes) else bytes_view(secret, "the secret").nbytes


@contextmanager
def _taking(secret: SecureBytes | Buffer, arena: Arena | None) -> Iterator[SecureBytes]:
    """The secret itself, or that in a writable buffer; what was given is wiped at the end, but not by an error."""
    if isinstance(secret, SecureBytes):
        yield secret
        work.discard(secret)
        return
    view = bytes_view(secret, "the secret")
    if view.readonly:
        raise SourceError("the buffer must be writable, as it is wiped: copy it into a bytearray or SecureBytes first")
    with work.held(SecureBytes.copy_of(view, arena=arena)) as own:
        yield own
        wipe(view)
