"""Forks from eight busy threads, with every lock of a store in a file held somewhere, and from inside its uses.

In the child the store is locked, its file is left to the parent, and the doors and the rest work at once; stores in
files, that one and others, open where no thread was inside SQLite at the fork. In the parent everything goes on.
"""

from __future__ import annotations

from tests.support.programs import run

BUSY = """
import os, socket, tempfile, threading, time, traceback, warnings
from securemem import KeyStore, SecureBytes, StoreLockedError, doors, locking
from securemem.exceptions import StoreBusyError
from securemem.keystore.kek.key_file import KeyFile
from tests.support.estate import child_of

warnings.simplefilter("ignore", DeprecationWarning)  # the threads are what is tested
folder = tempfile.mkdtemp()
kek = KeyFile.generate(folder + "/kek")
store = KeyStore.create(folder + "/store", kek)
key = store.generate("key", "AES-256-GCM")
box = key.encrypt(b"plaintext", b"context")
store.put("secret", bytearray(b"opaque"))
going, errors, counts = True, [], {}

def forever(name, work):
    def loop():
        counts[name] = 0
        while going:
            try:
                work()
            except Exception as error:
                errors.append((name, error))
                return
            counts[name] += 1
            time.sleep(0.01)  # others get their turn
    thread = threading.Thread(target=loop)
    thread.start()
    return thread

def change():
    store.put("changed", bytearray(b"value"))

def label():
    store.set_details("key", labels=["one"])
    store.set_details("key", labels=["other"])

def wait_for_changes():
    with KeyStore.open(folder + "/store", kek) as other:
        other.put("other", bytearray(b"value"))

def pass_on():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        taken = []
        thread = threading.Thread(target=lambda: taken.append(doors.take_over(theirs)))
        thread.start()
        doors.hand_over(ours, b"handed over")
        thread.join()
        assert taken[0] == b"handed over"

def refuses(kind, *uses):
    for use in uses:
        try:
            use()
        except kind as error:
            assert "fork" in str(error), error
        else:
            raise AssertionError("the child used what is the parent's")

def leave(check):
    status = 4
    try:
        check()
        status = 3
    except BaseException:
        traceback.print_exc()
    os._exit(status)

def check_child():
    assert store.locked
    refuses(StoreLockedError, lambda: key.encrypt(b"x"), lambda: store.get("secret"), lambda: store.put("new", b"x"))
    store.close()  # leaves the parent's file alone
    pass_on()
    with doors.as_file(b"secret") as file, open(file, "rb") as reader:
        assert reader.read() == b"secret"
    assert doors.run(["cat"], stdin=b"secret", capture_output=True).stdout == b"secret"
    with locking.mlock(bytearray(8192)) as lock:
        assert lock.held
    assert doors.decode_hex(doors.encode_hex(b"secret")) == b"secret"
"""


OWN = """
def own_store():
    with KeyStore.create(f"{folder}/of {os.getpid()}", kek) as own:
        own.put("secret", bytearray(b"opaque"))
        own.check()
"""
# Only where no other thread was inside SQLite at the fork: its own locks stay taken in the child then.
REOPENED = (
    OWN
    + """
def reopen():
    own_store()
    store.unlock(kek)
    assert store.get("secret") == b"opaque"
    store.put("of a child", bytearray(b"x"))
    store.delete("of a child")
    store.check()
    store.close()
"""
)


def test_forks_from_eight_busy_threads():
    """Each child can use what the parent's threads held at the fork: nothing hangs, nothing of the file is lost."""
    out = run(
        BUSY
        + """
threads = [
    forever("change", change), forever("label", label), forever("other", wait_for_changes),
    forever("get", lambda: store.get("secret").wipe()),
    forever("stock", store.check), forever("pass", pass_on),
    forever("file", lambda: doors.as_file(b"secret").close()),
    forever("lock", lambda: locking.mlock(bytearray(4096)).unlock()),
]
while len(counts) < 8 or min(counts.values()) < 1:
    time.sleep(0.01)
    assert not errors, errors
for _ in range(12):
    assert child_of(check_child) == 0
    assert not errors, errors
going = False
for thread in threads:
    thread.join()
assert not errors, errors
assert store.get("secret") == b"opaque" and store.get("changed") == b"value"
store.check()
store.close()
print(min(counts.values()))
""",
        timeout=240,
    )
    assert int(out) >= 1


def test_a_fork_from_inside_a_transaction_leaves_it_to_the_parent():
    """A callback within a change forks: the child's end of it changes nothing in the file, and the parent commits."""
    out = run(
        BUSY
        + REOPENED
        + """
found = []

class Forking:
    def wrap(self, root, context):
        child = os.fork()
        if child == 0:
            own.append(True)
            raise InterruptedError("the child goes another way")
        found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return kek.wrap(root, context)

    def unwrap(self, wrapped, context):
        return kek.unwrap(wrapped, context)

own = []
try:
    store.rotate_root(Forking())
    store.put("secret", bytearray(b"after"))
except Exception as error:
    assert own, error
    leave(lambda: (check_child(), reopen()))
assert found == [3], found
with KeyStore.open(folder + "/store", kek) as again:
    again.check()
    assert again.get("secret") == b"after"
store.close()
""",
    )
    assert out == ""


def test_a_fork_from_inside_of_an_open_transaction():
    """The fork comes between the begin of a transaction and its commit: the child rolls nothing back.

    It cannot open the file, where it would read without a lock; another store it can.
    """
    out = run(
        BUSY
        + OWN
        + """
import sqlite3
from securemem.storage import sqlite
real, forks = sqlite.SqliteFile.write, []

def check_file():
    assert store.locked and not store._contents.book.file.in_transaction
    refuses(StoreBusyError, lambda: KeyStore.open(folder + "/store", kek), lambda: store.unlock(kek))
    own_store()

def forking(self, *args, **names):
    if not forks:
        forks.append(os.fork())
        if forks == [0]:
            raise InterruptedError("the child")
        status = os.waitstatus_to_exitcode(os.waitpid(forks[0], 0)[1])
        assert status == 3, status
    return real(self, *args, **names)

sqlite.SqliteFile.write = forking
try:
    store.put("secret", bytearray(b"after"))
except Exception as error:
    if forks != [0]:
        raise
    leave(check_file)
with KeyStore.open(folder + "/store", kek) as again:
    again.check()
    assert again.get("secret") == b"after"
store.check()
""",
    )
    assert out == ""
