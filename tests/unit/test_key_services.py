"""Key-encryption keys that a service or a device keeps, with the real ones."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext

import pytest

from securemem import DecryptionError, KeyNotFoundError, KeyStore, SecureBytes
from securemem.exceptions import InvalidArgumentError, KeyServiceError, WrongKeyEncryptionKeyError
from securemem.keystore.envelope import Envelope
from securemem.keystore.kek.first_available import FirstAvailable
from securemem.keystore.kek.key_file import KeyFile
from tests.support import key_services
from tests.support.waiting import PATIENCE

CONTEXT = b"context of the tests"
KINDS = ("transit", "aws_kms", "pkcs11", "tpm", "secret_service")


@pytest.fixture(scope="module", params=KINDS)
def service(request, tmp_path_factory):
    """Each of the services, running."""
    yield from started(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def transit(tmp_path_factory):
    """OpenBao alone."""
    yield from started("transit", tmp_path_factory)


@pytest.fixture(scope="module")
def aws_kms(tmp_path_factory):
    """KMS alone."""
    yield from started("aws_kms", tmp_path_factory)


def started(kind, factory):
    """Run a service until the module's tests are over."""
    with ExitStack() as stack:
        start = getattr(key_services, kind)
        folder = () if kind in {"transit", "aws_kms"} else (factory.mktemp(kind),)
        yield stack.enter_context(start(*folder))


def test_what_it_wraps_it_unwraps(service):
    """The same key comes out, by another object too; twice wrapped it is not twice the same."""
    kek = service.kek(timeout=10)
    key = SecureBytes.random(32)
    wrapped = kek.wrap(key, CONTEXT)
    assert isinstance(wrapped, bytes)
    assert kek.unwrap(wrapped, CONTEXT) == key
    assert service.kek(timeout=10).unwrap(wrapped, CONTEXT) == key
    assert kek.wrap(key, CONTEXT) != wrapped


def test_another_context(service):
    """What was wrapped in one context does not unwrap in another."""
    kek = service.kek(timeout=10)
    wrapped = kek.wrap(SecureBytes.random(32), CONTEXT)
    for context in (b"", CONTEXT + b"x", b"\x01" + CONTEXT):
        with pytest.raises(DecryptionError):
            kek.unwrap(wrapped, context)


def test_a_changed_wrapping(service):
    """Wherever a bit is turned, or the end is cut, it does not unwrap; and nothing but DecryptionError is raised."""
    kek = service.kek(timeout=10)
    wrapped = kek.wrap(SecureBytes.random(32), CONTEXT)
    places = sorted({0, 3, 4, 5, 6, 7, 8, len(wrapped) - 1, *range(9, len(wrapped), 23)})
    for at in places:
        changed = bytearray(wrapped)
        changed[at] ^= 1
        with pytest.raises((DecryptionError, KeyServiceError)):
            kek.unwrap(bytes(changed), CONTEXT)
    for end in (0, 3, 5, 6, 20, len(wrapped) - 1):
        with pytest.raises((DecryptionError, KeyServiceError)):
            kek.unwrap(wrapped[:end], CONTEXT)
    assert len(kek.unwrap(wrapped, CONTEXT)) == 32  # the positive control


def test_a_store_and_an_envelope(service, tmp_path):
    """A store is made and opened with it, and so is an envelope."""
    tmp_path.chmod(0o700)
    with KeyStore.create(tmp_path / "store", service.kek(timeout=10)) as store:
        store.put("password", SecureBytes.copy_of(b"correct horse"))
    with KeyStore.open(tmp_path / "store", service.kek(timeout=10)) as store:
        assert store.get("password") == b"correct horse"
    with pytest.raises(WrongKeyEncryptionKeyError):
        KeyStore.open(tmp_path / "store", KeyFile.generate(tmp_path / "key"))
    envelope = Envelope(service.kek(timeout=10))
    assert Envelope(service.kek(timeout=10)).decrypt(envelope.encrypt(b"data")) == b"data"


@pytest.mark.parametrize("kind", ["transit", "aws_kms"])
def test_a_service_that_does_not_answer(kind, request):
    """Its timeout and attempts pass, then one clear error; it answers again when it is back."""
    service = request.getfixturevalue(kind)
    kek = service.kek(timeout=10)
    wrapped = kek.wrap(SecureBytes.random(32), CONTEXT)
    with service.paused():
        hasty = service.kek(attempts=2, timeout=0.2)
        with pytest.raises(KeyServiceError, match="is away after 2 attempts"):
            hasty.unwrap(wrapped, CONTEXT)
        with pytest.raises(KeyServiceError, match="is away after 2 attempts"):
            hasty.wrap(SecureBytes.random(32), CONTEXT)
    assert len(kek.unwrap(wrapped, CONTEXT)) == 32


@pytest.mark.parametrize("kind", ["transit", "aws_kms"])
def test_it_is_asked_again(kind, request):
    """A service that comes back within the attempts is no error."""
    service = request.getfixturevalue(kind)
    wrapped = service.kek(timeout=10).wrap(SecureBytes.random(32), CONTEXT)
    patient = service.kek(attempts=30, timeout=0.3)
    asked = []

    def stop_once(asking=patient._asked):
        def asked_again(call, wrong):
            def counted():
                asked.append(time.monotonic())
                if len(asked) == 1:
                    with service.paused():
                        return call()
                return call()

            return asking(counted, wrong)

        return asked_again

    type(patient)._asked, original = lambda _self, call, wrong: stop_once()(call, wrong), type(patient)._asked
    try:
        assert len(patient.unwrap(wrapped, CONTEXT)) == 32
    finally:
        type(patient)._asked = original
    assert len(asked) >= 2


def test_a_service_that_was_killed(tmp_path):
    """It is away; what it wrapped is not lost by our doing, and another key-encryption key opens the store."""
    tmp_path.chmod(0o700)
    with key_services.transit() as service:
        with KeyStore.create(tmp_path / "store", service.kek(timeout=10)) as store:
            store.add_kek(KeyFile.generate(tmp_path / "key"), "spare")
        service.process.kill()
        service.process.wait()
        with pytest.raises(KeyServiceError, match="transit engine is away"):
            KeyStore.open(tmp_path / "store", service.kek())
        both = FirstAvailable(service.kek(), KeyFile(tmp_path / "key"))
        KeyStore.open(tmp_path / "store", both).close()


@pytest.mark.parametrize("kind", ["transit", "aws_kms"])
def test_rewrap(kind, request):
    """A newer seal of the same key, which the service makes without giving the key out."""
    service = request.getfixturevalue(kind)
    kek = service.kek(timeout=10)
    key = SecureBytes.random(32)
    wrapped = kek.wrap(key, CONTEXT)
    if kind == "transit":
        service.admin.secrets.transit.rotate_key("stores")
    again = kek.rewrap(wrapped)
    assert again != wrapped
    assert kek.unwrap(again, CONTEXT) == key
    if kind == "transit":
        assert (b"vault:v1:" in wrapped, b"vault:v2:" in again) == (True, True)
    with pytest.raises((DecryptionError, KeyServiceError)):
        kek.rewrap(wrapped[:30])


@pytest.mark.parametrize("kind", ["transit", "aws_kms"])
def test_a_store_is_rewrapped(kind, request, tmp_path):
    """The wrapped root key in the file is another one, the store opens as before, and other labels stay."""
    service = request.getfixturevalue(kind)
    tmp_path.chmod(0o700)
    kek = service.kek(timeout=10)
    file_kek = KeyFile.generate(tmp_path / "key")
    with KeyStore.create(tmp_path / "store", kek) as store:
        store.put("password", SecureBytes.copy_of(b"correct horse"))
        store.add_kek(file_kek, "spare")
        before = store.generation
        store.rewrap_kek(kek, "first")
        assert store.generation == before + 1
        with pytest.raises(KeyNotFoundError, match="none"):
            store.rewrap_kek(kek, "none")
        with pytest.raises(DecryptionError):
            store.rewrap_kek(kek, "spare")
        with pytest.raises(TypeError, match="cannot rewrap"):
            store.rewrap_kek(file_kek, "spare")
    for one in (service.kek(timeout=10), file_kek):
        with KeyStore.open(tmp_path / "store", one) as store:
            assert store.get("password") == b"correct horse"
            store.check()


def test_threads_share_a_transit(transit):
    """A request that begins and ends in the middle of another one's leaves it its token; without one it is refused."""
    import hvac

    from securemem.keystore.kek.transit import Transit

    begun, other_ended = threading.Event(), threading.Event()

    class Slow(hvac.adapters.JSONAdapter):
        def request(self, *words, **named):
            if not begun.is_set():
                begun.set()
                assert other_ended.wait(PATIENCE)
            return super().request(*words, **named)

    token = SecureBytes.copy_of(transit.admin.token.encode())
    wrapped = transit.kek(timeout=10).wrap(SecureBytes.random(32), CONTEXT)
    for given, result in ((token, nullcontext()), (None, pytest.raises(KeyServiceError, match="refuses"))):
        kek = Transit(hvac.Client(url=transit.admin.url, token="", adapter=Slow), "stores", token=given)
        begun.clear()
        other_ended.clear()
        with ThreadPoolExecutor(1) as pool, result:
            first = pool.submit(kek.unwrap, wrapped, CONTEXT)
            assert begun.wait(PATIENCE)
            try:
                assert len(kek.unwrap(wrapped, CONTEXT)) == 32
            finally:
                other_ended.set()
            assert len(first.result()) == 32


def test_an_approle(transit):
    """It logs in by itself, and again when its token ran out under several threads."""
    import hvac

    from securemem.keystore.kek.transit import Transit

    admin = transit.admin
    admin.sys.enable_auth_method("approle")
    rules = 'path "transit/*" { capabilities = ["update"] }'
    admin.sys.create_or_update_policy("stores", rules)
    admin.auth.approle.create_or_update_approle("app", token_policies=["stores"], token_ttl="1h")
    role = admin.auth.approle.read_role_id("app")["data"]["role_id"]
    secret = SecureBytes.copy_of(admin.auth.approle.generate_secret_id("app")["data"]["secret_id"].encode())
    client = hvac.Client(url=admin.url, token="")
    kek = Transit.with_approle(client, "stores", role_id=role, secret_id=secret)
    wrapped = kek.wrap(SecureBytes.random(32), CONTEXT)
    kek._token.wipe()
    kek._token = SecureBytes.copy_of(b"a token that ran out")
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(lambda _: len(kek.unwrap(wrapped, CONTEXT)), range(16))] == [32] * 16
    assert client.token in (None, "")


def test_what_the_service_refuses(transit):
    """A wrong token or key name is an error of its own, at once."""
    import hvac

    from securemem.keystore.kek.transit import Transit

    wrong = Transit(
        hvac.Client(url=transit.admin.url, token=""), "stores", token=SecureBytes.copy_of(b"wrong"), attempts=1
    )
    with pytest.raises(KeyServiceError, match=r"refuses.*Forbidden"):
        wrong.wrap(SecureBytes.random(32), CONTEXT)


def test_the_pin_of_a_tpm(tmp_path):
    """Without the PIN, or with a wrong one, it does not unwrap."""
    with key_services.tpm(tmp_path) as service:
        key = SecureBytes.random(32)
        wrapped = service.kek().wrap(key, CONTEXT)
        for pin in (b"0000", None):
            with pytest.raises(DecryptionError):
                service.kek(pin=pin).unwrap(wrapped, CONTEXT)
        assert service.kek().unwrap(wrapped, CONTEXT) == key
        open_to_all = service.kek(pin=None)
        assert open_to_all.unwrap(open_to_all.wrap(key, CONTEXT), CONTEXT) == key
        service.process.kill()
        service.process.wait()
        with pytest.raises(KeyServiceError, match="TPM"):
            service.kek().unwrap(wrapped, CONTEXT)


def test_an_entry_of_the_keyring_is_forgotten(tmp_path):
    """After forget() nothing unwraps it."""
    with key_services.secret_service(tmp_path) as service:
        kek = service.kek()
        wrapped, other = (kek.wrap(SecureBytes.random(32), CONTEXT) for _ in range(2))
        kek.forget(wrapped)
        for use in (lambda: kek.unwrap(wrapped, CONTEXT), lambda: kek.forget(wrapped)):
            with pytest.raises(DecryptionError):
                use()
        assert len(kek.unwrap(other, CONTEXT)) == 32


def test_no_kek_and_no_attempts(tmp_path):
    """Refused at once."""
    with pytest.raises(InvalidArgumentError, match="one or more"):
        FirstAvailable()
    with pytest.raises(TypeError, match="wrap"):
        FirstAvailable("secret")
    tmp_path.chmod(0o700)
    kek = FirstAvailable(KeyFile.generate(tmp_path / "one"), KeyFile.generate(tmp_path / "two"))
    second = KeyFile(tmp_path / "two").wrap(SecureBytes.random(32), CONTEXT)
    assert len(kek.unwrap(second, CONTEXT)) == 32
    assert len(KeyFile(tmp_path / "one").unwrap(kek.wrap(SecureBytes.random(32), CONTEXT), CONTEXT)) == 32
    with pytest.raises(DecryptionError):
        kek.unwrap(second, CONTEXT + b"x")
