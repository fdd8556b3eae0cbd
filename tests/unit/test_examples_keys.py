"""The examples whose keys a service keeps, run as a reader would run them, with the real service."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import ROOT, key_services


def test_envelope_with_vault(tmp_path):
    """Lines come back; the boxes hold none of them; without the service it says so."""
    (tmp_path / "bao-token").write_text(key_services.TOKEN + "\n")
    (tmp_path / "bao-token").chmod(0o600)
    lines = b"first line\nsecond line\nthird\n"

    with key_services.transit() as service:
        surroundings = {**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path), "BAO_ADDR": service.admin.url}

        def run(action, data):
            words = [sys.executable, str(ROOT / "examples" / "envelope_with_vault.py"), action, "stores"]
            return subprocess.run(words, input=data, capture_output=True, env=surroundings, timeout=60, check=False)

        boxes = run("encrypt", lines)
        assert boxes.stderr == b""
        assert boxes.stdout.count(b"\n") == 3
        assert b"line" not in boxes.stdout
        assert run("decrypt", boxes.stdout).stdout == lines
        changed = run("decrypt", boxes.stdout.replace(boxes.stdout[60:64], b"AAAA", 1))
        assert changed.returncode == 1
        assert b"envelope_with_vault.py: " in changed.stderr
        service.process.kill()
        service.process.wait()
        gone = run("encrypt", lines)
    assert gone.returncode == 1
    assert b"the transit engine is away" in gone.stderr
    assert b"Traceback" not in gone.stderr
