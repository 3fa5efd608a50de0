"""Deployment links: one spelling, strict reading, nothing secret in their `repr`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.codes import CodeError, normalise_access_password
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import (
    DeploymentLink,
    LinkError,
    decode_base64url,
    parse_deployment_link,
    parse_origin,
)
from tests.helpers.vectors import assert_vectors

INVITE = "AAECAwQFBgcICQoLDA0ODw"
SECRET = "EBESExQVFhcYGRobHB0eHw"
REST = f"/d/{INVITE}#{SECRET}.k7mp-w2xa-9tfe"
SPELLED = f"\thttps://Relay.Example:443/d/{INVITE}#{SECRET}.caf%c3%a9%20%2e.%23'\n"
FAR_HOSTS = ["relay.example", "localhost.example", "10.0.0.1", "128.0.0.1", "[::2]"]
ORIGINS = [
    ("https://relay.example", "https://relay.example"),
    ("HTTPS://RELAY.example:443", "https://relay.example"),
    ("https://relay.example:80", "https://relay.example:80"),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("https://203.0.113.7", "https://203.0.113.7"),
    ("https://[2001:DB8:0:0::1]:8443", "https://[2001:db8::1]:8443"),
    ("http://localhost:8080", "http://localhost:8080"),
    ("http://relay.localhost", "http://relay.localhost"),
    ("http://127.8.9.1:80", "http://127.8.9.1"),
    ("http://[::1]:8080", "http://[::1]:8080"),
]
ODD_ORIGINS = [
    "",
    "relay.example",
    "ftp://relay.example",
    "https://",
    "https://user@relay.example",
    "https://user:pw@relay.example",
    "https://relay.example/",
    "https://relay.example:",
    "https://relay.example:0",
    "https://relay.example:0443",
    "https://relay.example:65536",
    "https://relay.example:\u0661",
    "https://relay..example",
    "https://relay.example.",
    "https://-relay.example",
    "https://relay-.example",
    "https://relay_x.example",
    "https://bücher.example",
    "https://1.2.3",
    "https://1.2.3.256",
    "https://01.2.3.4",
    "https://0x7f.0x1",
    "https://[::1",
    "https://[::g]",
    "https://[1:2]",
    "https://[::ffff:127.0.0.1]",
    "https://[fe80::1%25eth0]",
    "https://" + "a" * 64 + ".example",
    "https://" + "a." * 130 + "example",
    "https://relay.example\n",
]
DAMAGED = [
    "",
    "/",
    f"/d/{INVITE}",
    f"/d/{INVITE}#",
    f"/d/{INVITE}#{SECRET}",
    f"/d/{INVITE}#{SECRET}.",
    f"/d/{INVITE}?x#{SECRET}.pw",
    f"/d/{INVITE}/#{SECRET}.pw",
    f"/x/d/{INVITE}#{SECRET}.pw",
    f"/D/{INVITE}#{SECRET}.pw",
    f"/d/{INVITE[:-1]}#{SECRET}.pw",
    f"/d/{INVITE}A#{SECRET}.pw",
    f"/d/{INVITE[:-1]}x#{SECRET}.pw",  # unused bits set: a second spelling of the same bytes
    f"/d/{INVITE}#{SECRET[:-1]}+.pw",
    f"/d/{INVITE}#{SECRET}.p w",
    f"/d/{INVITE}#{SECRET}.p%2",
    f"/d/{INVITE}#{SECRET}.p%zz",
    f"/d/{INVITE}#{SECRET}.%ff",
    f"/d/{INVITE}#{SECRET}.%00",
    f"/d/{INVITE}#{SECRET}.%ED%A0%80",
    f"/d/{INVITE}#{SECRET}.é",
    f"/d/{INVITE}#{SECRET}.a#b",
    f"/d/{INVITE}#{SECRET}." + "x" * 257,
    f"/d/{INVITE}#{SECRET}." + "x" * 2000,
]


def is_password(text: str) -> bool:
    try:
        return normalise_access_password(text) == text
    except CodeError:
        return False


@given(
    st.sampled_from(["https://relay.example", "https://relay.example:8443", "http://127.0.0.1:8080"]),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.text(min_size=1, max_size=60).filter(is_password),
)
def test_link_reads_back(origin: str, invite: bytes, secret: bytes, password: str) -> None:
    link = DeploymentLink(origin=origin, invite=invite, secret=SecretBytes(secret), access_password=password)
    assert parse_deployment_link(link.url()) == link


def test_vectors_are_what_the_code_computes() -> None:
    assert_vectors(
        "links",
        {
            "origins": [list(pair) for pair in ORIGINS],
            "odd_origins": ODD_ORIGINS,
            "insecure_origins": [f"http://{host}" for host in FAR_HOSTS],
            "damaged_after_origin": DAMAGED,
            "link": {
                "text": SPELLED,
                "origin": "https://relay.example",
                "invite": bytes(range(16)).hex(),
                "secret": bytes(range(16, 32)).hex(),
                "access_password": "caf\u00e9 ..#'",
                "url": parse_deployment_link(SPELLED).url(),
            },
        },
    )


def test_link_is_spelled_as_the_protocol_says() -> None:
    link = parse_deployment_link(SPELLED)
    assert link.origin == "https://relay.example"
    assert link.invite == bytes(range(16))
    assert link.secret == bytes(range(16, 32))
    assert link.access_password == "café ..#'"
    assert link.url() == f"https://relay.example/d/{INVITE}#{SECRET}.caf%C3%A9%20..%23%27"


def test_repr_shows_nothing_secret() -> None:
    link = parse_deployment_link("https://relay.example" + REST)
    assert repr(link) == "DeploymentLink(origin='https://relay.example')"


@pytest.mark.parametrize(("text", "origin"), ORIGINS)
def test_origin_has_one_spelling(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize("text", ODD_ORIGINS)
def test_odd_origin_is_refused(text: str) -> None:
    with pytest.raises(LinkError):
        parse_origin(text, allow_insecure=True)


@pytest.mark.parametrize("host", FAR_HOSTS)
def test_unencrypted_origin_is_refused_beyond_this_computer(host: str) -> None:
    with pytest.raises(LinkError, match="https"):
        parse_origin(f"http://{host}")
    assert parse_origin(f"http://{host}", allow_insecure=True) == f"http://{host}"


@pytest.mark.parametrize("rest", DAMAGED)
def test_damaged_link_is_refused(rest: str) -> None:
    with pytest.raises(LinkError):
        parse_deployment_link("https://relay.example" + rest)


@pytest.mark.parametrize("text", ["\u00e9", "A", "AA=A", "AB", "AAAA"])
def test_anything_but_the_one_spelling_of_so_many_bytes_is_refused(text: str) -> None:
    with pytest.raises(LinkError):
        decode_base64url(text, 1)


@given(
    st.text()
    | st.from_regex(r"https://.*/d/.*#.*\..*")
    | st.text().map(lambda text: "https://" + text + REST)
)
def test_any_text_is_a_link_or_a_link_error(text: str) -> None:
    try:
        link = parse_deployment_link(text)
    except LinkError:
        return
    assert parse_deployment_link(link.url()) == link
