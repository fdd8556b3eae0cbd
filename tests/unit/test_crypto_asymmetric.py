"""Signatures, agreement, encapsulated and wrapped keys, and files of private keys, with the crypto heap on.

Published vectors are named where they stand. The rest is held against cryptography's own objects.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from securemem import (
    DecryptionError,
    KeyStore,
    Policy,
    SecureBytes,
    crypto_heap,
)
from securemem.crypto import agreement, hazmat, kem, private_keys, rsa_oaep, signing
from securemem.crypto._key_kinds import KINDS, POST_QUANTUM
from securemem.exceptions import FormatError, InvalidArgumentError, PeerKeyError, SizeError, VerificationError
from securemem.keystore.kek.key_file import KeyFile
from tests.support.programs import run

HERE = [name for name in POST_QUANTUM if name in KINDS]
SIGNING = ["Ed25519", "Ed448", "ECDSA-P-256", "ECDSA-P-384", "RSA-PSS", *(name for name in HERE if "DSA" in name)]
AGREEMENT = ["X25519", "X448", "ECDH-P-256", "ECDH-P-384"]
KEMS = [name for name in HERE if "KEM" in name]
NEED_THE_HEAP = SIGNING[1:] + AGREEMENT[1:]


@pytest.fixture(scope="module", autouse=True)
def heap():
    """The crypto heap, on for the whole process."""
    crypto_heap.enable(lock="warn")


@pytest.fixture(scope="module")
def rsa_key():
    """One private key of RSA, which takes a while to make."""
    return signing.generate_signing_key("RSA-PSS", bits=2048)


def secret(text):
    """A secret of hexadecimal digits."""
    return SecureBytes.copy_of(bytes.fromhex(text))


ED448 = (  # RFC 8032, 7.4, "Blank"
    "6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b",
    "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180",
    "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980"
    "ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600",
)
ECDSA = {  # RFC 6979, A.2.5 and A.2.6, message "sample": private key, public key, r, s
    "ECDSA-P-256": (
        "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        "04"
        "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ),
    "ECDSA-P-384": (
        "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
        "04"
        "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13"
        "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720",
        "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
        "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
    ),
}
EXCHANGES = {  # private key, public key of the peer, shared secret
    "X448": (  # RFC 7748, 6.2
        "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
        "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
        "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d",
    ),
    "ECDH-P-256": (  # RFC 5903, 8.1
        "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
        "04"
        "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"
        "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
        "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
    ),
    "ECDH-P-384": (  # RFC 5903, 8.2
        "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
        "04"
        "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571"
        "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
        "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746",
    ),
}


def test_ed448_vector():
    """RFC 8032."""
    private, public, signature = ED448
    assert signing.signing_public_key("Ed448", secret(private)) == bytes.fromhex(public)
    assert signing.sign("Ed448", secret(private), b"") == bytes.fromhex(signature)
    signing.verify_signature("Ed448", bytes.fromhex(public), b"", bytes.fromhex(signature))


@pytest.mark.parametrize("algorithm", ECDSA)
def test_ecdsa_vectors(algorithm):
    """RFC 6979: the public key, and a signature that is accepted; ours are random, and checked by cryptography."""
    private, public, r, s = ECDSA[algorithm]
    public = bytes.fromhex(public)
    assert signing.signing_public_key(algorithm, secret(private)) == public
    signing.verify_signature(algorithm, public, b"sample", utils.encode_dss_signature(int(r, 16), int(s, 16)))
    curve, sha = (ec.SECP256R1(), hashes.SHA256()) if "256" in algorithm else (ec.SECP384R1(), hashes.SHA384())
    own = signing.sign(algorithm, secret(private), b"message")
    ec.EllipticCurvePublicKey.from_encoded_point(curve, public).verify(own, b"message", ec.ECDSA(sha))


@pytest.mark.parametrize("algorithm", EXCHANGES)
def test_exchange_vectors(algorithm):
    """RFC 7748 and RFC 5903."""
    private, peer, shared = EXCHANGES[algorithm]
    assert agreement.exchange(algorithm, secret(private), bytes.fromhex(peer)) == bytes.fromhex(shared)


@pytest.mark.parametrize("algorithm", SIGNING)
def test_signatures_fit_their_message_and_key_only(algorithm, rsa_key):
    """Another message, key or signature is a VerificationError; what is no key is named."""
    key = rsa_key if algorithm == "RSA-PSS" else signing.generate_signing_key(algorithm)
    public = signing.signing_public_key(algorithm, key)
    signature = signing.sign(algorithm, key, b"message")
    signing.verify_signature(algorithm, public, bytearray(b"message"), memoryview(signature))
    for message, code in ((b"other", signature), (b"message", signature[:-1]), (b"message", b"")):
        with pytest.raises(VerificationError):
            signing.verify_signature(algorithm, public, message, code)
    with pytest.raises((SizeError, PeerKeyError)):
        signing.verify_signature(algorithm, public[:-1], b"message", signature)
    with pytest.raises((SizeError, InvalidArgumentError)):
        signing.sign(algorithm, key[:-1], b"message")
    with pytest.raises(TypeError):
        signing.sign(algorithm, key, "message")


def test_rsa_pss_is_that_of_the_standard(rsa_key):
    """Cryptography accepts the signature as PSS with SHA-256, MGF1-SHA-256 and 32 bytes of salt."""
    public = serialization.load_der_public_key(signing.signing_public_key("RSA-PSS", rsa_key))
    assert isinstance(public, rsa.RSAPublicKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    public.verify(signing.sign("RSA-PSS", rsa_key, b"message"), b"message", pss, hashes.SHA256())


@pytest.mark.parametrize("algorithm", AGREEMENT)
def test_both_sides_agree(algorithm):
    """On a secret that a third one does not have; keys of no order, off the curve or of another size are refused."""
    one, other, third = (agreement.generate_agreement_key(algorithm) for _ in range(3))
    shared = agreement.exchange(algorithm, one, agreement.agreement_public_key(algorithm, other))
    assert shared == agreement.exchange(algorithm, other, agreement.agreement_public_key(algorithm, one))
    assert shared != agreement.exchange(algorithm, third, agreement.agreement_public_key(algorithm, one))
    nothing = bytes(len(agreement.agreement_public_key(algorithm, one)))
    with pytest.raises(PeerKeyError):
        agreement.exchange(algorithm, one, nothing)
    with pytest.raises(SizeError):
        agreement.exchange(algorithm, one, nothing[:-1])


def test_a_scalar_that_is_none_is_refused():
    """Zero, and the order of the curve."""
    order = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"
    for text in ("00" * 32, order, "FF" * 32):
        with pytest.raises(InvalidArgumentError, match="no private key of P-256"):
            signing.sign("ECDSA-P-256", secret(text), b"message")


@pytest.mark.parametrize("algorithm", KEMS)
def test_encapsulated_secrets(algorithm):
    """The owner gets the secret; a changed ciphertext gives another one, and one of another size is refused."""
    key = kem.generate_kem_key(algorithm)
    shared, sent = kem.encapsulate(algorithm, kem.kem_public_key(algorithm, key))
    assert len(shared) == 32
    assert kem.decapsulate(algorithm, key, sent) == shared
    assert kem.decapsulate(algorithm, key, bytes((sent[0] ^ 1,)) + sent[1:]) != shared
    with pytest.raises(SizeError):
        kem.decapsulate(algorithm, key, sent[1:])
    with pytest.raises(SizeError):
        kem.encapsulate(algorithm, bytes(10))


def test_rsa_oaep(rsa_key):
    """What is wrapped is unwrapped under the same label, and by cryptography; the rest is one error without a cause."""
    key, public = SecureBytes.random(32), rsa_oaep.rsa_oaep_public_key(rsa_key)
    wrapped = rsa_oaep.rsa_oaep_wrap(public, key, label=b"label")
    assert rsa_oaep.rsa_oaep_unwrap(rsa_key, wrapped, label=b"label") == key
    theirs = serialization.load_der_public_key(public)
    assert isinstance(theirs, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    assert rsa_oaep.rsa_oaep_unwrap(rsa_key, theirs.encrypt(b"secret", oaep)) == b"secret"
    for sent, label in (
        (wrapped, b""),
        (wrapped[:-1], b"label"),
        (bytes(256), b"label"),
        (theirs.encrypt(b"", oaep), b""),
    ):
        with pytest.raises(DecryptionError) as caught:
            rsa_oaep.rsa_oaep_unwrap(rsa_key, sent, label=label)
        assert caught.value.__cause__ is caught.value.__context__ is None
    with pytest.raises(SizeError, match="room for 190 bytes"):
        rsa_oaep.rsa_oaep_wrap(public, SecureBytes.random(191))
    with pytest.raises(PeerKeyError):
        rsa_oaep.rsa_oaep_wrap(agreement.agreement_public_key("X25519", SecureBytes.random(32)), key)
    with pytest.raises(SizeError, match="2048 to 8192"):
        rsa_oaep.rsa_oaep_generate(bits=1024)


@pytest.mark.parametrize("kind", KINDS)
def test_private_keys_come_back_from_each_form(kind, rsa_key):
    """PEM, DER, OpenSSH where there is such a form, and encrypted; a wrong password is told from none."""
    size = KINDS[kind].size
    key = SecureBytes.copy_of(bytes(range(1, size + 1))) if size else rsa_key
    forms = ["PEM", "DER", "OpenSSH"] if kind in {"Ed25519", "P-256", "P-384", "RSA"} else ["PEM", "DER"]
    for form in forms:
        assert private_keys.load_private_key(private_keys.dump_private_key(kind, key, form)) == (kind, key)
    password = SecureBytes.copy_of(b"password")
    sealed = private_keys.dump_private_key(kind, key, "DER", password=password)
    assert private_keys.load_private_key(sealed, password=password) == (kind, key)
    for wrong, words in ((None, "give its password"), (SecureBytes.copy_of(b"other"), "could not be decrypted")):
        with pytest.raises(DecryptionError, match=words):
            private_keys.load_private_key(sealed, password=wrong)
    if len(forms) == 2:
        with pytest.raises(InvalidArgumentError, match="no OpenSSH form"):
            private_keys.dump_private_key(kind, key, "OpenSSH")


def test_forms_of_others_are_read():
    """PKCS #1 and SEC 1, as older tools write them."""
    old = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    for key, kind in (
        (ec.generate_private_key(ec.SECP256R1()), "P-256"),
        (rsa.generate_private_key(65537, 2048), "RSA"),
    ):
        assert private_keys.load_private_key(key.private_bytes(*old))[0] == kind


def test_what_is_no_private_key_is_refused():
    """Junk, a public key, a curve that is not supported, a password too many."""
    public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    other = ec.generate_private_key(ec.SECP521R1())
    for data in (
        b"junk",
        b"",
        b"-----BEGIN junk",
        other.public_key().public_bytes(*public),
        other.private_bytes(*plain),
    ):
        with pytest.raises(FormatError, match="no private key of a kind"):
            private_keys.load_private_key(data)
    with pytest.raises(DecryptionError, match="not encrypted"):
        private_keys.load_private_key(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(*plain), password=SecureBytes.copy_of(b"password")
        )
    with pytest.raises(InvalidArgumentError):
        private_keys.dump_private_key("P-521", SecureBytes.random(66))


def test_aes_siv_is_that_of_the_standard():
    """RFC 5297, section 3: the nonce is the last component; cryptography makes the same of the two."""
    key, nonce = bytes(range(64)), bytes(range(16))
    ours = hazmat.encrypt("AES-256-SIV", SecureBytes.copy_of(key), nonce, b"message", b"aad")
    assert ours == AESSIV(key).encrypt(b"message", [b"aad", nonce])
    assert hazmat.decrypt("AES-256-SIV", SecureBytes.copy_of(key), nonce, ours, b"aad") == b"message"
    with pytest.raises(DecryptionError):
        hazmat.decrypt("AES-256-SIV", SecureBytes.copy_of(key), nonce, ours, b"other")


@pytest.mark.parametrize("algorithm", SIGNING[1:])
def test_keys_of_a_store_sign(algorithm):
    """Made, rotated, exported and imported; old versions verify; none is derived."""
    store = KeyStore()
    key = store.generate("key", algorithm, Policy(extractable=True))
    first = key.sign(b"message")
    key.rotate()
    second = key.sign(b"message")
    for signature in (first, second):
        key.verify(b"message", signature)
    with pytest.raises(VerificationError):
        key.verify(b"other", second)
    signing.verify_signature(algorithm, key.public_key(), b"message", second)
    wrapping = store.generate("wrapping", policy=Policy(usages={"wrap", "unwrap"}))
    copy = store.unwrap("copy", wrapping.wrap(key), source=wrapping)
    copy.verify(b"message", second)
    assert copy.algorithm == algorithm
    source = store.generate("source", "HKDF-SHA-256")
    with pytest.raises(InvalidArgumentError, match="cannot be derived"):
        store.derive("derived", algorithm, source=source)


@pytest.mark.parametrize("algorithm", AGREEMENT[1:])
def test_keys_of_a_store_agree(algorithm):
    """Both sides, and nobody under another context."""
    one, other = KeyStore().generate("one", algorithm), KeyStore().generate("other", algorithm)
    agreed = one.agree(other.public_key(), b"context")
    assert agreed == other.agree(one.public_key(), b"context") != other.agree(one.public_key())
    with pytest.raises(SizeError):
        one.agree(bytes(3))


@pytest.mark.parametrize("algorithm", ["RSA-PSS", *(name for name in SIGNING if name == "ML-DSA-65")])
def test_long_public_keys_are_kept_in_a_file(algorithm, tmp_path):
    """Longer than 255 bytes: as they were, after the file is opened again."""
    KeyFile.generate(tmp_path / "kek")
    with KeyStore.create(tmp_path / "store", KeyFile(tmp_path / "kek")) as store:
        public = store.generate("key", algorithm).public_key()
        signature = store["key"].sign(b"message")
    assert len(public) > 255
    with KeyStore.open(tmp_path / "store", KeyFile(tmp_path / "kek")) as store:
        assert store["key"].public_key() == public
        store["key"].verify(b"message", signature)
        store["key"].sign(b"other")


def test_without_the_heap_they_say_so():
    """A typed error before anything is done; Ed25519, X25519, AES-SIV and verify() need no heap."""
    run(f"""
from securemem import KeyStore, SecureBytes, crypto_heap
from securemem.crypto import aead, agreement, kem, private_keys, rsa_oaep, signing
from securemem.exceptions import CryptoHeapError
secret = SecureBytes.copy_of(bytes(range(1, 33)))
store = KeyStore(crypto_heap="off")
calls = [lambda: signing.sign("ECDSA-P-256", secret, b""), lambda: agreement.agreement_public_key("ECDH-P-256", secret),
    lambda: private_keys.load_private_key(b"x"), lambda: private_keys.dump_private_key("P-256", secret),
    rsa_oaep.rsa_oaep_generate]
calls += [lambda name=name: store.generate("key", name) for name in {NEED_THE_HEAP!r} if name not in ("Ed448", "X448")]
for call in calls:
    try: call()
    except CryptoHeapError as error: assert "crypto_heap.enable()" in str(error), error
    else: raise AssertionError("it needs the heap")
assert len(store) == 0
public = signing.signing_public_key("Ed25519", secret)
signing.verify_signature("Ed25519", public, b"m", signing.sign("Ed25519", secret, b"m"))
key = aead.Key.generate("AES-256-SIV")
assert key.decrypt(key.encrypt(b"m", b"aad"), b"aad") == b"m" and not crypto_heap.status().enabled
""")


def test_another_curve_of_the_same_size_is_no_key():
    """A key of secp256k1 or of a Brainpool curve is refused, and not taken for one of P-256 or P-384."""
    for curve in (ec.SECP256K1(), ec.BrainpoolP256R1(), ec.BrainpoolP384R1()):
        key = ec.generate_private_key(curve)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with pytest.raises(FormatError, match="no private key of a kind that is supported"):
            private_keys.load_private_key(pem)
