"""The examples on cryptography run as their first lines say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments, said="", status=0):
    """What an example prints, standard error included."""
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        input=said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def test_drop_in():
    """Both halves agree, a changed ciphertext is refused, and the key is not printed."""
    assert run("drop_in.py").splitlines() == [
        "before and after agree: True",
        "a changed ciphertext is refused: True",
        "the key, printed: <SecureBytes: 32 bytes>",
    ]


def test_envelope_encrypt_directory(tmp_path):
    """Files come back, empty ones too; the ciphertexts tell nothing; a wrong passphrase or an exchange is refused."""
    source, sealed, back = (tmp_path / name for name in ("source", "sealed", "back"))
    source.mkdir()
    files = {"letter.txt": b"dear reader", "empty": b"", "large.bin": bytes(range(256)) * 1000}
    for name, content in files.items():
        (source / name).write_bytes(content)
    program = "envelope_encrypt_directory.py"
    assert run(program, "encrypt", source, sealed, said="correct horse\n") == "encrypted 3 files\n"
    assert not any(b"dear reader" in path.read_bytes() for path in sealed.iterdir())
    assert run(program, "decrypt", sealed, back, said="correct horse") == "decrypted 3 files\n"
    assert {path.name: path.read_bytes() for path in back.iterdir()} == files
    assert "wrong passphrase" in run(program, "decrypt", sealed, tmp_path / "no", said="wrong\n", status=1)
    assert not list((tmp_path / "no").iterdir())
    (sealed / "letter.txt.sealed").rename(sealed / "other.txt.sealed")
    assert "was changed" in run(program, "decrypt", sealed, tmp_path / "no", said="correct horse", status=1)
    assert "empty" in run(program, "encrypt", source, sealed, said="\n", status=1)
