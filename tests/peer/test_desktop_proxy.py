"""What desktops say about proxies, and what a script says that needs not be run."""

from pathlib import Path

import pytest

from peer import desktop_proxy, proxy_settings
from peer.desktop_proxy import MAX_SETTINGS_BYTES, parse_gsettings, parse_kioslaverc, read_desktop_proxy
from peer.pac import MAX_FILE_BYTES, load_pac, parse_static_pac
from peer.proxy_settings import Proxy, choose_proxy, parse_proxy

MANUAL = """\
org.gnome.system.proxy autoconfig-url ''
org.gnome.system.proxy ignore-hosts ['localhost', '::1', '*.inner.example', 'wiki.example', '10.0.0.0/8']
org.gnome.system.proxy mode 'manual'
org.gnome.system.proxy use-same-proxy true
org.gnome.system.proxy.ftp host ''
org.gnome.system.proxy.ftp port 0
org.gnome.system.proxy.http host 'proxy.example'
org.gnome.system.proxy.http port 3128
org.gnome.system.proxy.https host 'secure.example'
org.gnome.system.proxy.https port 3129
org.gnome.system.proxy.socks host 'fd00::1'
org.gnome.system.proxy.socks port 1080
"""
STATIC = 'function FindProxyForURL(url, host) { return "PROXY proxy.example:8080; DIRECT"; }'


def test_a_desktops_proxies() -> None:
    found = parse_gsettings(MANUAL)
    assert found.manual == {
        "http": "http://proxy.example:3128",
        "https": "http://secure.example:3129",
        "socks": "socks5://[fd00::1]:1080",
    }
    assert found.script == ""
    for host in ("a.inner.example", "wiki.example", "www.wiki.example", "10.1.2.3"):
        assert found.ignores(host), host
    for host in ("relay.example", "notwiki.example", "11.1.2.3"):
        assert not found.ignores(host), host


@pytest.mark.parametrize(
    "text",
    [
        "",
        MANUAL.replace("'manual'", "'none'"),
        MANUAL.replace("'manual'", "manual"),
        MANUAL.replace("3129", "99999").replace("3128", "'x'").replace("1080", "-1"),
        "org.gnome.system.proxy mode " + "[" * 10_000,
        "No such schema",
    ],
)
def test_what_says_nothing_names_no_proxy(text: str) -> None:
    found = parse_gsettings(text)
    assert (found.manual, found.script) == ({}, "")


def test_a_script_is_named_by_the_desktop_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "org.gnome.system.proxy mode 'auto'\norg.gnome.system.proxy autoconfig-url 'http://wpad/x.pac'\n"
    assert (
        parse_gsettings(said + "org.gnome.system.proxy ignore-hosts @as []\n").script == "http://wpad/x.pac"
    )
    monkeypatch.setattr(desktop_proxy.shutil, "which", lambda name: None)  # type: ignore[attr-defined]
    monkeypatch.setenv("auto_proxy", "http://other/x.pac")
    assert read_desktop_proxy().script == "http://other/x.pac"


def test_gsettings_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "gsettings"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{MANUAL}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "dconf").mkdir()
    (tmp_path / "dconf/user").touch()
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "auto_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert choose_proxy("https", "relay.example") == Proxy("http", "secure.example", 3129)
    assert choose_proxy("https", "wiki.example") is None
    monkeypatch.setenv("https_proxy", "http://environment.example:1")
    assert choose_proxy("https", "relay.example") == Proxy("http", "environment.example", 1)


@pytest.mark.parametrize(
    ("script", "address"),
    [
        (STATIC, "http://proxy.example:8080"),
        (
            "// ours\nfunction FindProxyForURL(u,h){\n /* for\n all */ return 'SOCKS5 10.0.0.1:1080' ;\n};\n",
            "socks5://10.0.0.1:1080",
        ),
        ('function FindProxyForURL(url, host) { return "DIRECT"; }', ""),
        ('function FindProxyForURL(url, host) { return "HTTPS p:1; PROXY q:2" }', "http://q:2"),
        ('function FindProxyForURL(u, h) { return "PROXY a//b:1"; }', "http://a//b:1"),
    ],
)
def test_a_script_that_always_says_the_same(script: str, address: str) -> None:
    assert parse_static_pac(script) == address


@pytest.mark.parametrize(
    "script",
    [
        "",
        "<html>",
        STATIC.replace("{ return", '{ if (isPlainHostName(host)) return "DIRECT"; return'),
        STATIC.replace('"PROXY', 'x + "PROXY'),
        STATIC + "FindProxyForURL = null;",
        STATIC.replace("PROXY", "QUIC").replace("; DIRECT", ""),
        STATIC.replace("PROXY proxy.example:8080; DIRECT", ""),
        STATIC.replace("return", "retrun"),
        STATIC[:-1],
    ],
)
def test_a_script_that_would_have_to_be_run_is_left_alone(script: str) -> None:
    assert parse_static_pac(script) is None


def test_a_script_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a b.pac"
    file.write_text(STATIC)
    assert load_pac(file.as_uri()) == "http://proxy.example:8080"
    file.write_text(STATIC + " " * MAX_FILE_BYTES)
    assert load_pac(file.as_uri()) is None
    for address in (
        "file:///nowhere.pac",
        "ftp://wpad/x.pac",
        "http://127.0.0.1:1/x.pac",
        "",
        "http://[",
        "javascript:x",
    ):
        assert load_pac(address) is None


def test_a_script_that_names_a_proxy_is_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "x.pac"
    file.write_text(STATIC)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(
        proxy_settings, "read_desktop_proxy", lambda: desktop_proxy.DesktopProxy(script=file.as_uri())
    )
    assert choose_proxy("wss", "relay.example") == Proxy("http", "proxy.example", 8080)
    assert choose_proxy("wss", "127.0.0.1") is None


KDE = """\
[$Version]
update_info=kioslave.upd:kde2.2/r1

[Proxy Settings][$i]
Authentication=0
[Proxy Settings]
NoProxyFor=localhost,.inner.example,10.0.0.0/8
Proxy Config Script=http://wpad.example/x.pac
ProxyType=1
ReversedException=false
ftpProxy=
httpProxy=http://proxy.example 3128
httpsProxy=http://secure.example:3129/
socksProxy=socks://fd00.example 1080
"""


def test_kdes_proxies() -> None:
    found = parse_kioslaverc(KDE)
    assert found.manual == {
        "http": "http://proxy.example:3128",
        "https": "http://secure.example:3129",
        "socks": "socks://fd00.example:1080",
    }
    assert found.script == ""
    assert [found.ignores(host) for host in ("a.inner.example", "10.1.2.3", "relay.example")] == [
        True,
        True,
        False,
    ]


def test_kdes_script() -> None:
    found = parse_kioslaverc(KDE.replace("ProxyType=1", "ProxyType=2"))
    assert (found.manual, found.script) == ({}, "http://wpad.example/x.pac")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ProxyType=1",
        "[Proxy Settings",
        KDE.replace("ProxyType=1", "ProxyType=0"),
        KDE.replace("ProxyType=1", "ProxyType=3"),
        KDE.replace("ProxyType=1", "ProxyType=4"),
        KDE.replace("ReversedException=false", "ReversedException=true"),
        "[Proxy Settings]\nProxyType=1\nhttpProxy= \nhttpsProxy=",
        "[Proxy Settings]\n" + "=\n" * 1000,
        "[Proxy Settings]\nProxyType=1\n" * 5000 + "\0",
    ],
)
def test_what_says_nothing_in_kdes_file_names_no_proxy(text: str) -> None:
    found = parse_kioslaverc(text)
    assert (found.manual, found.script) == ({}, "")


def test_kdes_file_is_read_on_its_desktop_and_where_nobody_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("auto_proxy", raising=False)
    monkeypatch.setattr(desktop_proxy.shutil, "which", lambda name: None)  # type: ignore[attr-defined]
    (tmp_path / "kioslaverc").write_text(KDE)
    for desktop, is_read in (("KDE", True), ("X-Other:KDE", True), ("", True), ("GNOME", False)):
        monkeypatch.setenv("XDG_CURRENT_DESKTOP", desktop)
        assert bool(read_desktop_proxy().manual) is is_read, desktop
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "KDE")
    (tmp_path / "kioslaverc").write_text("#" * MAX_SETTINGS_BYTES + KDE)
    assert not read_desktop_proxy().manual
    (tmp_path / "kioslaverc").unlink()
    assert not read_desktop_proxy().manual


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://proxy.example 99999", None),
        ("http://ana:geheim@proxy.example 3128", Proxy("http", "proxy.example", 3128, "ana", "geheim")),
        ("proxy.example 3128", Proxy("http", "proxy.example", 3128)),
        ("http://proxy.example x", Proxy("http", "proxy.example", 8080)),
    ],
)
def test_what_kde_wrote_is_read_as_any_address(value: str, proxy: Proxy | None) -> None:
    found = parse_kioslaverc(f"[Proxy Settings]\nProxyType=1\nhttpsProxy={value}\n")
    assert parse_proxy(found.manual["https"]) == proxy
