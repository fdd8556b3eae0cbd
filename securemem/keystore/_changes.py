"""What changes keys and secrets: each function is called by `Contents.change`, inside the gate and alone there."""

from __future__ import annotations

from os import urandom

from securemem.exceptions import KeyExistsError, KeyNotFoundError, KeyPolicyError, SizeError
from securemem.keystore import _entries
from securemem.keystore._details import Details
from securemem.keystore._gate import apply
from securemem.keystore._root_key import new_record
from securemem.keystore._stored import Facts, State, StoredKey, StoredSecret, Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer

    from securemem.keystore._algorithms import KeyAlgorithm
    from securemem.keystore._contents import Contents
    from securemem.keystore._stored import VersionInfo
    from securemem.keystore.policy import Policy
    from securemem.secure_bytes import SecureBytes

__all__ = [
    "clear",
    "create",
    "create_from",
    "delete",
    "destroy",
    "disable",
    "enable",
    "forbid_extraction",
    "gone",
    "promote",
    "put",
    "rotate",
]


class _Change:
    """What a key is to become. Nothing of it shows until commit().

    facts: of each version, those of new ones too. secrets: of new ones. ended: cells that lose what they hold.
    details: others than it has.
    """

    def __init__(self, key: StoredKey) -> None:
        self.key = key
        self.policy = key.policy
        self.facts = {version: version.facts for version in key.versions}
        self.secrets: dict[Version, SecureBytes] = {}
        self.ended: list[Version] = []
        self.details: Details | None = None

    def add(self, key_id: bytes, secret: SecureBytes) -> Version:
        """A new version, pending."""
        algorithm = self.key.algorithm
        public = b"" if algorithm.public_key is None else algorithm.public_key(secret)
        facts = Facts(len(self.facts) + 1, key_id, State.PENDING, b"", public=public)
        version = Version(self.key, facts)
        self.facts[version], self.secrets[version] = facts, secret
        return version

    def put_in(self, version: Version, state: State) -> None:
        """Another state."""
        self.facts[version] = self.facts[version].__replace__(state=state)

    def promote(self, version: Version) -> None:
        """Primary; the primary one is active from then on."""
        for other, facts in tuple(self.facts.items()):
            if facts.state is State.PRIMARY and other is not version:
                self.put_in(other, State.ACTIVE)
        self.put_in(version, State.PRIMARY)

    def reseal_all(self) -> None:
        """Seal every version anew, as what is bound to all of them changes."""
        self.facts = {version: facts.__replace__() for version, facts in self.facts.items()}

    def commit(self, *more: tuple[Any, ...]) -> None:
        """New records, the swap, and the old ones go. more: further steps of the swap."""
        written, steps = self.prepared()
        self.key.contents.commit(written, [*steps, *more, *((cell,) for cell in self.ended)])

    def prepared(self) -> tuple[dict[bytes, bytes | None], list[tuple[Any, ...]]]:
        """What commit() writes, and the steps of the swap."""
        key, contents, policy = self.key, self.key.contents, self.policy.encoded()
        details = (Details.read(key.details) if self.details is None else self.details).touched().encoded()
        written: dict[bytes, bytes | None] = {}
        steps: list[tuple[Any, ...]] = []
        for version, facts in self.facts.items():
            if facts is version.facts and version not in self.secrets:
                continue
            new = facts.__replace__(record=b"", protected=version.noted_bytes)
            if facts.state is not State.DESTROYED:
                new = new.__replace__(record=new_record())
                secret = self.secrets[version] if version in self.secrets else contents.open(version)
                written[new.record] = contents.root.seal_key(key, new, policy, secret)
            if version.facts.record:
                written[version.facts.record] = None
            self.facts[version] = new
            steps += version.steps(new, self.policy)
        entry = _entries.of_key(key, policy, self.facts.values(), details)
        written[key.record] = contents.root.seal_entry(key.record, entry)
        primary = [version for version, facts in self.facts.items() if facts.state is State.PRIMARY]
        steps += [(key, "policy", self.policy), (key, "versions", tuple(self.facts)), (key, "details", details)]
        steps += [(key, "primary", primary[0] if primary else key.nobody())]
        if self.secrets:
            steps.append((key, "_by_header", key.headers(*self.secrets)))
        return written, steps


def create(
    contents: Contents,
    name: str,
    algorithm: KeyAlgorithm,
    policy: Policy,
    secret: SecureBytes,
    key_id: bytes | None,
    wiped: Buffer | None = None,
) -> StoredKey:
    """A new key with one version, primary, sealed from a secret. wiped: what is wiped when that is done."""
    if name in contents.entries:
        raise KeyExistsError(f"the store has {name!r} already: delete it first, or rotate the key")
    key = StoredKey(contents, name, algorithm, policy.for_algorithm(algorithm), contents.root.record_named(name))
    change = _Change(key)
    change.promote(change.add(key_id or urandom(16), secret))
    change.commit((contents.entries, name, key), *(() if wiped is None else ((wiped,),)))
    return key


def create_from(
    contents: Contents, name: str, algorithm: KeyAlgorithm, policy: Policy, secret: SecureBytes, key_id: bytes | None
) -> StoredKey:
    """A new key from a secret that nobody else has: it is wiped, whatever happens."""
    try:
        return create(contents, name, algorithm, policy, secret, key_id, secret)
    except BaseException:
        apply((secret,))
        raise


def rotate(key: StoredKey, pending: bool) -> VersionInfo:
    """A new random version, primary unless it is to be pending."""
    _check_there(key)
    secret = key.algorithm.new_key(key.contents.arena)
    try:
        change = _Change(key)
        version = change.add(urandom(16), secret)
        if not pending:
            change.promote(version)
        change.commit((secret,))
    except BaseException:
        apply((secret,))
        raise
    return version.info()


def _check_there(key: StoredKey) -> None:
    if key.gone:
        raise KeyNotFoundError(f"key {key.name!r} was deleted")


def _numbered(key: StoredKey, number: int) -> tuple[_Change, Version]:
    _check_there(key)
    return _Change(key), key.numbered(number)


def promote(key: StoredKey, number: int) -> None:
    """Make a version primary, and the primary one active."""
    change, version = _numbered(key, number)
    if version.state in {State.DISABLED, State.DESTROYED}:
        raise KeyPolicyError(f"key {key.name!r} version {number} is {version.state}: it cannot be primary")
    change.promote(version)
    change.commit()


def disable(key: StoredKey, number: int) -> None:
    """Take a version out of use; a key whose primary one it is has none until another is promoted."""
    change, version = _numbered(key, number)
    if version.state is State.DESTROYED:
        raise KeyPolicyError(f"key {key.name!r} version {number} is destroyed: its key is gone")
    change.put_in(version, State.DISABLED)
    change.ended.append(version)
    change.commit()


def enable(key: StoredKey, number: int) -> None:
    """Let a disabled version read again."""
    change, version = _numbered(key, number)
    if version.state is not State.DISABLED:
        raise KeyPolicyError(f"key {key.name!r} version {number} is {version.state}, not disabled")
    change.put_in(version, State.ACTIVE)
    change.commit()


def destroy(key: StoredKey, number: int) -> None:
    """Take the key of a version away, in clear and sealed."""
    change, version = _numbered(key, number)
    if version.state is State.DESTROYED:
        return
    change.put_in(version, State.DESTROYED)
    change.ended.append(version)
    change.commit()


def forbid_extraction(key: StoredKey) -> None:
    """Take extractability away, and seal every version anew, as its policy is bound to it."""
    _check_there(key)
    change = _Change(key)
    change.policy = key.policy.__replace__(extractable=False)
    change.reseal_all()
    change.commit()


def put(contents: Contents, name: str, secret: SecureBytes, wiped: Buffer, keep: int | None = None) -> None:
    """Seal an opaque secret, in the place of one of that name. wiped: what is wiped when that is done.

    keep: how many former values stay; None: as many as were to stay.
    """
    former = contents.entries.get(name)
    if isinstance(former, StoredKey):
        raise KeyExistsError(f"{name!r} is a key: choose another name for the secret")
    root, record, value = contents.root, contents.root.record_named(name), new_record()
    written: dict[bytes, bytes | None] = {}
    found = Details() if former is None else Details.read(former.details)
    found = found.__replace__(keep=found.keep if keep is None else keep)
    if former is not None:
        past = ((found.changed, former.value), *found.former)
        written |= dict.fromkeys(record for _, record in past[found.keep :])
        found = found.__replace__(former=past[: found.keep])
    details = found.touched().encoded()
    written[value] = root.seal_secret(record, value, secret)
    written[record] = root.seal_entry(record, _entries.of_secret(name, value, details))
    contents.commit(written, [(contents.entries, name, StoredSecret(name, record, value, details)), (wiped,)])


def gone(contents: Contents, found: StoredKey | StoredSecret) -> tuple[dict[bytes, None], list[tuple[Any, ...]]]:
    """The records and the steps of forgetting a name; no key is needed for it."""
    steps: list[tuple[Any, ...]] = [(contents.entries, found.name)]
    records = dict.fromkeys((found.record, *Details.read(found.details).records))
    if isinstance(found, StoredSecret):
        return records | {found.value: None}, steps
    nobody = found.nobody()
    for version in found.versions:
        facts = version.facts.__replace__(state=State.DESTROYED, record=b"")
        steps += [*version.steps(facts, found.policy), (version,)]
        if version.facts.record:
            records[version.facts.record] = None
    return records, [*steps, (found, "gone", True), (found, "primary", nobody)]


def delete(contents: Contents, name: str) -> None:
    """Destroy all versions of a key, or an opaque secret, and forget the name."""
    if name not in contents.entries:
        raise KeyNotFoundError(f"the store has no {name!r}")
    records, steps = gone(contents, contents.entries[name])
    contents.commit(records, steps)


def clear(contents: Contents) -> None:
    """Delete every key and secret; no key is needed for it."""
    records: dict[bytes, None] = {}
    steps: list[tuple[Any, ...]] = []
    for name in tuple(contents.entries):
        more, further = gone(contents, contents.entries[name])
        records |= more
        steps += further
    contents.commit(records, steps)


def check_size(algorithm: KeyAlgorithm, size: int) -> None:
    """SizeError for a key of a size that the algorithm does not have."""
    if not algorithm.least <= size <= algorithm.most:
        bounds = str(algorithm.least) if algorithm.least == algorithm.most else f"{algorithm.least} to {algorithm.most}"
        raise SizeError(f"a key for {algorithm.name} has {bounds} bytes, not {size}")
