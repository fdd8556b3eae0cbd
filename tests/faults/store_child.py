"""A program that changes a store again and again, killed or refused at one call to the kernel after the other.

Run by test_store_crashes.py with store_calls.c preloaded, in the mode "kill", "torn" or an error number, at one call
of so many calls, chosen by a fixed seed; `scripts/crash` does it at every call.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import traceback
from pathlib import Path

from securemem import KeyStore, SecureBytes, SecureMemError, StoreLockedError
from securemem.exceptions import WrongKeyEncryptionKeyError
from securemem.keystore.kek.key_file import KeyFile
from tests.support import stores

SHIM = ctypes.CDLL(None)
MODES = {"kill": 0, "torn": 1}


def _keep(store, _other):
    store.put("fourth", bytearray(b"a new password"))


def _replace(store, _other):
    store.put("first", bytearray(b"another password"))


def _delete(store, _other):
    store.delete("second")


def _rotate(store, _other):
    store["key"].rotate()


def _destroy(store, _other):
    store["key"].destroy(1)


def _encrypt(store, _other):
    store["key"].encrypt(b"x")


def _add(store, other):
    store.add_kek(other, "other")


def _change(store, other):
    store.change_kek(other)


def _rotate_root(store, other):
    store.rotate_root(other)


def _clear(store, _other):
    store.clear()


def _backup(store, _other):
    store.backup(beside(store.path))


def _create(_store, other):
    KeyStore.create(beside(_store.path), other).close()


def _rename(store, _other):
    store.rename("first", "renamed")


def _annotate(store, _other):
    store.set_details("first", labels=["label"], notes=SecureBytes.take(bytearray(b"notes")))


def _import(store, _other):
    store.import_records(exported(store.path), _own(store), replace=True)


def _own(store):
    return KeyFile(Path(store.path).with_name("store.key"))


def exported(path):
    """Where main() exported other values of the same names, and one more, before."""
    return Path(path).with_name("exported")


def beside(path):
    """Where backups and new stores are made."""
    return Path(path).with_name("beside")


OPERATIONS = [
    _backup,
    _create,
    _keep,
    _replace,
    _delete,
    _rotate,
    _destroy,
    _encrypt,
    _add,
    _change,
    _rotate_root,
    _clear,
    _rename,
    _annotate,
    _import,
]


def observed(path, kek, other):
    """All that can be seen of the store, and of one beside it; what is there is whole."""
    new = beside(path)
    return json.dumps([_observed(path, kek, other), _observed(new, kek, other) if new.exists() else None])


def _observed(path, kek, other):
    """All that can be seen of a store, each record checked; a crash's journal is rolled back by it."""
    for number, each in enumerate((kek, other)):
        try:
            store = KeyStore.open(path, each)
        except WrongKeyEncryptionKeyError:
            continue
        with store:
            store.check()
            found = {"opened by": number, "keks": store.keks, "names": list(store)}
            for name in store:
                if name == "key":
                    found[name] = [(str(one.state), one.messages) for one in store[name].versions]
                else:
                    with store.get(name) as secret, secret.reveal() as view:
                        found[name] = bytes(view).hex()
            return found
    raise AssertionError("nothing opens the store")


def _child(path, kek, other, operation, at, mode, number):
    """In a forked child: do it, and be killed, or refused.

    Statuses: 0 done, 2 done with fewer calls than that, 3 refused and as before or after, 4 wrong.
    """
    status = 4
    try:
        store = KeyStore.open(path, kek)
        SHIM.store_calls_arm(ctypes.c_long(at), mode, number)
        try:
            operation(store, other)
            status = 2 if SHIM.store_calls_count() < at else 0
        except SecureMemError:
            status = 3
        finally:
            SHIM.store_calls_arm(ctypes.c_long(0), 0, 0)
        try:
            store.check()
        except StoreLockedError:  # a new root key was written, and then its call refused
            assert operation is _rotate_root
            store.unlock(other)
            store.check()
        if "third" in store:
            store.put("third", bytearray(stores.CONTENT["third"]))  # it works on
    except BaseException:  # noqa: BLE001 - it is told by the status
        traceback.print_exc()
        status = 4
    finally:
        os._exit(status)


def export_others(path, kek):
    """Make what _import() imports; the store is changed by it."""
    with KeyStore.open(path, kek) as store:
        store.put("first", bytearray(b"imported"))
        store.put("another", bytearray(b"imported too"))
        store.export_records(exported(path), kek)


def restored(path, data):
    """Put the store back as it was, and nothing beside it."""
    path.with_name("store-journal").unlink(missing_ok=True)
    for left in path.parent.glob("beside*"):
        left.unlink()
    path.write_bytes(data)


def _calls_of(path, kek, other, operation):
    """How many calls it makes."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            store = KeyStore.open(path, kek)
            SHIM.store_calls_arm(ctypes.c_long(10**6), 0, 0)
            operation(store, other)
            os.write(write, str(SHIM.store_calls_count()).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as said:
        return int(said.read())


def main(directory, mode_name, one_of):
    """Every operation, at one of so many calls, and at the first after the last."""
    mode, number = (MODES[mode_name], 0) if mode_name in MODES else (2, int(mode_name))
    path, kek = stores.filled(directory)
    other, data = KeyFile.generate(directory / "other.key"), path.read_bytes()
    export_others(path, kek)
    restored(path, data)
    points, endings, chance = 0, {}, random.Random(12)
    for operation in OPERATIONS:
        before = observed(path, kek, other)
        with KeyStore.open(path, kek) as store:
            operation(store, other)
        after = observed(path, kek, other)
        restored(path, data)
        calls = _calls_of(path, kek, other, operation)
        chosen = [at for at in range(1, calls + 1) if one_of == 1 or chance.randrange(one_of) == 0]
        for at in [*chosen, calls + 50]:
            restored(path, data)
            child = os.fork()
            if child == 0:
                _child(path, kek, other, operation, at, mode, number)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            name = f"{operation.__name__} at {at}: {status}"
            assert status in {0, 2, 3, -signal.SIGKILL}, name
            found = observed(path, kek, other)
            assert found in {before, after}, f"{name}: {found} is neither {before} nor {after}"
            if status == 2:
                assert found == after, name
                continue
            points += 1
            ending = f"{status} {'after' if found == after else 'before'}"
            endings[ending] = endings.get(ending, 0) + 1
        restored(path, data)
    print(json.dumps({"points": points, "endings": endings}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
