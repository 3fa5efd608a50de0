"""What the front door refuses beyond h11, and whom it believes about the client's address."""

from http import HTTPStatus
from ipaddress import ip_network

import h11
import pytest

from relay.http.heads import RequestHead, check_request, client_of
from relay.http.problems import RequestRefused

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


def parse(data: bytes) -> RequestHead:
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data)
    request = parser.next_event()
    assert isinstance(request, h11.Request)
    return check_request(request)


def head(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: relay.example") -> bytes:
    return b"\r\n".join([line, host, *fields, b"", b""])


def test_good_head_is_split_decoded_and_keeps_its_order() -> None:
    parsed = parse(head(b"X-B: 2", b"X-A: 1", line=b"GET /caf%C3%A9/a%2Fb?x=1&y=%00|? HTTP/1.1"))
    assert parsed.method == "GET"
    assert parsed.http_version == "1.1"
    assert parsed.raw_path == b"/caf%C3%A9/a%2Fb"
    assert parsed.path == "/café/a/b"
    assert parsed.query_string == b"x=1&y=%00|?"
    assert parsed.headers == ((b"host", b"relay.example"), (b"x-b", b"2"), (b"x-a", b"1"))
    assert parsed.content_length is None


def test_absolute_form_gives_its_authority_instead_of_the_host_field() -> None:
    parsed = parse(head(line=b"GET HTTPS://other.example:8443/a?b HTTP/1.1"))
    assert parsed.values(b"host") == [b"other.example:8443"]
    assert (parsed.raw_path, parsed.query_string) == (b"/a", b"b")
    assert parse(head(line=b"GET http://other.example?b HTTP/1.1")).raw_path == b"/"


@pytest.mark.parametrize(
    "host", [b"relay.example", b"127.0.0.1:8080", b"[::1]:8080", b"[2001:db8::1]", b"xn--caf-dma.example:"]
)
def test_valid_hosts_are_accepted(host: bytes) -> None:
    assert parse(head(host=b"Host: " + host)).values(b"host") == [host]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(head(b"X: a\x01b"), 400, id="control character in a field"),
        pytest.param(head(b"X: a\x7fb"), 400, id="DEL in a field"),
        pytest.param(head(b"X: a\x1bb"), 400, id="escape in a field"),
        pytest.param(head(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400, id="two framings"),
        pytest.param(head(b"Transfer-Encoding: chunked", line=b"GET / HTTP/1.0"), 400, id="chunked in 1.0"),
        pytest.param(head(host=b"Host: user@relay.example"), 400, id="user in the host"),
        pytest.param(head(host=b"Host: relay example"), 400, id="blank in the host"),
        pytest.param(head(host=b"Host: relay.example/x"), 400, id="path in the host"),
        pytest.param(head(host=b"Host: "), 400, id="empty host"),
        pytest.param(head(line=b"GET relay.example:80 HTTP/1.1"), 400, id="authority form"),
        pytest.param(head(line=b"OPTIONS * HTTP/1.1"), 400, id="asterisk form"),
        pytest.param(head(line=b"GET http:///x HTTP/1.1"), 400, id="absolute form without authority"),
        pytest.param(head(line=b"GET http://a@b/x HTTP/1.1"), 400, id="user in the absolute form"),
        pytest.param(head(line=b"GET ftp://relay.example/ HTTP/1.1"), 400, id="other scheme"),
        pytest.param(head(line=b"GET /a#b HTTP/1.1"), 400, id="fragment"),
        pytest.param(head(line=b"GET /?a#b HTTP/1.1"), 400, id="fragment behind a query"),
        pytest.param(head(line=b"GET /a\\b HTTP/1.1"), 400, id="backslash"),
        pytest.param(head(line=b"GET /%00 HTTP/1.1"), 400, id="NUL in the path"),
        pytest.param(head(line=b"GET /%0d%0aX:1 HTTP/1.1"), 400, id="line break in the path"),
        pytest.param(head(line=b"GET /%zz HTTP/1.1"), 400, id="broken escape"),
        pytest.param(head(line=b"GET /% HTTP/1.1"), 400, id="half an escape"),
        pytest.param(head(line=b"GET /%ff HTTP/1.1"), 400, id="path is not UTF-8"),
        pytest.param(head(line=b"CONNECT relay.example:80 HTTP/1.1"), 501, id="CONNECT"),
        pytest.param(head(line=b"GET / HTTP/2.0"), 505, id="other version"),
        pytest.param(head(line=b"GET / HTTP/0.9"), 505, id="old version"),
    ],
)
def test_head_that_h11_accepts_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(RequestRefused) as refusal:
        parse(data)
    assert refusal.value.status == HTTPStatus(status)


@pytest.mark.parametrize(
    ("data", "is_upgrade"),
    [
        (head(b"Connection: Upgrade", b"Upgrade: websocket"), True),
        (head(b"Connection: keep-alive, upgrade", b"Upgrade: h2c, WebSocket"), True),
        (head(b"Upgrade: websocket"), False),
        (head(b"Connection: upgrade", b"Upgrade: h2c"), False),
        (head(b"Connection: upgrade", b"Upgrade: websocket", line=b"POST / HTTP/1.1"), False),
        (head(b"Connection: upgrade", b"Upgrade: websocket", line=b"GET / HTTP/1.0"), False),
        (head(b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: 3"), False),
        (head(b"Connection: upgrade", b"Upgrade: websocket", b"Transfer-Encoding: chunked"), False),
    ],
)
def test_only_a_full_websocket_request_is_an_upgrade(data: bytes, is_upgrade: bool) -> None:
    assert parse(data).is_websocket_upgrade is is_upgrade


@pytest.mark.parametrize(
    ("peer", "fields", "client"),
    [
        pytest.param("192.0.2.1", [b"X-Forwarded-For: 198.51.100.7"], ("192.0.2.1", 5), id="stranger"),
        pytest.param("127.0.0.1", [b"X-Forwarded-For: 198.51.100.7"], ("127.0.0.1", 5), id="loopback"),
        pytest.param("10.1.2.3", [b"X-Forwarded-For: 198.51.100.7"], ("198.51.100.7", 0), id="proxy"),
        pytest.param("::ffff:10.1.2.3", [b"X-Forwarded-For: 198.51.100.7"], ("198.51.100.7", 0), id="mapped"),
        pytest.param(
            "10.1.2.3", [b"X-Forwarded-For: 1.1.1.1, 198.51.100.7"], ("198.51.100.7", 0), id="forged"
        ),
        pytest.param(
            "10.1.2.3",
            [b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-For: 198.51.100.7, 10.9.9.9"],
            ("198.51.100.7", 0),
            id="two proxies, two fields",
        ),
        pytest.param("10.1.2.3", [b"X-Forwarded-For: 10.9.9.9"], ("10.9.9.9", 0), id="only proxies"),
        pytest.param("10.1.2.3", [], ("10.1.2.3", 5), id="proxy that says nothing"),
        pytest.param("10.1.2.3", [b"X-Forwarded-For: unknown"], ("10.1.2.3", 5), id="nonsense"),
        pytest.param(
            "10.1.2.3", [b"X-Forwarded-For: x, 10.9.9.9"], ("10.9.9.9", 0), id="nonsense behind proxy"
        ),
        pytest.param("10.1.2.3", [b"X-Forwarded-For: 198.51.100.7:4711"], ("198.51.100.7", 0), id="port"),
        pytest.param("10.1.2.3", [b"X-Forwarded-For: [2001:db8::7]:4711"], ("2001:db8::7", 0), id="IPv6"),
        pytest.param("memory", [b"X-Forwarded-For: 198.51.100.7"], ("memory", 5), id="no address at all"),
    ],
)
def test_forwarded_address_counts_only_from_a_trusted_proxy(
    peer: str, fields: list[bytes], client: tuple[str, int]
) -> None:
    found, _ = client_of(parse(head(*fields)), peer_address=(peer, 5), is_tls=False, trusted_proxies=PROXIES)
    assert found == client


@pytest.mark.parametrize(
    ("peer", "field", "is_tls", "scheme"),
    [
        ("192.0.2.1", b"X-Forwarded-Proto: https", False, "http"),
        ("192.0.2.1", b"X-Forwarded-Proto: http", True, "https"),
        ("10.1.2.3", b"X-Forwarded-Proto: https", False, "https"),
        ("10.1.2.3", b"X-Forwarded-Proto: https, http", True, "http"),
        ("10.1.2.3", b"X-Forwarded-Proto: gopher", True, "https"),
        ("10.1.2.3", b"X-Other: https", False, "http"),
    ],
)
def test_forwarded_scheme_counts_only_from_a_trusted_proxy(
    peer: str, field: bytes, is_tls: bool, scheme: str
) -> None:
    _, found = client_of(parse(head(field)), peer_address=(peer, 5), is_tls=is_tls, trusted_proxies=PROXIES)
    assert found == scheme


def test_nobody_is_a_trusted_proxy_by_default() -> None:
    parsed = parse(head(b"X-Forwarded-For: 198.51.100.7", b"X-Forwarded-Proto: https"))
    assert client_of(parsed, peer_address=("10.1.2.3", 5), is_tls=False, trusted_proxies=()) == (
        ("10.1.2.3", 5),
        "http",
    )
