"""Lists of proxies and of exceptions, as Windows writes them."""

import pytest

from peer.proxy_rules import MAX_RULES, choose_server, is_excepted


@pytest.mark.parametrize(
    ("servers", "address"),
    [
        ("proxy.example:8080", "http://proxy.example:8080"),
        ("first:1;second:2", "http://first:1"),
        ("http=plain:1;https=secure:2", "http://secure:2"),
        ("HTTPS=secure:2 http=plain:1", "http://secure:2"),
        ("https=http://secure:2", "http://secure:2"),
        ("socks=every:3", "socks5://every:3"),
        ("socks=socks://every:3", "socks5://every:3"),
        ("http=plain:1;socks=every:3", "socks5://every:3"),
        ("http=plain:1", ""),
        ("https=;=;;", ""),
        ("", ""),
        ("https", "http://https"),
        ("=" * 4096, ""),
    ],
)
def test_the_first_proxy_of_the_scheme(servers: str, address: str) -> None:
    assert choose_server(servers, "https") == address


@pytest.mark.parametrize(
    ("host", "exceptions", "expected"),
    [
        ("intranet", "<local>", True),
        ("relay.example", "<local>", False),
        ("::1", "<local>", False),
        ("A.Inner.Example", "*.inner.example;10.*", True),
        ("10.1.2.3", "*.inner.example;10.*", True),
        ("relay.example", "", False),
        ("relay.example", "[a-z]*", False),
        ("relay.example", "x " * MAX_RULES + "relay.example", False),
    ],
)
def test_hosts_without_a_proxy(host: str, exceptions: str, expected: bool) -> None:
    assert is_excepted(host, exceptions) is expected
