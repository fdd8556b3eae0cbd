"""A key of the store and its versions: their states, what each state allows, and how much a version protected."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import length_hint
from os import urandom
from threading import Lock
from typing import TYPE_CHECKING, NoReturn

from securemem.exceptions import KeyExhaustedError, KeyNotFoundError, KeyPolicyError
from securemem.keystore.box import BOX, STREAM, WRAPPED, header
from securemem.keystore.policy import PROTECTING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from securemem.keystore.algorithms import KeyAlgorithm
    from securemem.keystore.policy import Policy
    from securemem.secure_bytes import SecureBytes

__all__ = ["Entry", "State", "Version", "VersionInfo", "operations"]


class State(StrEnum):
    """Where a version of a key stands.

    PENDING: made ahead, and used when it is promoted. PRIMARY: does everything the policy allows; one of a key.
    ACTIVE: was primary, and reads what it protected. DISABLED: does nothing until it is enabled. DESTROYED: its key is
    gone, and what only it could read is lost.
    """

    PENDING = "pending"
    PRIMARY = "primary"
    ACTIVE = "active"
    DISABLED = "disabled"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What can be said of a version.

    number: from 1 on. key_id: 16 bytes, as in its boxes. state. messages, protected_bytes: how much it protected
    (bytes are counted where the policy bounds them). public_key: 32 bytes, of keys that have one.
    """

    number: int
    key_id: bytes
    state: State
    messages: int
    protected_bytes: int
    public_key: bytes | None


def operations(policy: Policy) -> frozenset[str]:
    """What the vault is asked for by that policy: its usages, and sessions of keys that encrypt."""
    usages: frozenset[str] = policy.usages or frozenset()
    return usages | {"session"} if usages & {"encrypt", "decrypt"} else usages


class Version:
    """One version of a key; `secret` holds it in clear for as long as it is open.

    record: where its sealed form lies in the storage. header: of its boxes. allowed: the usages that its state and
    the policy leave. tickets: one for each message left; to take one is a single step for all threads.
    """

    __slots__ = (
        "_bytes",
        "_counting",
        "_most_messages",
        "algorithm",
        "allowed",
        "cipher",
        "header",
        "is_plain",
        "key_id",
        "number",
        "policy",
        "public",
        "record",
        "secret",
        "state",
        "tickets",
        "watched",
    )

    def __init__(self, number: int, key_id: bytes, algorithm: KeyAlgorithm, policy: Policy) -> None:
        self.number = number
        self.key_id = key_id
        self.algorithm = algorithm
        self.cipher = algorithm.cipher
        self.policy = policy
        self.record = urandom(16)
        self.header = header(BOX, algorithm.number, key_id)
        self.secret: SecureBytes | None = None
        self.public: bytes | None = None
        self._most_messages = min(policy.max_messages or algorithm.most_messages, algorithm.most_messages)
        self.tickets: Iterator[int] = iter(range(self._most_messages))
        self._bytes = 0
        self._counting = Lock()
        self.watched = policy.max_bytes is not None or policy.not_before is not None or policy.not_after is not None
        self.put_in(State.PENDING)

    def put_in(self, state: State) -> None:
        """Change the state, and what it allows."""
        usages = operations(self.policy)
        allowed = {State.PRIMARY: usages, State.ACTIVE: usages - PROTECTING}
        self.state = state
        self.allowed: frozenset[str] = allowed.get(state, frozenset())
        self.is_plain = "encrypt" in self.allowed and not self.watched

    def header_of(self, kind: int) -> bytes:
        """The header of what this version makes of that kind."""
        return header(kind, self.algorithm.number, self.key_id)

    def watch(self, entry: Entry, nbytes: int) -> None:
        """Check time and bytes before something is protected, and count the bytes. Raises KeyPolicyError."""
        policy, now = self.policy, time.time()
        if policy.not_before is not None and now < policy.not_before.timestamp():
            raise KeyPolicyError(f"key {entry.name!r} is not to be used before {policy.not_before} (not_before)")
        if policy.not_after is not None and now > policy.not_after.timestamp():
            raise KeyPolicyError(f"key {entry.name!r} was to be used until {policy.not_after} (not_after): rotate it")
        if policy.max_bytes is not None:
            with self._counting:
                if self._bytes + nbytes > policy.max_bytes:
                    raise KeyPolicyError(
                        f"key {entry.name!r} version {self.number} may protect {policy.max_bytes} bytes (max_bytes), "
                        f"of which {policy.max_bytes - self._bytes} are left: rotate it"
                    )
                self._bytes += nbytes

    def exhausted(self, entry: Entry) -> NoReturn:
        """Raise for a version without tickets: the policy's bound, or that of the algorithm."""
        if self._most_messages == self.policy.max_messages:
            raise KeyPolicyError(
                f"key {entry.name!r} version {self.number} protected {self._most_messages} messages, as many as its "
                "policy allows (max_messages): rotate it"
            )
        raise KeyExhaustedError(
            f"key {entry.name!r} version {self.number} encrypted {self._most_messages} messages, as many as random "
            f"nonces of {self.algorithm.name} allow: rotate it"
        )

    def info(self) -> VersionInfo:
        """What can be said of it now."""
        messages = self._most_messages - length_hint(self.tickets)
        return VersionInfo(self.number, self.key_id, self.state, messages, self._bytes, self.public)


class Entry:
    """A key: its name, algorithm, policy and versions. Changed under the vault's lock only."""

    __slots__ = ("_by_header", "algorithm", "gone", "name", "policy", "primary", "versions")

    def __init__(self, name: str, algorithm: KeyAlgorithm, policy: Policy) -> None:
        self.name = name
        self.algorithm = algorithm
        self.policy = policy
        self.versions: tuple[Version, ...] = ()
        self.primary: Version | None = None
        self.gone = False
        self._by_header: dict[bytes, Version] = {}

    def add(self, version: Version) -> None:
        """Take a new version in, pending."""
        self.versions += (version,)
        for kind in (BOX, STREAM, WRAPPED):
            self._by_header[version.header_of(kind)] = version

    def find(self, start: bytes) -> Version | None:
        """The version that has this header, if any has."""
        return self._by_header.get(start)

    def numbered(self, number: int) -> Version:
        """The version of that number; KeyNotFoundError where there is none."""
        if not isinstance(number, int) or not 0 < number <= len(self.versions):
            raise KeyNotFoundError(f"key {self.name!r} has no version {number}: it has 1 to {len(self.versions)}")
        return self.versions[number - 1]

    def promote(self, version: Version) -> None:
        """Make a version primary, and the primary one active."""
        if version.state in {State.DISABLED, State.DESTROYED}:
            raise KeyPolicyError(f"key {self.name!r} version {version.number} is {version.state}: it cannot be primary")
        if self.primary is not None:
            self.primary.put_in(State.ACTIVE)
        version.put_in(State.PRIMARY)
        self.primary = version

    def retire(self, version: Version, state: State) -> None:
        """Disable or destroy a version; a key whose primary one it is has none until another is promoted."""
        if version.state is State.DESTROYED and state is not State.DESTROYED:
            raise KeyPolicyError(f"key {self.name!r} version {version.number} is destroyed: its key is gone")
        if self.primary is version:
            self.primary = None
        version.put_in(state)

    def enable(self, version: Version) -> None:
        """Let a disabled version read again."""
        if version.state is not State.DISABLED:
            raise KeyPolicyError(f"key {self.name!r} version {version.number} is {version.state}, not disabled")
        version.put_in(State.ACTIVE)

    def forbid_extraction(self) -> None:
        """Take extractability from the policy; the caller seals the keys anew."""
        self.policy = replace(self.policy, extractable=False)
        for version in self.versions:
            version.policy = self.policy

    def refuse(self, operation: str, version: Version | None) -> NoReturn:
        """Raise what tells why the operation is not allowed."""
        if self.gone:
            raise KeyNotFoundError(f"key {self.name!r} was deleted")
        if operation not in operations(self.policy):
            usages = ", ".join(map(repr, sorted(self.policy.usages or ())))
            raise KeyPolicyError(f"key {self.name!r} is not for {operation!r} (usages): its policy allows {usages}")
        if version is None:
            raise KeyPolicyError(f"key {self.name!r} has no primary version for {operation!r}: promote one, or rotate")
        rule = "only the primary one does this" if version.state is State.ACTIVE else "it is not in use"
        raise KeyPolicyError(
            f"key {self.name!r} version {version.number} is {version.state}, and may not {operation!r}: {rule}"
        )
