"""Signed with a throw-away certificate: a link in the signature leaves it good, anything else does not."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bundles.artifact import Artifact, Target
from bundles.errors import BuildError
from bundles.signing import Signing, place_blob, read_signer, sign
from relay.protocol.link_blob import make_empty_blob, read_link, write_link

LINK = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.k7mp-w2xa-9tfe"
PASSWORD = b"correct horse"
SCRIPT = 'Target amd64-unicode\nName "x"\nOutFile "{out}"\nRequestExecutionLevel user\nSection\nSectionEnd\n'


def make_signing(folder: Path) -> Signing:
    """A code signing certificate that lasts a day, its key under a password."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Example IT"),
        ]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "chain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD),
        )
    )
    (folder / "password").write_bytes(PASSWORD)
    return Signing(
        certificate=folder / "chain.pem", key=folder / "key.pem", password_file=folder / "password"
    )


def verify(data: bytes, signing: Signing, folder: Path) -> bool:
    """What osslsigncode thinks of the file's signature."""
    file = folder / "signed.exe"
    file.write_bytes(data)
    command = ["osslsigncode", "verify", "-CAfile", str(signing.certificate), "-in", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return make_signing(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The smallest program that NSIS makes."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "x.nsi").write_text(SCRIPT.format(out=folder / "x.exe"))
    subprocess.run(["makensis", "-V1", folder / "x.nsi"], check=True, timeout=60)
    return (folder / "x.exe").read_bytes()


@pytest.mark.slow
def test_a_link_in_the_signature_leaves_it_good(program: bytes, signing: Signing, tmp_path: Path) -> None:
    data, size = sign(program, signing)
    assert verify(data, signing, tmp_path)
    sidecar = Artifact(target=Target.WINDOWS, data=data, machine="x86_64", blob_size=size).sidecar()
    at = sidecar["blob"]["offset"]
    assert size >= 900
    linked = data[:at] + write_link(data[at : at + size], LINK) + data[at + size :]
    assert read_link(linked) == LINK
    assert verify(linked, signing, tmp_path)


@pytest.mark.slow
def test_any_other_change_breaks_the_signature(program: bytes, signing: Signing, tmp_path: Path) -> None:
    data, _ = sign(program, signing)
    assert not verify(data + write_link(make_empty_blob(), LINK), signing, tmp_path)
    changed = bytearray(data)
    changed[len(program) // 2] ^= 1
    assert not verify(bytes(changed), signing, tmp_path)


@pytest.mark.slow
def test_a_wrong_password_is_said(program: bytes, signing: Signing, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("battery staple")
    wrong = Signing(certificate=signing.certificate, key=signing.key, password_file=tmp_path / "password")
    with pytest.raises(BuildError, match="cannot be signed"):
        sign(program, wrong)


def test_the_signer_is_who_the_certificate_names(signing: Signing, tmp_path: Path) -> None:
    assert read_signer(signing) == "Example IT"
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(BuildError, match="no certificate"):
        read_signer(Signing(certificate=tmp_path / "empty.pem", key=signing.key))


@pytest.mark.parametrize(
    "signed",
    [
        b"program",
        b"---BEGIN_BLOB---" + bytes(100),
        b"---END_BLOB---" + b"---BEGIN_BLOB---",
        b"---BEGIN_BLOB---" + b"taken".ljust(100, b"\0") + b"---END_BLOB---",
        b"---BEGIN_BLOB---" + bytes(100) + b"---END_BLOB---" + bytes(70_000),
    ],
)
def test_a_signature_without_place_is_refused(signed: bytes) -> None:
    with pytest.raises(BuildError, match="place"):
        place_blob(signed)
