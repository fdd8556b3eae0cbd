"""A scanner from outside looks into each command of `securemem store` when it is done: nothing secret is left in clear.

The command runs in a child that waits before it ends. It keeps a control in ordinary memory, which the scanner must
find.
"""

from __future__ import annotations

import os
import subprocess
import sys
from secrets import token_urlsafe

import pytest

from securemem import KeyStore, Policy
from securemem.keystore import cleartext
from securemem.keystore.kek.key_file import KeyFile
from securemem.testing import needles_of, scan
from tests.support import programs
from tests.support.stores import passphrase

PHRASE, VALUE, NEW, CONTROL = (token_urlsafe(32).encode() for _ in range(4))  # words are in any process
CHILD = """
import os, sys
from securemem.cli import main
control = bytes(one ^ 32 for one in bytes.fromhex(sys.argv[1]))
status = main(["store", *sys.argv[2:]])
os.write(2, b"ready %d\\n" % status)
os.read(int(os.environ["GO"]), 1)
"""
COMMANDS = {
    "list": ["list", "--long"],
    "find": ["find", "opa"],
    "put": ["put", "opaque"],
    "get": ["get", "opaque"],
    "get a former value": ["get", "opaque", "--former", "1"],
    "generate": ["generate", "made"],
    "rotate": ["rotate", "key"],
    "rename": ["rename", "key", "other"],
    "encrypt": ["encrypt", "key", "plain", "sealed"],
    "decrypt": ["decrypt", "key", "box", "clear"],
    "sign": ["sign", "signing", "plain"],
    "check": ["check"],
    "backup": ["backup", "copy"],
    "kek add": ["kek", "add", "spare", "--new-key-file", "spare"],
    "rotate-root": ["rotate-root", "--new-key-file", "spare"],
    "export": ["export", "records", "--new-key-file", "file key"],
    "import": ["import", "moving", "--file-key-file", "file key", "--replace"],
    "run": ["run", "--file", "IT=opaque", "--", "sh", "-c", "cat $IT > /dev/null"],
    "a name that is not there": ["get", "nobody"],
}


def shown(secret):
    """The bytes of a secret."""
    with secret, secret.reveal() as view:
        return bytes(view)


def needles_in(path, kek):
    """What must not be found: the root key, and the keys in the store."""
    with KeyStore.open(path, kek) as store:
        root = store._contents.root.cell.value
        with root.reveal() as view:
            found = {"root key": bytes(view)}
        for name in store:
            if store.item(name).algorithm and store[name].policy.extractable:
                found[name] = shown(cleartext.export(store[name]))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with all that the commands need, to be copied."""
    directory = tmp_path_factory.mktemp("store")
    directory.chmod(0o700)
    leaves = Policy(extractable=True)
    with KeyStore.create(directory / "store", passphrase(PHRASE)) as store:
        store.put("opaque", bytearray(VALUE), keep=3)
        store.put("opaque", bytearray(VALUE[::-1]))
        store.put("opaque", bytearray(VALUE))
        store.generate("key", policy=leaves).encrypt_file(__file__, directory / "box")
        store.generate("signing", "Ed25519", leaves)
        store.export_records(directory / "moving", KeyFile.generate(directory / "file key"))
    (directory / "plain").write_bytes(b"plain" * 100)
    return directory


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_leaves_nothing(place, tmp_path, name):
    """Passphrase, root key, keys, and secrets that came or went: none is in its memory; the control is."""
    tmp_path.chmod(0o700)
    for one in place.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
        (tmp_path / one.name).chmod(0o600)
    words = 2 if COMMANDS[name][0] == "kek" else 1
    before = needles_in(tmp_path / "store", passphrase(PHRASE))
    phrase, giving = os.pipe()
    going, go = os.pipe()
    os.write(giving, PHRASE)
    os.close(giving)
    line = [*COMMANDS[name][:words], "--store", "store", "--passphrase-fd", str(phrase), *COMMANDS[name][words:]]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, bytes(one ^ 32 for one in CONTROL).hex(), *line],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[phrase, going],
        env=programs.environment({"GO": str(going)}),
        cwd=tmp_path,
    )
    try:
        child.stdin.write(NEW)
        child.stdin.close()
        told = b""
        while not told.startswith(b"ready") and (told := child.stderr.readline()):
            pass
        assert told == (b"ready 4\n" if "not there" in name else b"ready 0\n")
        kek = KeyFile(tmp_path / "spare") if name == "rotate-root" else passphrase(PHRASE)
        after = {f"{one} after": value for one, value in needles_in(tmp_path / "store", kek).items()}
        secrets = {"passphrase": PHRASE, "value": VALUE, "former": VALUE[::-1], "new": NEW}
        sought = [needle for value in (before | after | secrets).values() for needle in needles_of(value)]
        report = scan(child.pid, sought)
        assert [one for one in report.copies if not one.locked] == []
        assert report.unlocked == 0
        assert scan(child.pid, needles_of(CONTROL)).unlocked > 0
    finally:
        os.close(go)
        child.kill()
        child.wait()
        child.stderr.close()
        for one in (phrase, going):
            os.close(one)
