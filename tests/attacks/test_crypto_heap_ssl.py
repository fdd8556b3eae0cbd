"""The private key of a TLS server in Python's ssl: where load_cert_chain leaves it, with the heap and without."""

from __future__ import annotations

import subprocess
import sys

import pytest

from securemem.cli._deep import needles_of_all as needles_of
from securemem.scanning import scan_process
from tests.support import programs
from tests.support.certificates import made_certificate, made_key

CHILD = """
import os, ssl, sys
from securemem import crypto_heap
from securemem._binding.memory import scrub
if sys.argv[1] == "heap": crypto_heap.enable(objects=("ssl",), scrub="sections")
def load():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    return context
kept = load()
scrub(65536)
print("loaded", flush=True); sys.stdin.readline()
del kept
scrub(65536)
print("gone", flush=True); sys.stdin.readline()
if sys.argv[1] == "heap": assert crypto_heap.status().objects == ("ssl",) and not crypto_heap.status().failures
"""


def places(process, needles):
    """What is found outside locked memory."""
    return [place for place in scan_process(process.pid, needles).where if not place.locked]


@pytest.fixture(params=["RSA", "EC"])
def secrets(request, tmp_path):
    """A key and certificate in tmp_path, and what of them is secret."""
    numbers, lines = made_certificate(tmp_path, made_key(request.param))
    return numbers + lines


@pytest.mark.parametrize("mode", ["heap", "off"])
def test_key_of_a_tls_server(tmp_path, secrets, mode):
    """With objects=("ssl",) no copy lies outside locked memory, alive or gone; without the heap the scan finds some."""
    needles = needles_of(secrets)
    command = [sys.executable, "-c", CHILD, mode, str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=programs.environment()) as process:
        assert process.stdout.readline() == "loaded\n"
        alive = places(process, needles)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "gone\n"
        gone = places(process, needles)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(60) == 0
    if mode == "heap":
        assert (alive, gone) == ([], [])
    else:
        assert alive
