"""The driver's controls: operations with a known defect each (tests/support/yesterday.py), and what it must say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem import SecureBytes
from tests.support import yesterday
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from pathlib import Path


def _vault(_folder: Path) -> Case:
    vault = yesterday.Vault()
    return Case(lambda: vault.use(list), store=vault)


def _file(folder: Path) -> Case:
    return Case(lambda: yesterday.write_file(folder), folder=folder)


def _view(_folder: Path) -> Case:
    secret = SecureBytes.random(32)
    return Case(lambda: yesterday.read_first(secret), [secret])


def _destination(_folder: Path) -> Case:
    out = bytearray(16)
    return Case(lambda: yesterday.decrypt_into(out), destination=out)


def _copy(_folder: Path) -> Case:
    secret = SecureBytes.random(32)
    return Case(lambda: yesterday.copy(secret), [secret], watched=secret)


# name: how it is made, and what the driver says of it (None: only a scan from outside can tell)
DEFECTS = {
    "gate left in finally": (_vault, "lock() from another thread hangs"),
    "file unlinked in finally": (_file, "files are left"),
    "descriptor closed in finally": (_file, "descriptors are open"),
    "view released in finally": (_view, "windows are open"),
    "destination wiped in except": (_destination, "not wiped"),
    "lock released in finally": (
        lambda _folder: Case(yesterday.under_a_lock),
        "the same operation in another thread hangs",
    ),
    "exception lost": (lambda _folder: Case(yesterday.lose), "the exception is lost"),
    "exception converted": (lambda _folder: Case(yesterday.convert), "the exception became ValueError"),
    "secret kept": (lambda _folder: Case(yesterday.keep), "secrets are alive after all is dropped"),
    "copy wiped in finally": (_copy, None),
}
OPERATIONS = [Operation(name, make, ours=str(yesterday.__file__)) for name, (make, _) in DEFECTS.items()]
