"""Real web servers with real workers under load; then every process of theirs is searched from outside."""

from __future__ import annotations

import hmac
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from securemem.scanning import scan_process
from tests.support.key_schedules import every_form_of
from tests.support.programs import environment

PATIENCE = 60
WORKERS, CLIENTS, REQUESTS = 4, 4, 40


class Server:
    """A server on loopback, and the processes that it is made of."""

    def __init__(self, process, port, values):
        self.process, self.port, self.values = process, port, values

    def ask(self, path, body=None, headers=None):
        """Ask once; the status, the JSON and the cookie of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET" if body is None else "POST", path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            kind = answer.getheader("Content-Type", "")
            cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
            return answer.status, json.loads(text) if "json" in kind else text.decode(), cookie
        finally:
            connection.close()

    def load(self, request, check):
        """Several clients ask at once; each answer is checked, and what the checks give is returned."""
        given, failed = [], []

        def client(name):
            try:
                for i in range(REQUESTS):
                    text = f"{name} {i}"
                    given.append(check(text, self.ask(*request(text))))
            except BaseException as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=client, args=(name,)) for name in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert failed == []
        return given

    def processes(self):
        """It and all that it started."""
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [int(child) for pid in new for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return found

    def code(self, text):
        """What the key signs a text with."""
        return hmac.digest(self.values["key"], text, "sha256").hex()

    def search(self):
        """Of each process: the copies of each value in memory, and those in environment and arguments."""
        for pid in self.processes():
            copies = {name: scan_process(pid, every_form_of(value)) for name, value in self.values.items()}
            shown = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
            yield pid, copies, {name for name, value in self.values.items() if value in shown}


@pytest.fixture
def serve(tmp_path):
    """Start servers with some words, which get a listening socket; end them after the test."""
    values = {name: secrets.token_urlsafe(24).encode() for name in ("key", "control", "password", "shown")}
    for name in ("key", "control", "password"):
        (tmp_path / name).write_bytes(values[name])
        (tmp_path / name).chmod(0o600)
    started = []

    def start(*words):
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        number = listener.fileno()
        more = {"CREDENTIALS_DIRECTORY": str(tmp_path), "SHOWN": values["shown"].decode()}
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *(word.replace("SOCKET", str(number)) for word in words)],
                pass_fds=[number],
                cwd=tmp_path,
                env=environment(more),
                stdout=log,
                stderr=log,
            )
        started.append(process)
        port = listener.getsockname()[1]
        listener.close()
        return Server(process, port, values)

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.returncode:
            print((tmp_path / "log").read_text())


def wait_until_it_answers(server, *request):
    """The first answer comes when it is up."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return server.ask(*request)
        except OSError:
            assert server.process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.05)


def test_gunicorn_preload(serve):
    """Four workers of a master that had loaded the key: under load each signs with it, and has one locked copy."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    pytest.importorskip("flask", reason="the extra flask is not installed")
    server = serve(
        *("gunicorn", "--preload", "--workers", str(WORKERS), "--bind", "fd://SOCKET", "--worker-tmp-dir", "/dev/shm"),
        "tests.support.served:make_flask()",
    )
    wait_until_it_answers(server, "/")

    def signed(text, answer):
        status, said, _ = answer
        assert status == 200
        assert said["code"] == server.code(text.encode())
        return said["pid"]

    workers, end = set(), time.monotonic() + PATIENCE
    while len(workers) < WORKERS and time.monotonic() < end:
        workers |= set(server.load(lambda text: ("/sign", text), signed))
    assert len(workers) == WORKERS
    assert server.ask("/login", b"another")[0] == 403
    status, _, cookie = server.ask("/login", server.values["password"])
    assert status == 200
    seen = set()
    for visits in range(1, 30):  # a session that one worker began goes on in all
        status, said, cookie = server.ask("/", None, {"Cookie": cookie})
        assert (status, said["visits"], said["locked"]) == (200, visits, True)
        seen.add(said["pid"])
    assert seen <= workers
    searched = {pid: (copies, shown) for pid, copies, shown in server.search()}
    assert workers < set(searched)
    for copies, shown in searched.values():
        assert (copies["key"].locked, copies["key"].unlocked) == (1, 0)
        assert copies["control"].unlocked >= 1  # the control, in each process
        assert shown == {"shown"}  # the control for the environment


def test_uvicorn_and_fastapi(serve):
    """An event loop with a pool of threads: it signs under load, and takes passwords; errors do not repeat them."""
    pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    pytest.importorskip("fastapi", reason="FastAPI is not installed")
    server = serve("uvicorn", "--factory", "--fd", "SOCKET", "tests.support.served:make_fastapi")
    wait_until_it_answers(server, "/nothing")

    def signed(text, answer):
        status, said, _ = answer
        assert status == 200
        assert said["code"] == server.code(text.encode())
        return said["pid"]

    as_json = {"Content-Type": "application/json"}
    assert set(server.load(lambda text: ("/sign", json.dumps(text), as_json), signed)) <= set(server.processes())
    password = server.values["password"].decode()
    ways = {
        200: {"user": "u", "password": password},
        403: {"user": "u", "password": password + "x"},
        422: {"password": password},  # without a user
    }
    for expected, body in ways.items():
        status, said, _ = server.ask("/login", json.dumps(body), as_json)
        assert status == expected, said
        assert password not in json.dumps(said)
    status, said, _ = server.ask("/login", json.dumps({"user": password, "password": 5}), as_json)
    assert status == 422
    assert password not in json.dumps(said)
    for _, copies, shown in server.search():
        assert (copies["key"].locked, copies["key"].unlocked) == (1, 0)
        assert copies["control"].unlocked >= 1
        assert shown == {"shown"}


def test_children_really_read(tmp_path):
    """doors.run: the child has read its secrets, and nobody's environment or arguments have any, while it runs."""
    from securemem import SecureBytes
    from securemem.doors import run

    values = {name: secrets.token_urlsafe(24) for name in ("stdin", "file", "shown")}
    child = (
        "import os, pathlib, sys, time\n"
        "assert sys.stdin.read() == sys.argv[1][::-1] and open(os.environ['TOKEN']).read() == sys.argv[2][::-1]\n"
        "pathlib.Path('there').touch()\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
    )
    found = {}

    def look():
        end = time.monotonic() + PATIENCE
        while not (tmp_path / "there").exists() and time.monotonic() < end:
            time.sleep(0.01)
        for pid in (path.name for path in Path("/proc").iterdir() if path.name.isdigit()):
            try:
                text = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            for name, value in values.items():
                if value.encode() in text:
                    found.setdefault(name, set()).add(int(pid))
        (tmp_path / "go").touch()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        run(
            [sys.executable, "-c", child, values["stdin"][::-1], values["file"][::-1]],
            stdin=SecureBytes.copy_of(values["stdin"].encode()),
            secret_files={"TOKEN": SecureBytes.copy_of(values["file"].encode())},
            env={**os.environ, "SHOWN": values["shown"]},
            cwd=tmp_path,
            check=True,
        )
    finally:
        thread.join()
    assert set(found) == {"shown"}  # the control
