"""A TLS server whose key comes from locked memory, searched from outside over its life: libssl's copies are counted."""

from __future__ import annotations

import socket
import ssl

import pytest

from securemem.scanning import Needle, scan_process
from tests.support.certificates import made_certificate, made_key

LIFE = """
import socket, ssl
from securemem import scrub
from securemem.adapters.ssl import load_cert_chain
from securemem.doors import read_file
stand_still()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
with read_file("key.pem") as pem:
    control = open("control").read()
    stand_still()
    load_cert_chain(context, "certificate.pem", pem)
    scrub()
    stand_still()
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], file=open("port", "w"), flush=True)
    stand_still()
    with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
        connection.sendall(connection.recv(100).upper())
        stand_still()
del context, connection
scrub()
stand_still()
"""
MOST = 3  # copies of a number of the key, as the page says


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_copies_of_the_key(prey, tmp_path, kind):
    """The text: the locked copy, and one in a buffer that OpenSSL frees. The number: OpenSSL's, while it has it."""
    numbers, lines = made_certificate(tmp_path, made_key(kind))
    (tmp_path / "control").write_text("\n".join(one.decode() for one in lines))
    attacked = prey(LIFE)
    number = numbers[-1]
    needles = [Needle("text", lines[0])], [Needle("DER", number), Needle("a number's words", number[::-1])]

    def found():
        copies = [scan_process(attacked.pid, one) for one in needles]
        return [(one.locked, one.unlocked) for one in copies]

    attacked.wait()
    assert found() == [(0, 0), (0, 0)]
    attacked.next()
    (locked, control), numbers = found()
    assert locked == 1
    assert control >= 1
    assert numbers == (0, 0)
    attacked.next()
    (locked, others), (none, copies) = found()
    assert (locked, none) == (1, 0)
    assert others <= control + 1
    assert 1 <= copies <= MOST
    attacked.next()
    assert found()[0][0] == 0  # wiped, though the server has its key
    port = int((tmp_path / "port").read_text())
    client = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    attacked.go_on()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
        client.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"there and back")
        assert connection.recv(100) == b"THERE AND BACK"
        attacked.wait()
        assert 1 <= found()[1][1] <= MOST
        attacked.next()
    assert found()[1] == (0, 0)
