"""`securemem store …`, end to end: through pipes, descriptors and a terminal, as a shell runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
import termios

import pytest

from securemem import KeyStore
from securemem.cli import main
from tests.support.stores import passphrase
from tests.support.terminal import terminal  # noqa: F401 - a fixture

PHRASE = b"Correct Horse 7"
COMMAND = "import sys\nfrom securemem.cli import main\nsys.exit(main(['store', *sys.argv[1:]]))"
QUICK = ("--memory", "64", "--passes", "1")


class Shell:
    """Runs the command on one store, with its passphrase in a pipe."""

    def __init__(self, directory):
        directory.chmod(0o700)
        self.directory = directory
        self.path = directory / "store"
        self.environment = {**os.environ, "XDG_DATA_HOME": str(directory / "data"), "HOME": str(directory)}

    def __call__(self, *arguments, phrase=PHRASE, status=0, stdin=b"", store=True, more=None):
        """What it printed; more: what else is in pipes, by the option that names their descriptors."""
        ends, options = [], []
        for option, data in ({"--passphrase-fd": phrase} if phrase is not None else {}).items() | (more or {}).items():
            reading, writing = os.pipe()
            os.write(writing, data)
            os.close(writing)
            ends.append(reading)
            options += [option, str(reading)]
        where = ("--store", self.path) if store else ()
        words = 2 if arguments[0] == "kek" else 1
        line = [*arguments[:words], *options, *where, *arguments[words:]]
        try:
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, *line],
                input=stdin,
                capture_output=True,
                pass_fds=ends,
                env=self.environment,
                check=False,
                cwd=self.directory,
                timeout=60,
            )
        finally:
            for end in ends:
                os.close(end)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        self.told = done.stderr.decode()
        assert b"Traceback" not in done.stderr
        assert PHRASE not in done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def shell(tmp_path):
    """A store that was made by the library, as the command opens any."""
    made = Shell(tmp_path)
    KeyStore.create(made.path, passphrase(PHRASE)).close()
    return made


def test_a_store_in_its_usual_place(tmp_path):
    """Init makes directory and file, private; a second one is refused; everything finds it."""
    shell = Shell(tmp_path)
    assert b"made" in shell("init", *QUICK, store=False)
    place = tmp_path / "data" / "securemem" / "store"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    shell("init", *QUICK, store=False, status=2)
    assert "already" in shell.told
    shell("put", "name", store=False, stdin=b"value\n")
    assert shell("get", "name", store=False) == b"value"


def test_secrets_come_and_go_by_pipes(shell):
    """Put takes a pipe, a descriptor, or makes one; get gives it as it is, former ones and notes too."""
    shell("put", "mail", "--label", "work", "--label", "home", "--url", "https://x.org", stdin=b"first\n")
    shell("put", "mail", "--raw", stdin=b"second\n")
    shell("put", "mail", more={"--fd": b"third"})
    assert [shell("get", "mail", "--former", str(back)) for back in range(3)] == [b"third", b"second\n", b"first"]
    assert len(shell("history", "mail").splitlines()) == 2
    shell("put", "made", "--generate", "24", "--keep", "0", "--expires", "2031-01-02")
    assert re.fullmatch(rb"[!-~]{24}", shell("get", "made"))
    shell("edit", "mail", "--no-labels", "--url", "", more={"--notes-fd": b"some notes\n"})
    assert shell("get", "mail", "--notes") == b"some notes"
    items = json.loads(shell("list", "--json"))["items"]
    assert [(one["name"], one["labels"], one["url"], one["former"]) for one in items] == [
        ("made", [], "", 0),
        ("mail", [], "", 2),
    ]
    assert items[0]["expires"] == "2031-01-02T00:00:00+00:00"
    shell("put", "empty", status=2)
    assert "no secret" not in shell("list").decode()


def test_names(shell):
    """list, find, rename, delete; status 1 for nothing found, 4 for no such name."""
    for name in ("Bank", "mail"):
        shell("put", name, "--generate", "8", "--label", "money" if name == "Bank" else "letters")
    assert shell("list") == b"Bank\nmail\n"
    assert shell("find", "MONEY", "--long").startswith(b"Bank\tsecret; changed ")
    assert shell("find", "nothing", status=1) == b""
    shell("rename", "Bank", "bank")
    shell("delete", "mail")
    assert shell("list") == b"bank\n"
    for line in (("get", "mail"), ("delete", "mail"), ("rename", "mail", "x"), ("history", "mail"), ("rotate", "mail")):
        assert shell(*line, status=4) == b""
        assert "mail" in shell.told


def test_keys_work_on_files_and_streams(shell, tmp_path):
    """Encrypt and decrypt by name and by pipe, after rotate too; another context, a change or a cut is status 5."""
    shell("generate", "key")
    plain = os.urandom(200_000)
    (tmp_path / "plain").write_bytes(plain)
    shell("encrypt", "key", "plain", "sealed", "--context", "for a test")
    assert shell("rotate", "key") == b"version 2\n"
    shell("decrypt", "key", "sealed", "back", "--context", "for a test")
    assert (tmp_path / "back").read_bytes() == plain
    assert stat.S_IMODE((tmp_path / "back").stat().st_mode) == 0o600
    sealed = shell("encrypt", "key", "-", "-", stdin=plain)
    assert plain[:32] not in sealed
    assert shell("decrypt", "key", "-", "-", stdin=sealed) == plain
    shell("decrypt", "key", "sealed", "other", status=5)
    shell("decrypt", "key", "-", "-", status=5, stdin=sealed[:-1])
    assert not (tmp_path / "other").exists()


def test_signatures(shell, tmp_path):
    """Sign prints what verify takes; status 1 where it does not fit; HMAC keys do both too."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "empty").write_bytes(b"")
    public = shell("generate", "sign", "--algorithm", "Ed25519").strip()
    assert shell("public-key", "sign").strip() == public
    assert len(public) == 64
    shell("generate", "code", "--algorithm", "HMAC-SHA-256")
    for name in ("sign", "code"):
        (tmp_path / "signature").write_bytes(shell("sign", name, "file"))
        shell("verify", name, "file", "signature")
        shell("verify", name, "-", "signature", stdin=b"content")
        shell("verify", name, "empty", "signature", status=1)
    shell("verify", "sign", "file", "file", status=2)
    assert "in hex" in shell.told


def test_who_opens_it(shell):
    """A key file beside the passphrase; a removed one opens no more; the last one stays; a wrong one is status 3."""
    shell("kek", "add", "file", "--new-key-file", "key file")
    assert shell("kek", "list") == b"first\nfile\n"
    assert b"opens" in shell("kek", "check", "--key-file", "key file", phrase=None)
    shell("kek", "remove", "first", "--key-file", "key file", phrase=None)
    shell("kek", "check", status=3)
    shell("kek", "remove", "file", "--key-file", "key file", phrase=None, status=2)
    shell("kek", "remove", "nobody", "--key-file", "key file", phrase=None, status=4)
    shell("kek", "add", "again", *QUICK, "--key-file", "key file", phrase=None, more={"--new-passphrase-fd": PHRASE})
    shell("kek", "check")
    shell("rotate-root", *QUICK, more={"--new-passphrase-fd": b"new"})
    shell("kek", "check", "--key-file", "key file", phrase=None, status=3)
    assert json.loads(shell("kek", "list", "--json", phrase=b"new"))["labels"] == ["first"]
    shell("kek", "check", phrase=b"wrong", status=3)
    assert "passphrase is wrong" in shell.told


def test_export_import_backup_check(shell, tmp_path):
    """Out by passphrase and by public key, in again; what is damaged is status 5; a backup opens."""
    shell("put", "name", stdin=b"value")
    shell("generate", "stays")
    shell("generate", "receives", "--algorithm", "X25519", "--extractable")
    shell("export", "records", *QUICK, more={"--new-passphrase-fd": b"other"})
    assert "stays" in shell.told
    shell("import", "records", more={"--file-passphrase-fd": b"wrong"}, status=3)
    shell("import", "records", more={"--file-passphrase-fd": b"other"}, status=2)
    assert shell("import", "records", "--replace", more={"--file-passphrase-fd": b"other"}) == b"name\nreceives\n"
    public = shell("public-key", "receives").decode().strip()
    shell("export", "for key", "--to-public-key", public, "--only", "name")
    shell("delete", "name")
    assert shell("import", "for key", "--by-key", "receives") == b"name\n"
    assert shell("get", "name") == b"value"
    data = (tmp_path / "records").read_bytes()
    (tmp_path / "records").write_bytes(data[:-1])
    shell("import", "records", "--replace", more={"--file-passphrase-fd": b"other"}, status=5)
    assert json.loads(shell("check", "--json"))["names"] == 3
    shell("backup", "copy")
    shell("backup", "copy", status=2)
    assert shell("get", "name", "--store", "copy", store=False) == b"value"
    (tmp_path / "copy").write_bytes(b"no store at all, whatever its name is" * 10)
    shell("check", "--store", "copy", store=False, status=5)
    shell("check", "--store", "none", store=False, status=4, phrase=None)


def test_run_gives_secrets_to_a_command(shell):
    """By a variable with a path, a descriptor, standard input; the status is the command's; nothing is an argument."""
    shell("put", "one", stdin=b"value one")
    shell("put", "two", stdin=b"value two")
    script = 'cat "$FILE"; echo; cat <&3; echo; cat; echo; tr "\\0\\n" "  " < /proc/$PPID/cmdline; exit 7'
    out = shell("run", "--file", "FILE=one", "--fd", "3=two", "--stdin", "one", "--", "sh", "-c", script, status=7)
    *secrets, line = out.split(b"\n")
    assert secrets == [b"value one", b"value two", b"value one"]
    assert b"sh -c" in line
    assert b"value" not in line
    shell("run", "--", "sh", "-c", "kill -TERM $$", status=143)
    shell("run", "--", "/no/such/command", status=127)
    shell("run", "--", "/etc/passwd", status=126)
    shell("run", "--fd", "3=nobody", "--", "true", status=125)
    shell("run", "--fd", "1=one", "--", "true", status=125)
    shell("run", "--file", "FILE", "--", "true", status=125)
    shell("run", status=2)


def test_a_passphrase_from_a_credential(shell, tmp_path):
    """As a service of systemd has it."""
    (tmp_path / "credentials").mkdir(mode=0o700)
    credential = tmp_path / "credentials" / "store"
    credential.write_bytes(PHRASE + b"\n")
    credential.chmod(0o600)
    shell.environment["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
    assert b"opens" in shell("kek", "check", "--passphrase-credential", "store", phrase=None)


def test_a_terminal_is_asked(shell, terminal, monkeypatch):  # noqa: F811 - the fixture
    """The passphrase, and a secret twice, without echo; what is typed is never shown."""
    monkeypatch.chdir(shell.directory)
    typist = terminal(COMMAND, "put", "--store", str(shell.path), "typed")
    for text, count, typed in ((b": ", 1, PHRASE), (b"Secret for typed: ", 1, b"typed secret"), (b"Again: ", 1, None)):
        typist.wait_for_prompt(text, count)
        typist.type((typed or b"typed secret") + b"\n")
    assert typist.end() == (0, "")
    assert PHRASE not in typist.shown
    assert b"typed secret" not in typist.shown
    assert shell("get", "typed") == b"typed secret"


@pytest.mark.parametrize("wanted", [False, True])
def test_get_shows_nothing_at_a_terminal_unless_it_is_told_to(shell, wanted):
    """Standard output is a terminal: refused before the passphrase is asked for, but for --show."""
    shell("put", "name", stdin=b"value to see")
    reading, writing = os.pipe()
    os.write(writing, PHRASE)
    os.close(writing)
    master, slave = pty.openpty()
    line = ["get", "--store", shell.path, "--passphrase-fd", str(reading), "name", *(["--show"] if wanted else [])]
    done = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *line], stdout=slave, stderr=subprocess.PIPE, pass_fds=[reading]
    )
    told = done.communicate(timeout=60)[1]
    shown = os.read(master, 4096) if select.select([master], [], [], 0)[0] else b""
    for one in (master, slave, reading):
        os.close(one)
    assert done.returncode == (0 if wanted else 2)
    assert shown == (b"value to see\r\n" if wanted else b"")
    assert (b"--show" in told) != wanted


def test_a_bar_is_shown_at_a_terminal_only(shell, tmp_path):
    """Tqdm's bar on standard error, where that is a terminal; the file is the same."""
    shell("generate", "key")
    (tmp_path / "plain").write_bytes(bytes(3_000_000))
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    reading, writing = os.pipe()
    os.write(writing, PHRASE)
    os.close(writing)
    line = [
        "encrypt",
        "--store",
        shell.path,
        "--passphrase-fd",
        str(reading),
        "key",
        tmp_path / "plain",
        tmp_path / "out",
    ]
    done = subprocess.Popen([sys.executable, "-c", COMMAND, *line], stderr=slave, pass_fds=[reading])
    assert done.wait(timeout=60) == 0
    shown = os.read(master, 65536) if select.select([master], [], [], 0)[0] else b""
    for one in (master, slave, reading):
        os.close(one)
    assert b"B/s" in shown
    shell("encrypt", "key", "plain", "out")
    assert shell.told == ""


@pytest.mark.parametrize("line", [["store"], ["store", "nothing"], ["store", "get"], ["store", "kek"]])
def test_a_wrong_usage_is_told(line, capsys):
    """Status 2, and how it is meant."""
    with pytest.raises(SystemExit) as ended:
        main(line)
    assert ended.value.code == 2
    assert "usage: securemem store" in capsys.readouterr().err


def test_help_has_examples_and_statuses(capsys):
    """Each command's help has an example, and the group's the exit statuses."""
    with pytest.raises(SystemExit):
        main(["store", "--help"])
    shown = capsys.readouterr().out
    assert "Exit status: 0" in shown
    for name in ("init", "put", "get", "encrypt", "run", "import", "list"):
        with pytest.raises(SystemExit):
            main(["store", name, "--help"])
        assert f"Example: securemem store {name}" in capsys.readouterr().out


def test_a_reader_that_has_gone_is_no_failure_to_tell_of(shell):
    """As for other commands, status 141, and no word."""
    shell("put", "name", stdin=b"value")
    reading, writing = os.pipe()
    os.write(writing, PHRASE)
    os.close(writing)
    gone, out = os.pipe()
    os.close(gone)
    line = ["get", "--store", shell.path, "--passphrase-fd", str(reading), "name"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *line], stdout=out, stderr=subprocess.PIPE, pass_fds=[reading], check=False
    )
    for one in (out, reading):
        os.close(one)
    assert (done.returncode, done.stderr) == (141, b"")
