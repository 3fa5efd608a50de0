"""Which addresses are public, and what a name may resolve to."""

import socket
from typing import Any

import pytest

from relay.destinations import Forbidden, is_public, may_be_public, resolve


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.5.5", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_addresses_that_are_nobodys_business(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "10.1.1.1", "::1"])
def test_names_that_cannot_be_public(host: str) -> None:
    assert not may_be_public(host)


def test_other_names_may_be_public() -> None:
    assert may_be_public("mail.example.com")


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def resolver(host: str, port: int, **keywords: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)


def test_only_public_addresses_of_a_name_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "10.0.0.1", "93.184.216.34", "93.184.216.34", "127.0.0.1")
    assert resolve("mixed.example", 25, allows_private=False) == ["93.184.216.34"]
    assert resolve("mixed.example", 25, allows_private=True) == ["10.0.0.1", "93.184.216.34", "127.0.0.1"]


def test_a_name_without_any_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "10.0.0.1", "169.254.169.254")
    with pytest.raises(Forbidden):
        resolve("inside.example", 25, allows_private=False)


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..example"])
def test_what_is_no_name_does_not_resolve(host: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        resolve(host, 25, allows_private=True)


# Numbers in other clothes: the system's resolver takes them for addresses, so what it says is judged.
@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "017700000001"])
def test_loopback_in_disguise_is_forbidden(host: str) -> None:
    with pytest.raises((Forbidden, OSError)):
        resolve(host, 25, allows_private=False)
