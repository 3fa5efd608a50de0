"""Signing a Windows host file (Authenticode), with a place for the link that the signature does not cover.

An Authenticode signature has attributes that are not signed. osslsigncode reserves one of them; the link blob
lies in it: who changes it there does not break the signature, and the relay needs no key to give out links.
Nothing may be changed or added anywhere else after that.
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from bundles.errors import BuildError
from relay.protocol.link_blob import TAIL_BYTES, make_empty_blob

SIGN_SECONDS: Final = 300.0
_BEGINS: Final = b"---BEGIN_BLOB---"  # osslsigncode's
_ENDS: Final = b"---END_BLOB---"
MAX_SIGNER_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """In whose name.

    Attributes:
        certificate: PEM file with the signer's certificate, first, and those above it. key: PEM file with its
        private key. password_file: with the key's password in its first line, if it has one. timestamp_url:
        of a timestamping service (RFC 3161): the signature outlives the certificate with its word.
    """

    certificate: Path
    key: Path
    password_file: Path | None = None
    timestamp_url: str | None = None


def sign(program: bytes, signing: Signing) -> tuple[bytes, int]:
    """The signed program with an empty link blob in it, and the blob's size in bytes.

    Raises:
        BuildError: osslsigncode is missing or says no.
    """
    if shutil.which("osslsigncode") is None:
        raise BuildError("Signing needs osslsigncode: please install it.")
    with tempfile.TemporaryDirectory() as scratch:
        plain, signed = Path(scratch, "plain.exe"), Path(scratch, "signed.exe")
        plain.write_bytes(program)
        command = [
            *("osslsigncode", "sign", "-addUnauthenticatedBlob", "-h", "sha256", "-n", "Remote support"),
            *("-certs", str(signing.certificate), "-key", str(signing.key)),
            *(("-readpass", str(signing.password_file)) if signing.password_file else ()),
            *(("-ts", signing.timestamp_url) if signing.timestamp_url else ()),
            *("-in", str(plain), "-out", str(signed)),
        ]
        try:
            done = subprocess.run(  # noqa: S603 - options are ours, files and address the operator's
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SIGN_SECONDS,
            )
        except subprocess.TimeoutExpired as exc:
            raise BuildError("Signing took too long; does the timestamping service answer?") from exc
        if done.returncode != 0 or not signed.is_file():
            raise BuildError(f"It cannot be signed: {(done.stdout + done.stderr).strip()[-1000:]}")
        return place_blob(signed.read_bytes())


def place_blob(signed: bytes) -> tuple[bytes, int]:
    """Put an empty link blob where osslsigncode has reserved place; the file, and the blob's size.

    Raises:
        BuildError: it has not, or not as it is known here.
    """
    begin, end = signed.rfind(_BEGINS), signed.rfind(_ENDS)
    at = begin + len(_BEGINS)
    if begin < 0 or end < at or len(signed) - begin > TAIL_BYTES or signed[at:end].strip(b"\0"):
        raise BuildError("The signature has no place for the link; is this osslsigncode 2.9 or newer?")
    return signed[:at] + make_empty_blob(end - at) + signed[end:], end - at


def read_signer(signing: Signing) -> str:
    """Whose name is in the certificate.

    Raises:
        BuildError: there is no certificate, or no name in it.
        OSError: the file cannot be read.
    """
    try:
        subject = x509.load_pem_x509_certificates(signing.certificate.read_bytes())[0].subject
    except ValueError as exc:
        raise BuildError(f"{signing.certificate} has no certificate.") from exc
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        names = subject.get_attributes_for_oid(kind)
        if names:
            return str(names[0].value)[:MAX_SIGNER_CHARACTERS]
    raise BuildError(f"The certificate in {signing.certificate} names nobody.")
