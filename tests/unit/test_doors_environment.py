"""Environment variables that move into locked memory, and credentials."""

from __future__ import annotations

import os

import pytest

from securemem.doors import read_credential, read_env, read_file
from securemem.exceptions import (
    EmptyInputError,
    ExposedFileError,
    InputTooLongError,
    InvalidArgumentError,
    MissingSecretError,
)
from tests.support import programs
from tests.support.doors import bytes_of

NAME = "SECUREMEM_TEST_VALUE"


@pytest.fixture
def variable(monkeypatch):
    """Set the variable."""
    return lambda value: monkeypatch.setenv(NAME, value)


def test_the_value_moves(variable):
    """It is in the secret, and no longer in the environment of this process or of a child."""
    variable("moved value")
    assert bytes_of(read_env(NAME)) == b"moved value"
    assert NAME not in os.environ
    with pytest.raises(MissingSecretError, match="set it"):
        read_env(NAME)


def test_without_scrubbing_it_stays(variable):
    """scrub=False only copies."""
    variable("stays")
    assert bytes_of(read_env(NAME, scrub=False)) == b"stays"
    assert os.environ[NAME] == "stays"


def test_errors_leave_the_variable(variable):
    """Empty, too long, no name."""
    variable("")
    with pytest.raises(EmptyInputError):
        read_env(NAME)
    assert os.environ[NAME] == ""
    variable("12345")
    with pytest.raises(InputTooLongError):
        read_env(NAME, max_length=4)
    assert os.environ[NAME] == "12345"
    for name in ("", "A=B", "A\0B"):
        with pytest.raises(InvalidArgumentError):
            read_env(name)
    with pytest.raises(TypeError):
        read_env(b"NAME")


CHILD = """
    import os, pathlib, posix
    from securemem.doors import read_env
    from tests.support.doors import bytes_of

    def block():
        return pathlib.Path("/proc/self/environ").read_bytes()

    import sys
    again = sys.argv[1] == "again"
    if again:  # set once more, so that the C library has a copy of its own beside the kernel's block
        os.environ["PASSED"] = "set-in-the-program"
    kept = posix.environ[b"PASSED"] if sys.argv[1] == "kept" else None
    before = block()
    secret = read_env("PASSED")
    after = block()
    print(bytes_of(secret).decode())
    value = b"from-the-parent"
    print(before.count(value), after.count(value), after.count(b"PASSED="), len(before) == len(after))
    print(b"LAST=untouched" in after, b"FIRST=untouched" in after, "PASSED" in os.environ, os.getenv("LAST"))
    print(kept)
"""


@pytest.mark.parametrize("how", ["once", "again", "kept"])
def test_the_kernels_block_is_scrubbed(how):
    """Only the value goes, its neighbours stay; bytes that the program still holds are left as they are."""
    environment = {"FIRST": "untouched", "PASSED": "from-the-parent", "LAST": "untouched"}
    out = programs.run(CHILD, how, environment=environment).splitlines()
    assert out[0] == ("set-in-the-program" if how == "again" else "from-the-parent")
    assert out[1] == "1 0 1 True"
    assert out[2] == "True True False untouched"
    assert out[3] == ("b'from-the-parent'" if how == "kept" else "None")


@pytest.fixture
def credentials(tmp_path, monkeypatch):
    """A folder of credentials as systemd makes one."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def test_credentials_come_from_the_folder_of_the_service(credentials):
    """Whatever their mode, which the folder guards; the same file is refused by read_file."""
    path = credentials / "database"
    path.write_bytes(b"from systemd\n")
    path.chmod(0o644)
    assert bytes_of(read_credential("database", strip_newline=True)) == b"from systemd"
    assert bytes_of(read_credential("database")) == b"from systemd\n"
    with pytest.raises(ExposedFileError):
        read_file(path)


def test_credentials_come_from_a_folder_given_last(credentials, tmp_path):
    """The service's own comes first; the folder given is a fallback."""
    other = tmp_path / "volume"
    other.mkdir()
    (other / "token").write_bytes(b"from the volume")
    assert bytes_of(read_credential("token", directory=other)) == b"from the volume"
    (credentials / "token").write_bytes(b"from systemd")
    assert bytes_of(read_credential("token", directory=other)) == b"from systemd"


def test_a_missing_credential_says_where_it_was_looked_for(credentials, tmp_path):
    """All the folders are named."""
    with pytest.raises(MissingSecretError, match="LoadCredential") as caught:
        read_credential("absent", directory=tmp_path)
    for folder in (str(credentials), "/run/secrets", str(tmp_path)):
        assert folder in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_a_credential_is_one_name(credentials):
    """No folder, no way out of the folder; an empty one is empty."""
    for name in ("", "..", ".", "a/b", "../x", "a\0"):
        with pytest.raises(InvalidArgumentError):
            read_credential(name)
    (credentials / "empty").touch()
    with pytest.raises(EmptyInputError):
        read_credential("empty")
