"""What happens to a key between its making and its end: new versions, changed rules, and how it leaves the store."""

from __future__ import annotations

from contextlib import contextmanager
from os import urandom
from typing import TYPE_CHECKING

from securemem.exceptions import InvalidArgumentError, KeyExistsError, KeyPolicyError, SizeError
from securemem.keystore.versions import Entry, State, Version
from securemem.keystore.work import held
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from securemem.keystore.algorithms import KeyAlgorithm
    from securemem.keystore.policy import Policy
    from securemem.keystore.vault import Vault
    from securemem.keystore.versions import VersionInfo

__all__ = ["check_name", "check_size", "create", "forbid_extraction", "lent", "rotate", "version_changing"]

_LONGEST_NAME = 255


def check_name(name: str) -> None:
    """TypeError for what is no str, InvalidArgumentError unless it has 1 to 255 printable characters."""
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidArgumentError(f"a name has 1 to {_LONGEST_NAME} printable characters")


def check_size(algorithm: KeyAlgorithm, size: int) -> None:
    """SizeError for a key of a size that the algorithm does not have."""
    if not algorithm.least <= size <= algorithm.most:
        bounds = str(algorithm.least) if algorithm.least == algorithm.most else f"{algorithm.least} to {algorithm.most}"
        raise SizeError(f"a key for {algorithm.name} has {bounds} bytes, not {size}")


def _add(vault: Vault, entry: Entry, key_id: bytes, secret: SecureBytes) -> Version:
    """Seal a secret as the next version, which is pending."""
    version = Version(len(entry.versions) + 1, key_id, entry.algorithm, entry.policy)
    if entry.algorithm.public_key is not None:
        version.public = entry.algorithm.public_key(secret)
    vault.sealing.seal_key(entry, version, secret)
    entry.add(version)
    return version


def create(  # noqa: PLR0913 - what a key is
    vault: Vault, name: str, algorithm: KeyAlgorithm, policy: Policy, secret: SecureBytes, *, key_id: bytes | None
) -> Entry:
    """A new key with one version, primary, sealed from a secret. Only under changing()."""
    if name in vault.entries:
        raise KeyExistsError(f"the store has {name!r} already: delete it first, or rotate the key")
    entry = Entry(name, algorithm, policy.for_algorithm(algorithm))
    entry.promote(_add(vault, entry, key_id or urandom(16), secret))
    vault.entries[name] = entry
    return entry


def rotate(vault: Vault, entry: Entry, *, pending: bool) -> VersionInfo:
    """A new random version, primary unless it is to be pending."""
    with vault.changing("rotate", entry.name):
        _check_there(entry)
        with held(SecureBytes.random(entry.algorithm.size, arena=vault.arena)) as secret:
            version = _add(vault, entry, urandom(16), secret)
        if not pending:
            entry.promote(version)
        return version.info()


def forbid_extraction(vault: Vault, entry: Entry) -> None:
    """Take extractability away, and seal every version anew, as its policy is bound to it."""
    with vault.changing("forbid_extraction", entry.name):
        _check_there(entry)
        vault.reseal(entry, entry.forbid_extraction)


def _check_there(entry: Entry) -> None:
    if entry.gone:
        entry.refuse("change", None)


@contextmanager
def version_changing(vault: Vault, entry: Entry, operation: str, number: int) -> Iterator[Version]:
    """A version of the entry, for a change of its state."""
    with vault.changing(operation, entry.name):
        _check_there(entry)
        yield entry.numbered(number)


def _leaving(entry: Entry, version: Version | None) -> Version:
    if not entry.policy.extractable:
        raise KeyPolicyError(f"key {entry.name!r} may not leave the store (extractable)")
    if version is None or version.state in {State.DISABLED, State.DESTROYED}:
        what = "no primary version" if version is None else f"version {version.number} {version.state}"
        raise KeyPolicyError(f"key {entry.name!r} has {what}: nothing can leave the store")
    return version


@contextmanager
def lent(
    vault: Vault, entry: Entry, operation: str, number: int | None = None
) -> Iterator[tuple[Version, SecureBytes]]:
    """A version, the primary unless numbered, and its key in clear, if the key may leave the store."""
    version = None
    try:
        with vault.inside():
            _check_there(entry)
            version = entry.primary if number is None else entry.numbered(number)
            yield (found := _leaving(entry, version)), vault.secret(entry, found)
    except BaseException as error:
        vault.tell(operation, entry, version, type(error).__name__)
        raise
    vault.tell(operation, entry, version)
