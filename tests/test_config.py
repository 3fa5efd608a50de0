"""Settings: sources, precedence, every check, and complaints that a person can act on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.addresses import parse_address
from relay.config import Config, ListenAddress, load
from relay.errors import ConfigError


def complaints(arguments: dict[str, object], environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(arguments, environment or {})
    return str(caught.value).splitlines()


def test_defaults_serve_this_machine_only() -> None:
    config = load({}, {})
    assert config.listen == ListenAddress("127.0.0.1", 8080)
    assert config.origin_at(8080) == "http://127.0.0.1:8080"
    assert config.metrics_listen is None
    assert config.session_lifetime == 24 * 3600


def test_command_line_wins_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('company = "file"\nowner_name = "file"\ncompany_phone = "file"\n')
    config = load(
        {"company": "argument", "owner_name": None},
        {"ADHOC_COMPANY": "variable", "ADHOC_OWNER_NAME": "variable"},
        file,
    )
    assert (config.company, config.owner_name, config.company_phone) == ("argument", "variable", "file")


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('colour = "blue"\nsession_lifetime = 90000\n')
    with pytest.raises(ConfigError) as caught:
        load({"listen": "nonsense"}, {"ADHOC_LOG_FORMAT": "xml"}, file)
    lines = str(caught.value).splitlines()
    assert f"{file}: colour: there is no such setting" in lines
    assert any(line.startswith(f"{file}: session_lifetime: ") and "86400" in line for line in lines)
    assert "--listen: must be ADDRESS:PORT, for example 127.0.0.1:8080" in lines
    assert any(line.startswith("ADHOC_LOG_FORMAT: ") for line in lines)
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:0", ListenAddress("127.0.0.1", 0)),
        ("[::1]:443", ListenAddress("::1", 443)),
        ("localhost:8080", ListenAddress("localhost", 8080)),
    ],
)
def test_listen_addresses_are_understood(text: str, expected: ListenAddress) -> None:
    assert load({"listen": text}, {}).listen == expected
    assert load({"listen": str(expected)}, {}).listen == expected


@pytest.mark.parametrize(
    "text", ["8080", "127.0.0.1", "example.com:80", "127.0.0.1:65536", "127.0.0.1:-1", ":80"]
)
def test_other_listen_addresses_are_refused(text: str) -> None:
    assert complaints({"listen": text})[0].startswith("--listen: must ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://Support.Example.com", "https://support.example.com"),
        ("https://support.example.com:443/", "https://support.example.com"),
        ("https://support.example.com:8443", "https://support.example.com:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_public_url_becomes_an_origin(text: str, expected: str) -> None:
    assert load({"public_url": text}, {}).origin_at(1) == expected


@pytest.mark.parametrize(
    "text",
    [
        "support.example.com",
        "ftp://example.com",
        "https://user@example.com",
        "https://example.com/path",
        "https://example.com/?query",
        "https://example.com:port",
        "http://example.com",
        "https://exa mple.com",
        "https://",
    ],
)
def test_other_public_urls_are_refused(text: str) -> None:
    assert complaints({"public_url": text})[0].startswith("--public-url: must ")


def test_an_open_address_needs_tls_or_a_tls_proxy() -> None:
    assert "needs public_url" in complaints({"listen": "0.0.0.0:443", "tls_cert": "c", "tls_key": "k"})[0]
    assert "without TLS" in complaints({"listen": "192.0.2.1:80"})[0]
    proxied = load({"listen": "0.0.0.0:80", "public_url": "https://example.com"}, {})
    assert proxied.origin_at(80) == "https://example.com"
    direct = load({"listen": "192.0.2.1:443", "tls_cert": "c", "tls_key": "k"}, {})
    assert direct.origin_at(443) == "https://192.0.2.1"


def test_certificate_and_key_belong_together() -> None:
    assert complaints({"tls_cert": "cert.pem"}) == [
        "tls_cert and tls_key belong together: give both or neither"
    ]


def test_tls_and_a_plain_public_url_contradict_each_other() -> None:
    lines = complaints({"tls_cert": "c", "tls_key": "k", "public_url": "http://localhost"})
    assert lines == ["public_url begins with http:// although the listener speaks TLS"]


@pytest.mark.parametrize(
    ("url", "host", "port", "security", "user", "password"),
    [
        ("smtp://localhost", "localhost", 25, "none", "", ""),
        ("smtp://u%40x:p%2Fw@mail.example.com?starttls=1", "mail.example.com", 587, "starttls", "u@x", "p/w"),
        ("smtps://u:p@mail.example.com", "mail.example.com", 465, "tls", "u", "p"),
        ("smtp://mail.example.com:2525", "mail.example.com", 2525, "none", "", ""),
    ],
)
def test_smtp_url_is_understood(
    url: str, host: str, port: int, security: str, user: str, password: str
) -> None:
    server = load({"smtp_url": url, "mail_from": "help@example.com"}, {}).smtp_url
    assert server is not None
    assert (server.host, server.port, server.security) == (host, port, security)
    assert (server.user, server.password.get_secret_value()) == (user, password)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://mail.example.com/path",
        "smtp://mail.example.com?tls=1",
        "smtp://mail.example.com?starttls=yes",
        "smtps://mail.example.com?starttls=1",
        "smtp://mail.example.com:port",
        "smtp://user:password@mail.example.com",
    ],
)
def test_other_smtp_urls_are_refused_without_telling_the_password(url: str) -> None:
    lines = complaints({"mail_from": "help@example.com"}, {"ADHOC_SMTP_URL": url})
    assert lines[0].startswith("ADHOC_SMTP_URL: ")
    assert "user:password" not in lines[0]


def test_password_of_the_mail_server_is_hidden_from_repr() -> None:
    config = load({"smtp_url": "smtps://u:hunter2@mail.example.com", "mail_from": "help@example.com"}, {})
    assert "hunter2" not in repr(config)


def test_smtp_needs_a_sender() -> None:
    assert complaints({"smtp_url": "smtp://localhost"}) == [
        "smtp_url needs mail_from, the address that mail comes from"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session_lifetime", "86401"),
        ("session_lifetime", "0"),
        ("session_lifetime", "nan"),
        ("preparation_timeout", "soon"),
        ("shutdown_timeout", "-1"),
        ("company", "two\nlines"),
        ("company", " "),
        ("company_phone", "1\r2"),
        ("company_plan", "gold"),
        ("owner_email", "nobody"),
        ("mail_from", "a@example.com, b@example.com"),
        ("trusted_proxies", "10.0.0.0/33"),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: str) -> None:
    assert len(complaints({name: value})) == 1


def test_trusted_proxies_come_with_commas_or_as_a_list(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('trusted_proxies = ["10.0.0.0/8", "fd00::/8"]\n')
    assert load({"trusted_proxies": "10.0.0.0/8, fd00::/8"}, {}) == load({}, {}, file)


@pytest.mark.parametrize("content", [b"listen = ", b"\xff\xfe", b"#" * 65537, b"a=" + b"[" * 5000])
def test_a_file_that_is_no_toml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "relay.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load({}, {}, file)
    assert str(caught.value).startswith(f"{file}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load({}, {}, tmp_path / "none.toml")


@given(st.dictionaries(st.sampled_from(sorted(Config.model_fields)), st.text(max_size=30)))
def test_any_text_gives_a_config_or_complaints(arguments: dict[str, object]) -> None:
    try:
        config = load(arguments, {})
    except ConfigError:
        return
    assert config.origin_at(1).startswith("http")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ana@example.com", "ana@example.com"),
        (" Ana.B+c@EXAMPLE.com ", "Ana.B+c@example.com"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("owner@localhost", "owner@localhost"),
    ],
)
def test_one_address_is_understood(text: str, expected: str) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana",
        "@example.com",
        "ana@",
        "ana@@example.com",
        "ana@example.com, bob@example.com",
        "ana@example.com bob@example.com",
        "Ana <ana@example.com>",
        "ana@example.com\r\nBcc: bob@example.com",
        "ana@example.com\n",
        "ana\0@example.com",
        '"ana b"@example.com',
        "ana@[127.0.0.1]",
        "ana@exa_mple.com",
        "ana@-example.com",
        "ana@example..com",
        ".ana@example.com",
        "añá@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 63 + ".example" * 30 + ".com",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"[Aa]ddress|after the @"):
        parse_address(text)


@given(st.text(max_size=80))
def test_any_text_is_one_safe_address_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert address.isascii()
    assert address.isprintable()
    assert address.count("@") == 1
    assert not set(address) & set(' ,;:<>()[]"\\')


@pytest.mark.parametrize("url", ["https://acme.example/report?from=page", "mailto:abuse@acme.example"])
def test_customers_may_report_to_a_page_or_an_address(url: str) -> None:
    assert load({"report_url": url}, {}).report_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.example",
        "javascript:alert(1)",
        "https://",
        "https://user@acme.example/",
        "mailto:abuse@acme.example?bcc=x",
        "https://acme.example/a b",
        "https://[",
        "https://" + "a" * 500,
        "",
    ],
)
def test_other_places_to_report_to_are_refused(url: str) -> None:
    (line,) = complaints({"report_url": url})
    assert line.startswith("--report-url: ")
