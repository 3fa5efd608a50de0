"""Whom TLS trusts: the system's store, found even by an OpenSSL that looks for it elsewhere."""

import ssl
from pathlib import Path

import pytest

from peer import trust
from peer.trust import make_context
from tests.helpers.transports import make_certificate


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An OpenSSL whose own places have nothing, as in a bundle; a folder for others."""
    nowhere = str(tmp_path / "nowhere")
    monkeypatch.setattr(
        trust.ssl,  # type: ignore[attr-defined]
        "create_default_context",
        lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    paths = ssl.DefaultVerifyPaths(nowhere, nowhere, "SSL_CERT_FILE", nowhere, "SSL_CERT_DIR", nowhere)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    return tmp_path


def test_the_first_bundle_that_there_is(lost: Path) -> None:
    bundle, _ = make_certificate(lost, ["ca.example"])
    broken = lost / "broken.pem"
    broken.write_text("no certificates")
    context = make_context([str(lost / "missing.pem"), str(broken), str(bundle)])
    assert context.cert_store_stats()["x509"] == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_where_there_is_none_nobody_is_trusted(lost: Path) -> None:
    context = make_context([str(lost / "missing.pem")])
    assert context.cert_store_stats()["x509"] == 0
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_what_openssl_finds_by_itself_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle, _ = make_certificate(tmp_path, ["ca.example"])
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setattr(trust, "_knows_somebody", lambda context: True)
    assert make_context([str(tmp_path / "never looked at")]).verify_mode is ssl.CERT_REQUIRED


def test_this_computers_own_store_is_found() -> None:
    assert any(Path(bundle).exists() for bundle in trust.BUNDLES)
    assert make_context().cert_store_stats()["x509_ca"] > 50
