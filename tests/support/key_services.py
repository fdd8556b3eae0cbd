"""Real services that keep key-encryption keys, each started for the length of a test and stopped after it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from securemem import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60
TOKEN = "token-of-the-tests"
# A session bus that starts no services of the machine's, or a second keyring without the password could come.
BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type><listen>{address}</listen><auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
"""


@dataclass
class Service:
    """A running service: what makes a key-encryption key of it, and the process to stop or kill."""

    kek: Callable[..., Any]
    process: subprocess.Popen[bytes] | None = None
    admin: Any = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It does not answer for a while, and its connections stay."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        wait("a stopped service", self._stands, self.process)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _stands(self) -> bool:
        """Whether each of its threads has stopped."""
        assert self.process is not None
        states = [path.read_text() for path in Path(f"/proc/{self.process.pid}/task").glob("*/stat")]
        return all(state.rpartition(")")[2].split()[0] == "T" for state in states)


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait(what: str, ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until a process is ready, which must not end."""
    end = time.monotonic() + PATIENCE
    while not ready():
        assert process.poll() is None, f"{what} ended"
        assert time.monotonic() < end, f"{what} does not start"
        time.sleep(0.05)


def listening(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(words: list[str], ready: Callable[[], bool], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in the background, from when it is ready to the end of the with statement."""
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, **(quiet | options)) as process:
        try:
            wait(words[0], ready, process)
            yield process
        finally:
            process.kill()


def needs(*programs: str) -> None:
    """Skip the test, and say what is missing."""
    for one in programs:
        if not program(one):
            pytest.skip(f"{one} is not installed")


NEEDS = {
    "transit": ("hvac", "bao"),
    "aws_kms": ("boto3", "moto_server"),
    "pkcs11": ("pkcs11", "softhsm2-util"),
    "tpm": ("tpm2_pytss", "swtpm"),
    "secret_service": ("secretstorage", "gnome-keyring-daemon"),
}


def check_installed(kind: str) -> None:
    """Skip the test where a kind's client or server is missing."""
    client, *servers = NEEDS[kind]
    pytest.importorskip(client)
    needs(*servers)


def program(name: str) -> str | None:
    """The path of a program, which may lie beside this Python only."""
    return shutil.which(name) or shutil.which(name, path=os.fspath(Path(sys.executable).parent))


@contextmanager
def transit() -> Iterator[Service]:
    """OpenBao in memory, with a transit key "stores"."""
    hvac = pytest.importorskip("hvac")
    from securemem.keystore.kek.transit import Transit

    needs("bao")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [str(program("bao")), "server", "-dev", f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token"]
    with running([*words, f"-dev-root-token-id={TOKEN}"], lambda: listening(port)) as process:
        admin = hvac.Client(url=url, token=TOKEN)
        wait("bao", lambda: bool(admin.sys.is_initialized() and not admin.sys.is_sealed()), process)
        admin.sys.enable_secrets_engine("transit")
        admin.secrets.transit.create_key("stores")

        def kek(*, attempts: int = 2, timeout: float = 0.5) -> Transit:
            token = SecureBytes.copy_of(TOKEN.encode())
            return Transit(hvac.Client(url=url, token="", timeout=timeout), "stores", token=token, attempts=attempts)

        yield Service(kek, process, admin)


@contextmanager
def aws_kms() -> Iterator[Service]:
    """The KMS of moto, in a process of its own."""
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("moto")
    from botocore.config import Config

    from securemem.keystore.kek.aws_kms import AwsKms

    needs("moto_server")
    port = free_port()
    words = [str(program("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with running(words, lambda: listening(port)) as process:

        def client(timeout: float = 10) -> Any:
            return boto3.client(
                "kms",
                region_name="eu-central-1",
                endpoint_url=f"http://127.0.0.1:{port}",
                aws_access_key_id="tests",
                aws_secret_access_key="tests",
                config=Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1}),
            )

        admin = client()
        key_id = admin.create_key()["KeyMetadata"]["KeyId"]

        def kek(*, attempts: int = 2, timeout: float = 0.5) -> AwsKms:
            return AwsKms(client(timeout), key_id, context={"purpose": "tests"}, attempts=attempts)

        yield Service(kek, process, admin)


@contextmanager
def pkcs11(folder: Path) -> Iterator[Service]:
    """A token of SoftHSM, with an AES key."""
    library = pytest.importorskip("pkcs11")
    from securemem.keystore.kek.pkcs11 import Pkcs11

    needs("softhsm2-util")
    module = next(iter(Path("/usr/lib").glob("**/libsofthsm2.so")), None)
    if module is None:
        pytest.skip("libsofthsm2.so is not installed")
    (folder / "tokens").mkdir()
    (folder / "softhsm.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm.conf")
    try:
        words = ["softhsm2-util", "--init-token", "--free", "--label", "tests", "--pin", "1234", "--so-pin", "5678"]
        subprocess.run(words, check=True, capture_output=True)
        loaded = library.lib(str(module))
        loaded.reinitialize()
        with loaded.get_token(token_label="tests").open(user_pin="1234", rw=True) as session:
            key = session.generate_key(library.KeyType.AES, 256, label="stores", store=True)

            def kek(*, attempts: int = 2, timeout: float = 0.5) -> Pkcs11:
                del timeout
                return Pkcs11(key, attempts=attempts)

            yield Service(kek, admin=session)
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before


@contextmanager
def tpm(folder: Path) -> Iterator[Service]:
    """A TPM in software."""
    pytest.importorskip("tpm2_pytss")
    from securemem.keystore.kek.tpm import Tpm

    needs("swtpm")
    path = folder / "tpm"
    words = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--server", f"type=unixio,path={path}"]
    words += ["--ctrl", f"type=unixio,path={path}.ctrl", "--flags", "not-need-init,startup-clear"]
    before = os.environ.get("TSS2_LOG")
    os.environ["TSS2_LOG"] = "all+NONE"
    try:
        with running(words, path.exists) as process:

            def kek(*, attempts: int = 2, timeout: float = 0.5, pin: bytes | None = b"1234") -> Tpm:
                del timeout
                secret = None if pin is None else SecureBytes.copy_of(pin)
                return Tpm(f"swtpm:path={path}", pin=secret, attempts=attempts)

            yield Service(kek, process)
    finally:
        if before is None:
            del os.environ["TSS2_LOG"]
        else:
            os.environ["TSS2_LOG"] = before


@contextmanager
def secret_service(folder: Path) -> Iterator[Service]:
    """GNOME Keyring, unlocked, on a bus of its own."""
    secretstorage = pytest.importorskip("secretstorage")
    jeepney = pytest.importorskip("jeepney.io.blocking")
    from securemem.keystore.kek.secret_service import SecretService

    needs("dbus-daemon", "gnome-keyring-daemon")
    address = f"unix:path={folder / 'bus'}"
    (folder / "bus.conf").write_text(BUS.format(address=address))
    words = ["dbus-daemon", "--nofork", f"--config-file={folder / 'bus.conf'}"]
    surroundings = {
        **os.environ,
        "DBUS_SESSION_BUS_ADDRESS": address,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
    }
    surroundings["XDG_DATA_HOME"] = str(folder)
    with running(words, (folder / "bus").exists, env=surroundings):
        words = ["gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock"]
        with running(words, lambda: True, env=surroundings, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(b"password of the tests")
            process.stdin.close()
            connection = jeepney.open_dbus_connection(address)

            def unlocked() -> bool:
                """Whether the keyring that the password unlocks is there."""
                if not secretstorage.check_service_availability(connection):
                    return False
                return any(
                    one.get_label() == "Login" and not one.is_locked()
                    for one in secretstorage.get_all_collections(connection)
                )

            wait("gnome-keyring-daemon", unlocked, process)

            def kek(*, attempts: int = 2, timeout: float = 0.5) -> SecretService:
                del timeout
                return SecretService(connection, attempts=attempts)

            try:
                yield Service(kek, process, connection)
            finally:
                connection.close()
