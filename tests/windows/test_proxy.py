"""The proxy that Windows is set to, asked of WinHTTP, which runs scripts and looks for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.helpers.wine import Wine

pytestmark = [pytest.mark.slow, pytest.mark.sockets, pytest.mark.windows, pytest.mark.timeout(600)]

BY_ADDRESS = """
function FindProxyForURL(url, host) {
    if (url.indexOf("secret") >= 0) return "PROXY leaked.example:1";
    if (isPlainHostName(host) || dnsDomainIs(host, ".inner.example")) return "DIRECT";
    if (shExpMatch(host, "relay.*")) return "PROXY proxy.example:3128; DIRECT";
    return "DIRECT";
}
"""
ENDLESS = "function FindProxyForURL(url, host) { while (true); }"

SET = """
import winreg
path = r"Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings"
with winreg.CreateKey(winreg.HKEY_CURRENT_USER, path) as key:
    for name in ("AutoConfigURL", "ProxyServer", "ProxyOverride", "ProxyEnable"):
        try:
            winreg.DeleteValue(key, name)
        except OSError:
            pass
    for name, value in {settings!r}.items():
        kind = winreg.REG_DWORD if isinstance(value, int) else winreg.REG_SZ
        winreg.SetValueEx(key, name, 0, kind, value)
"""
ASK = """
import time
from peer.proxy_settings import choose_proxy
begun = time.monotonic()
for host in {hosts!r}:
    print(host, choose_proxy("wss", host))
print("in time", time.monotonic() - begun < 30)
"""
HOSTS = ("relay.example", "a.inner.example", "elsewhere.example", "intranet")


@contextmanager
def script_server(script: str) -> Iterator[str]:
    """Serves a script on loopback; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = script.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ns-proxy-autoconfig")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/proxy.pac"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(wine: Wine, hosts: tuple[str, ...] = HOSTS, **settings: str | int) -> list[str]:
    """What is chosen for each host with these settings."""
    return wine.run(SET.format(settings=settings) + ASK.format(hosts=hosts)).splitlines()


def test_a_script_decides_by_the_address(wine: Wine) -> None:
    with script_server(BY_ADDRESS) as address:
        said = ask(wine, AutoConfigURL=address)
    assert said == [
        "relay.example Proxy(kind='http', host='proxy.example', port=3128)",
        "a.inner.example None",
        "elsewhere.example None",
        "intranet None",
        "in time True",
    ]


@pytest.mark.parametrize("script", ["", "no script at all <", ENDLESS, "x" * (1 << 20)])
def test_a_hostile_script_leads_the_direct_way_and_in_time(wine: Wine, script: str) -> None:
    with script_server(script) as address:
        said = ask(wine, ("relay.example",), AutoConfigURL=address)
    assert said == ["relay.example None", "in time True"]


def test_a_script_that_cannot_be_had_leads_the_direct_way(wine: Wine) -> None:
    said = ask(wine, ("relay.example",), AutoConfigURL="http://127.0.0.1:1/proxy.pac")
    assert said == ["relay.example None", "in time True"]


def test_proxies_by_hand(wine: Wine) -> None:
    said = ask(
        wine,
        ProxyEnable=1,
        ProxyServer="http=plain:1;https=secure:2",
        ProxyOverride="*.inner.example;<local>",
    )
    assert said[:2] == ["relay.example Proxy(kind='http', host='secure', port=2)", "a.inner.example None"]
    assert said[3] == "intranet None"
