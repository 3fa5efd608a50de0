"""Whom this computer trusts: TLS by the system's own store, also in a program that brings its own OpenSSL.

A bundled OpenSSL looks for certificates where they were on the machine that it was built on. What a system
keeps them in is known, so where nothing was found, those files are tried, in the order of how common they
are. On Windows Python reads the system's stores by itself. Standard library only.
"""

import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL, CentOS
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/var/lib/ca-certificates/ca-bundle.pem",  # openSUSE, newer
    "/etc/ssl/cert.pem",  # Alpine, OpenBSD's LibreSSL
)


def make_context(bundles: Sequence[str] = BUNDLES) -> ssl.SSLContext:
    """A context for clients that checks certificates and names against what this computer trusts.

    Args:
        bundles: files to try where OpenSSL's own places have nothing. What is set by ``SSL_CERT_FILE`` or
            ``SSL_CERT_DIR`` is OpenSSL's own place. Where there is nothing at all, nobody is trusted.
    """
    context = ssl.create_default_context()
    if sys.platform == "win32" or _knows_somebody(context):
        return context
    for bundle in bundles:
        try:
            context.load_verify_locations(cafile=bundle)
        except (OSError, ssl.SSLError):
            continue
        break
    return context


def _knows_somebody(context: ssl.SSLContext) -> bool:
    if context.cert_store_stats()["x509_ca"]:
        return True
    # Certificates of a folder are loaded when they are needed, and not counted before.
    folder = ssl.get_default_verify_paths().capath
    try:
        return folder is not None and any(path.suffix == ".0" for path in Path(folder).iterdir())
    except OSError:
        return False
