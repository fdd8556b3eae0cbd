"""Logging in to a mail server that checks the password."""

from __future__ import annotations

import base64
import smtplib
import socket
import threading

import pytest

from securemem import SecretTextWarning, SecureBytes
from securemem.adapters.smtplib import login
from securemem.exceptions import InvalidArgumentError, WipedError

PASSWORD = "a pässword of the test"


@pytest.fixture
def server():
    """Start servers that offer some ways and know one user; each serves one client."""
    threads = []

    def start(*ways):
        listener = socket.create_server(("127.0.0.1", 0))
        threads.append(threading.Thread(target=serve, args=(listener, ways)))
        threads[-1].start()
        return listener.getsockname()[1]

    yield start
    for thread in threads:
        thread.join(30)


def serve(listener, ways):
    """Speak as much of SMTP as a log-in has."""
    with listener, listener.accept()[0] as connection, connection.makefile("rwb", buffering=0) as file:
        file.write(b"220 here\r\n")
        for line in file:
            match line.split():
                case [b"ehlo", _]:
                    file.write(b"250-here\r\n250 " + (b"AUTH " + b" ".join(ways) if ways else b"HELP") + b"\r\n")
                    continue
                case [b"AUTH", b"PLAIN", words]:
                    given = base64.b64decode(words, validate=True).split(b"\0")[1:]
                case [b"AUTH", b"LOGIN", user]:
                    file.write(b"334 UGFzc3dvcmQ6\r\n")
                    given = [base64.b64decode(one, validate=True) for one in (user, file.readline().strip())]
                case _:
                    file.write(b"221 bye\r\n")
                    return
            right = given == ["jürgen".encode(), PASSWORD.encode()]
            file.write(b"235 welcome\r\n" if right else b"535 no\r\n")


def secret(text=PASSWORD):
    """A password in locked memory."""
    return SecureBytes.copy_of(text.encode())


@pytest.mark.parametrize("ways", [(b"PLAIN",), (b"LOGIN",), (b"CRAM-MD5", b"LOGIN", b"PLAIN")])
def test_login(server, ways):
    """By each way; the client has no password then, and no view of it is open."""
    with smtplib.SMTP("127.0.0.1", server(*ways)) as client:
        password = secret()
        login(client, "jürgen", password)
        assert not hasattr(client, "password") or client.password is None
        password.wipe()


def test_refusals(server):
    """Another password; a server that offers no way; what is no secret; a wiped one, before anything is sent."""
    with smtplib.SMTP("127.0.0.1", server(b"PLAIN")) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            login(client, "jürgen", secret("another"))
        assert "another" not in f"{caught.value!r}"
        with pytest.raises(TypeError, match="SecureBytes"):
            login(client, "jürgen", PASSWORD)
        with pytest.raises(InvalidArgumentError, match="NUL"):
            login(client, "jürgen\0", secret())
        password = secret()
        password.wipe()
        with pytest.raises(WipedError):
            login(client, "jürgen", password)
    with smtplib.SMTP("127.0.0.1", server()) as client, pytest.raises(smtplib.SMTPNotSupportedError):
        login(client, "jürgen", secret())
    with smtplib.SMTP("127.0.0.1", server(b"PLAIN")) as client, pytest.raises(SecretTextWarning):
        client.login("u", SecureBytes.random(8))  # the control: smtplib's own sends its description, and it warns
