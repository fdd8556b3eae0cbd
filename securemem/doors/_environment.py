"""Environment variables, and the credentials that a service manager hands to a program."""

from __future__ import annotations

import os
import posix
from pathlib import Path
from typing import TYPE_CHECKING

from securemem._binding import doors as binding
from securemem.doors._arguments import plain_name, positive
from securemem.doors._files import read_file
from securemem.exceptions import InvalidArgumentError, MissingFileError, MissingSecretError

if TYPE_CHECKING:
    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["read_credential", "read_env"]

_MOST = 1 << 20
_DOCKER = "/run/secrets"


def read_env(name: str, *, scrub: bool = True, max_length: int = _MOST, arena: Arena | None = None) -> SecureBytes:
    """Move the value of an environment variable into a new SecureBytes.

    scrub: take it out of the environment: its bytes are zeroed where the kernel shows them (/proc/PID/environ), where
    the C library has them, and in the bytes object of os.environ, where nobody else holds that; then the variable is
    removed. What cannot be reached: strings that the program made of it before, as each look at os.environ[name] does,
    and the environment of the parent process. max_length: most bytes.

    Raises MissingSecretError, EmptyInputError, InputTooLongError, InvalidArgumentError for what is no name, and what
    SecureBytes.zeros raises where there is no room; the variable stays as it is then. Sources: environ(7),
    proc_pid_environ(5).
    """
    encoded = os.fsencode(plain_name("an environment variable", name))
    if b"=" in encoded:
        raise InvalidArgumentError("the name of an environment variable has no =")
    return binding.read_env(encoded, arena, positive("max_length", max_length), scrub, posix.environ)


def read_credential(
    name: str,
    *,
    directory: str | os.PathLike[str] | None = None,
    strip_newline: bool = False,
    max_length: int = _MOST,
    arena: Arena | None = None,
) -> SecureBytes:
    """Read a credential that the service manager hands to this program, into a new SecureBytes.

    It is looked for in $CREDENTIALS_DIRECTORY (systemd: LoadCredential=, SetCredentialEncrypted=), then in /run/secrets
    (Docker, Podman), then in the directory given (a Kubernetes volume). The folder protects these files: their own
    modes are not looked at.

    name: of the file, without a folder. strip_newline: leave out one newline at the end. max_length: most bytes.

    Raises MissingSecretError, which says where it was looked for, InvalidArgumentError for a name with a folder, and
    what read_file raises for a file that is there.
    """
    if "/" in plain_name("a credential", name) or name in {".", ".."}:
        raise InvalidArgumentError(
            f"{name!r} is not the name of a credential: give a file's name, and its folder as directory="
        )
    folders = [folder for folder in (os.environ.get("CREDENTIALS_DIRECTORY"), _DOCKER, directory) if folder]
    for folder in folders:
        try:
            return read_file(
                Path(folder, name),
                strip_newline=strip_newline,
                allow_others=True,
                max_length=max_length,
                arena=arena,
            )
        except MissingFileError:
            continue
    raise MissingSecretError(
        f"there is no credential {name!r} in {', '.join(os.fspath(folder) for folder in folders)}: hand it over with "
        "LoadCredential= (systemd) or --secret (Docker), or give directory="
    )
