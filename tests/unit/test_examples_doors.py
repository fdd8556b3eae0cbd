"""The examples that bring secrets in and hand them on, run as a reader would run them."""

from __future__ import annotations

import hmac
import importlib.util
import os
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest

from tests.support import ROOT
from tests.support.terminal import Terminal  # noqa: TC001 - the fixture makes them

EXAMPLES = ROOT / "examples"


def command(name, *arguments):
    """The words that run an example."""
    return [sys.executable, str(EXAMPLES / name), *map(str, arguments)]


def test_run_child_with_secret(terminal):
    """Typed at the terminal, the password reaches the program by a file, and is in none of its other surroundings."""
    look = 'cat "$PW_FILE"; tr "\\0" "\\n" </proc/self/environ | grep -c typed'
    words = command("run_child_with_secret.py", "PW_FILE", "sh", "-c", look)
    one: Terminal = terminal(f"import os, sys; os.execv(sys.executable, {words!r})")
    one.wait_for_prompt(b"Password for sh: ")
    one.type(b"typed secret\n")
    status, out = one.end()
    assert (status, out) == (1, "typed secret0\n")  # 1: grep's status, which is the program's
    assert one.settings() == one.before


def test_service_credentials(tmp_path):
    """With the folder that systemd names it signs; without a key, or with a bad one, it says what is missing."""
    key = os.urandom(32)
    (tmp_path / "signing-key").write_text(key.hex() + "\n")
    words = command("service_credentials.py", "one", "two")
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [hmac.digest(key, text, "sha256").hex() for text in (b"one", b"two")]
    (tmp_path / "signing-key").write_text("no hex")
    for folder in (tmp_path, tmp_path / "nowhere"):
        environment["CREDENTIALS_DIRECTORY"] = str(folder)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("no key: ")


def test_workers(tmp_path):
    """Each file has a code; equal files have equal ones, whichever worker made them."""
    for name, text in {"a": "same", "b": "same", "c": "other"}.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        command("workers.py", *(tmp_path / name for name in "abc")),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    codes = [line.split()[0] for line in done.stdout.splitlines()]
    assert codes[0] == codes[1] != codes[2]
    assert done.stderr == ""


def test_https_server(tmp_path):
    """A client that checks the certificate reads a file; the key's file must be its owner's only."""
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=localhost", "-addext"]
    make += ["subjectAltName=DNS:localhost", "-nodes", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "page.txt").write_text("served")
    words = command("https_server.py", "certificate.pem", "key.pem")
    (tmp_path / "key.pem").chmod(0o644)
    refused = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "chmod 600" in refused.stderr
    (tmp_path / "key.pem").chmod(0o600)
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            context = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
            with urllib.request.urlopen(f"https://localhost:{port}/page.txt", context=context, timeout=30) as answer:
                assert answer.read() == b"served"
        finally:
            server.terminate()


def test_flask_app(tmp_path):
    """Run as its first lines say: who posts the password has a session, which is counted; nobody else has."""
    if importlib.util.find_spec("flask") is None:
        pytest.skip("the extra flask is not installed")
    for name, value in {"session-key": os.urandom(32), "password": b"the password\n"}.items():
        (tmp_path / name).write_bytes(value)
    words = [sys.executable, "-m", "flask", "--app", f"{EXAMPLES / 'flask_app.py'}:make_app", "run", "--port"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with subprocess.Popen([*words, str(port)], env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stderr:
                if "Running on" in line:
                    break

            def ask(path, text=None):
                body = None if text is None else urllib.parse.urlencode({"password": text}).encode()
                try:
                    with visitor.open(f"http://127.0.0.1:{port}{path}", body, timeout=30) as answer:
                        return answer.read().decode()
                except urllib.error.HTTPError as error:
                    error.close()
                    return error.code

            assert ask("/") == 401
            assert ask("/login", "another") == 403
            assert ask("/login", "the password") == "visit 1"  # it leads on to the page
            assert ask("/") == "visit 2"
        finally:
            server.terminate()
