"""An attacker reads the memory of a process from before a secret comes in by a door until after its release.

Beside each door the same process reads a second secret as programs do today: what finds that would find the first.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.support.key_schedules import every_form_of

IMPORTS = "import base64, json, socket\nfrom securemem import doors\n"
FILLER = b"-" * 5000


def as_json(key):
    """A file with the key and an escape before it."""
    return json.dumps({"user": "\u00e9", "nested": [{"key": key.decode()}]}).encode()


# name: (the door's code, today's code, what the file holds, copies in locked memory while it is held)
FILES = {
    "read_file": ("doors.read_file('key')", "open('control', 'rb').read()", bytes, 1),
    "read_file, a newline stripped": (
        "doors.read_file('key', strip_newline=True)",
        "open('control', 'rb').read().rstrip()",
        lambda key: key + b"\n",
        1,
    ),
    "read_fd": (
        "doors.read_fd(os.open('key', os.O_RDONLY))",
        "os.read(os.open('control', os.O_RDONLY), 100)",
        bytes,
        1,
    ),
    "read_credential": ("doors.read_credential('key', directory='.')", "open('control').read()", bytes, 1),
    "read_json_field": (
        "doors.read_json_field('key', '/nested/0/key')",
        "json.load(open('control'))['nested'][0]['key']",
        as_json,
        1,
    ),
    "decode_hex": (
        "doors.decode_hex(doors.read_file('key'))",
        "bytes.fromhex(open('control').read())",
        lambda key: key.hex().encode(),
        1,
    ),
    "decode_base64": (
        "doors.decode_base64(doors.read_file('key'))",
        "base64.b64decode(open('control').read())",
        base64.b64encode,
        1,
    ),
    "encode_hex": ("doors.encode_hex(doors.read_file('key'))", "open('control', 'rb').read().hex()", bytes, 1),
    "encode_base64": (
        "doors.encode_base64(doors.read_file('key'))",
        "base64.b64encode(open('control', 'rb').read())",
        bytes,
        1,
    ),
    "split": (
        "doors.split(doors.read_file('key'), b':')[1]",
        "open('control', 'rb').read().split(b':')[1]",
        lambda key: b"user:" + key + b":x",
        1,
    ),
    "strip": (
        "doors.strip(doors.read_file('key'))",
        "open('control', 'rb').read().strip()",
        lambda key: b" \t" + key + b"\r\n",
        1,
    ),
    "concat": (
        "doors.concat(b'prefix', doors.read_file('key'))",
        "b'prefix' + open('control', 'rb').read()",
        bytes,
        1,
    ),
    "a file that grows the slot": (
        "doors.read_fd(os.popen('cat key').fileno())",
        "os.popen('cat control').read()",
        lambda key: FILLER + key + FILLER,
        1,
    ),
    "write_fd": (
        "doors.read_file('key'); doors.write_fd(os.open('/dev/null', os.O_WRONLY), key)",
        "open('control', 'rb').read()",
        bytes,
        1,
    ),
}

LIFE = """
stand_still()
key = {door}
control = {today}
stand_still()
key.wipe()
stand_still()
"""


def new_key():
    """32 random characters."""
    return secrets.token_urlsafe(24).encode()


@pytest.mark.parametrize("case", FILES.values(), ids=FILES)
def test_files(prey, tmp_path, case):
    """One copy, in locked memory, while it is held; none before and none after."""
    door, today, form, locked = case
    attacked = prey(IMPORTS + LIFE.format(door=door, today=today))
    attacked.wait()
    for name in ("key", "control"):
        value = new_key()
        setattr(attacked, name, every_form_of(value))
        path = tmp_path / name
        path.write_bytes(form(value))
        path.chmod(0o600)
    assert attacked.scan() == ((0, 0), (0, 0))
    attacked.next()
    held = attacked.scan()
    assert held.key == (locked, 0)
    assert held.control[1] >= 1
    attacked.next()
    assert attacked.scan().key == (0, 0)


def test_receive(prey, tmp_path):
    """From a socket, in two pieces."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    server.listen()
    values = [new_key(), new_key()]

    def serve():
        connection, _ = server.accept()
        with connection:
            connection.sendall(values[0][:5])
            connection.sendall(values[0][5:] + values[1])
            connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    connect = "peer = socket.socket(socket.AF_UNIX); peer.connect('socket')\n"
    attacked = prey(IMPORTS + connect + LIFE.format(door="doors.receive(peer, 32)", today="peer.recv(32)"))
    attacked.key, attacked.control = map(every_form_of, values)
    attacked.wait()
    assert attacked.scan() == ((0, 0), (0, 0))
    attacked.next()
    held = attacked.scan()
    assert held.key == (1, 0)
    assert held.control[1] >= 1
    attacked.next()
    assert attacked.scan().key == (0, 0)
    attacked.go_on()
    attacked.process.wait(60)
    thread.join()
    server.close()


def test_read_env(prey, monkeypatch):
    """Three copies are there before: the kernel's, and Python's of it; none after but the locked one."""
    values = {"KEY": new_key(), "CONTROL": new_key()}
    for name, value in values.items():
        monkeypatch.setenv(name, value.decode())
    attacked = prey(IMPORTS + LIFE.format(door="doors.read_env('KEY')", today="os.environ.pop('CONTROL')"))
    attacked.key, attacked.control = map(every_form_of, values.values())
    attacked.wait()
    before = attacked.scan()
    assert before.key == before.control
    assert before.key[1] >= 2
    attacked.next()
    held = attacked.scan()
    assert held.key == (1, 0)
    assert held.control[1] >= 1
    attacked.next()
    assert attacked.scan().key == (0, 0)


def test_generated(prey):
    """Passwords are made in locked memory; one of the standard library's is not."""
    attacked = prey(
        IMPORTS
        + """
import secrets
key = doors.generate_password(32)
control = bytearray("".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(32)).encode())
tell(key); tell(control); stand_still()
key.wipe(); stand_still()
"""
    )
    attacked.learn(32)
    attacked.wait()
    held = attacked.scan()
    assert held.key == (1, 0)
    assert held.control[1] >= 1
    attacked.next()
    assert attacked.scan().key == (0, 0)


TYPED = """
import getpass, os, sys
from securemem import doors
def wait(): print("still", flush=True); os.read(int(sys.argv[1]), 1)
wait()
key = doors.prompt("? ")
control = getpass.getpass("? ")
wait()
key.wipe()
wait()
"""


def test_prompt(terminal):
    """Typed at a terminal: one copy, in locked memory, with some of it taken back; getpass leaves copies."""
    from securemem.scanning import scan_process

    key, control = new_key(), new_key()
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    source = TYPED.replace("int(sys.argv[1])", f"os.open('/proc/{os.getpid()}/fd/{reader}', os.O_RDONLY)")
    one = terminal(source)

    def found():
        assert one.process.stdout.readline() == "still\n"
        copies = [scan_process(one.process.pid, every_form_of(value)) for value in (key, control)]
        os.write(writer, b".")
        return [(each.locked, each.unlocked) for each in copies]

    try:
        assert found() == [(0, 0), (0, 0)]
        one.wait_for_prompt()
        one.type(key[:10] + b"mistake" + b"\x7f" * 7 + key[10:] + b"\n")
        one.wait_for_prompt(count=2)
        one.type(control + b"\n")
        held = found()
        assert held[0] == (1, 0)
        assert held[1][1] >= 1
        assert found()[0] == (0, 0)
    finally:
        os.close(reader)
        os.close(writer)


AS_FILE = """
stand_still()
key = doors.read_file("key")
file = doors.as_file(key)
control = open("control", "rb").read()
import tempfile
temporary = tempfile.TemporaryFile()
temporary.write(control); temporary.flush()
stand_still()
file.close()
stand_still()
key.wipe()
stand_still()
"""


def hand_out(attacked, tmp_path):
    """Write key and control for a prey that has not read them yet, and look that it has none."""
    for name in ("key", "control"):
        value = new_key()
        setattr(attacked, name, every_form_of(value))
        path = tmp_path / name
        path.write_bytes(value)
        path.chmod(0o600)
    assert attacked.scan() == ((0, 0), (0, 0))


def test_as_file(prey, tmp_path):
    """While there is a file: the secret and the file, both locked; the secret then; nothing then."""
    attacked = prey(IMPORTS + AS_FILE)
    attacked.wait()
    hand_out(attacked, tmp_path)
    attacked.next()
    held = attacked.scan()
    assert held.key == (2, 0)
    assert held.control[1] >= 1
    attacked.next()
    assert attacked.scan().key == (1, 0)
    attacked.next()
    assert attacked.scan().key == (0, 0)


RUN = """
import subprocess, sys
child = '''
import os, sys, time
if "TOKEN" in os.environ: given = sys.stdin.buffer.read() + open(os.environ["TOKEN"], "rb").read()
open("there", "w").write(str(os.getpid()))
while not os.path.exists("go"): time.sleep(0.01)
os.remove("go"); os.remove("there")
'''
stand_still()
key = doors.read_file("key")
doors.run([sys.executable, "-c", child], stdin=key, secret_files={"TOKEN": key}, check=True)
stand_still()
control = open("control").read()
subprocess.run([sys.executable, "-c", child, control], check=True)
key.wipe()
stand_still()
"""


def test_run(prey, tmp_path):
    """While the child runs: the secret and its two files, all locked; then the secret; the child's environment none."""
    attacked = prey(IMPORTS + RUN)
    attacked.wait()
    hand_out(attacked, tmp_path)

    def child():
        while not (tmp_path / "there").exists() or not (tmp_path / "there").read_text():
            assert attacked.process.poll() is None
            time.sleep(0.01)
        return Path("/proc", (tmp_path / "there").read_text())

    def shown(process, needles):
        text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        return any(one.pattern in text for one in needles)

    attacked.go_on()
    there = child()
    assert attacked.scan().key == (3, 0)
    assert not shown(there, attacked.key)
    (tmp_path / "go").touch()
    attacked.wait()
    assert attacked.scan().key == (1, 0)
    attacked.go_on()
    there = child()
    assert shown(there, attacked.control)  # the control
    assert attacked.scan().control[1] >= 1
    (tmp_path / "go").touch()
    attacked.wait()
    assert attacked.scan().key == (0, 0)


SENDER = """
server = socket.socket(socket.AF_UNIX); server.bind("socket"); server.listen()
stand_still()
key, control = doors.read_file("key"), open("control", "rb").read()
peer, _ = server.accept()
import threading, time
thread = threading.Thread(target=doors.hand_over, args=(peer, key)); thread.start()
while thread.is_alive() and "memfd" not in open("/proc/self/maps").read(): time.sleep(0.01)
stand_still()
thread.join()
stand_still()
peer.sendall(control)
key.wipe()
stand_still()
"""
RECEIVER = """
peer = socket.socket(socket.AF_UNIX); peer.connect("socket")
stand_still()
key = doors.take_over(peer)
stand_still()
control = peer.recv(32)
stand_still()
key.wipe()
stand_still()
"""


def test_hand_over(prey, tmp_path):
    """On its way: the sender's secret and its file, locked; then one in each process; nothing after the wipes."""
    sender = prey(IMPORTS + SENDER)
    sender.wait()
    hand_out(sender, tmp_path)
    receiver = prey(IMPORTS + RECEIVER)
    receiver.key, receiver.control = sender.key, sender.control
    receiver.wait()
    assert receiver.scan() == ((0, 0), (0, 0))
    sender.next()
    assert sender.scan().key == (2, 0)
    assert receiver.scan().key == (0, 0)
    receiver.next()
    sender.next()
    assert sender.scan().key == (1, 0)
    assert receiver.scan().key == (1, 0)
    sender.next()
    receiver.next()
    assert sender.scan().key == (0, 0)
    held = receiver.scan()
    assert held.key == (1, 0)
    assert held.control[1] >= 1
    receiver.next()
    assert receiver.scan().key == (0, 0)
