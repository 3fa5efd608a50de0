"""The relay's settings: what exists, what is allowed, what is the default, and why.

`load` merges the command line, the environment (``ADHOC_…``) and a TOML file, in this order of precedence,
and checks everything at once; after it, nothing reads the environment again. The merge is ours, not
pydantic-settings', so that each complaint can name the place the bad value came from: the option, the
variable, or the file and key.

Durations are seconds, sizes bytes. A `Config` is frozen; rooms receive their own part of it from
`relay.server`, never the whole.
"""

import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from relay.addresses import parse_address
from relay.errors import ConfigError
from relay.protocol.refusals import Trait, parse_traits

ENVIRONMENT_PREFIX = "ADHOC_"

MAX_SESSION_LIFETIME = 24 * 3600
"""The product's promise (DESIGN §2): a session never lives longer than 24 hours after activation."""

MAX_CONFIG_FILE_BYTES = 64 * 1024
"""A settings file is a page long; anything larger is the wrong file."""


class ListenAddress(NamedTuple):
    """Where a listener binds: an IP address or "localhost", and a port (0 lets the system choose)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True if only programs on this machine can connect."""
        return _is_loopback(self.host)

    @property
    def is_wildcard(self) -> bool:
        """True for 0.0.0.0 and ::, which nobody can put into a URL."""
        return self.host != "localhost" and ip_address(self.host).is_unspecified


class SmtpServer(NamedTuple):
    """Where mail is handed over.

    Fields: name or address, port, how the connection is protected, user ("" for none) and password.
    """

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str
    password: SecretStr


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _parse_listen(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must be ADDRESS:PORT, for example 127.0.0.1:8080")
    if host != "localhost":
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(
                "must begin with an IP address or localhost, for example 127.0.0.1:8080"
            ) from None
    return ListenAddress(host, int(port))


def _parse_origin(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL such as https://support.example.com") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or not value.isascii():
        raise ValueError("must be a URL such as https://support.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or any(c.isspace() for c in value):
        raise ValueError("must be a scheme and a host (and a port) only, without path, query or fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        # A browser gives no WebCrypto to such a page, and the cookie would travel in the clear.
        raise ValueError(
            "must begin with https:// unless it names this machine (localhost, 127.0.0.1, [::1])"
        )
    return make_origin(parts.scheme, host, port)


def _parse_smtp(value: object) -> object:
    if not isinstance(value, str):
        return value
    wanted = "must look like smtp://USER:PASSWORD@HOST:587?starttls=1 or smtps://USER:PASSWORD@HOST:465"
    try:
        parts = urlsplit(value)
        port = parts.port
        query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        raise ValueError(wanted) from None
    starttls = query.pop("starttls", ["0"])
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(wanted)
    if query or parts.fragment or starttls not in (["0"], ["1"]):
        raise ValueError(wanted)
    security: Literal["none", "starttls", "tls"] = "none"
    if parts.scheme == "smtps":
        if starttls == ["1"]:
            raise ValueError("cannot have starttls=1 with smtps://, which is TLS from the first byte")
        security = "tls"
    elif starttls == ["1"]:
        security = "starttls"
    user = unquote(parts.username or "")
    password = unquote(parts.password or "")
    if user and security == "none" and not _is_loopback(parts.hostname):
        raise ValueError("would send the password unprotected: use smtps:// or add ?starttls=1")
    default_port = {"none": 25, "starttls": 587, "tls": 465}[security]
    return SmtpServer(parts.hostname, port or default_port, security, user, SecretStr(password))


def _parse_networks(value: object) -> object:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return value
    try:
        return tuple(ip_network(str(part).strip()) for part in parts if str(part).strip())
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8, with commas between them") from None


def _parse_traits(value: object) -> object:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return value
    return parse_traits(str(part).strip() for part in parts if str(part).strip())


def _one_line(value: str) -> str:
    if not value.isprintable() or not value.strip():
        raise ValueError("must be one line of text")
    return value.strip()


def _parse_report_url(value: str) -> str:
    wanted = "must be an address such as https://example.com/report or mailto:abuse@example.com"
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(wanted)
    if value.startswith("mailto:"):
        try:
            parse_address(value.removeprefix("mailto:"))
        except ValueError:
            raise ValueError(wanted) from None
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise ValueError(wanted)
    return value


Listen = Annotated[ListenAddress, BeforeValidator(_parse_listen)]
Origin = Annotated[str, AfterValidator(_parse_origin)]
ReportUrl = Annotated[str, Field(max_length=500), AfterValidator(_parse_report_url)]
Smtp = Annotated[SmtpServer, BeforeValidator(_parse_smtp)]
Address = Annotated[str, AfterValidator(parse_address)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_parse_networks)]
Traits = Annotated[tuple[Trait, ...], BeforeValidator(_parse_traits)]
Line = Annotated[str, Field(max_length=100), AfterValidator(_one_line)]


class Config(BaseModel):
    """All settings of one relay.

    A field's name is its TOML key; the option is ``--like-this`` and the variable ``ADHOC_LIKE_THIS``.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    listen: Listen = ListenAddress("127.0.0.1", 8080)
    """The one port: pages, API, tunnels. Loopback, because a fresh relay should be nobody else's business."""

    data: Path = Path("var/relay")
    """Folder of the database, the relay's key and the outbox; created with mode 0700."""

    public_url: Origin | None = None
    """What people type and links begin with; needed behind a proxy. Default: made from `listen`."""

    trusted_proxies: Networks = ()
    """Networks of the proxies before the relay, whose X-Forwarded-For is believed. Nobody's by default."""

    tls_cert: Path | None = None
    """Certificate chain, PEM. With `tls_key`, the listener speaks TLS 1.2 or newer."""

    tls_key: Path | None = None
    """Private key of `tls_cert`, PEM, without a password."""

    smtp_url: Smtp | None = None
    """Where mail leaves. None: it is kept as files in the outbox folder, and the console says so."""

    smtp_timeout: float = Field(default=20.0, ge=1, le=120)
    """Seconds for each step with the mail server; the technician waits for it with the page open."""

    mail_from: Address | None = None
    """Sender of the mail; needed with `smtp_url`."""

    private_destinations: bool = False
    """Let the mail servers and webhooks that companies name be on this machine or in private networks. Off:
    whoever manages a company could reach, through the relay, what only the relay's neighbours should.
    `smtp_url` is the operator's own and may be anywhere."""

    metrics_listen: Listen | None = None
    """Listener of its own for ``/metrics``, without any password: keep it on a private address. None: off."""

    session_lifetime: float = Field(default=MAX_SESSION_LIFETIME, ge=1, le=MAX_SESSION_LIFETIME)
    """Seconds from activation to the end, for companies created by this relay."""

    preparation_timeout: float = Field(default=3600.0, ge=1, le=MAX_SESSION_LIFETIME)
    """Seconds from preparation to lapse if nobody activates."""

    downloads: Path | None = None
    """Folder with the host files that customers download. Default: ``downloads`` in `data`."""

    managed_hosts: Traits = ()
    """What else tells that a computer is managed already, so that the temporary host refuses to begin:
    service:NAME (perhaps with a star at its end), file:PATH, registry:HKLM\\SOFTWARE\\KEY."""

    managed_hosts_known: bool = True
    """Refuse also where one of the agents is that the host file knows by itself (`host.managed`)."""

    report_url: ReportUrl | None = None
    """Where customers report a stranger who called: ``https://…`` or ``mailto:…``, shown on their page."""

    log_format: Literal["console", "json"] = "console"
    """For people, or one JSON object a line for machines."""

    shutdown_timeout: float = Field(default=10.0, ge=0, le=300)
    """Seconds that peers are given to leave after SIGTERM, told by the `move` notice."""

    company: Line = "My company"
    """Name of the company made at the first run; it is what customers read."""

    company_phone: Annotated[str, Field(max_length=40)] = ""
    """Its telephone number, shown to customers so that they can call back."""

    company_plan: Literal["free", "base", "plus", "premier"] = "premier"
    """Its plan (DESIGN §2). The person who runs a relay owns all of it."""

    owner_name: Line = "Owner"
    """Name of the technician made at the first run; customers read it too."""

    owner_email: Address = "owner@localhost"
    """What that technician signs in with."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems: list[str] = []
        if (self.tls_cert is None) != (self.tls_key is None):
            problems.append("tls_cert and tls_key belong together: give both or neither")
        if self.smtp_url is not None and self.mail_from is None:
            problems.append("smtp_url needs mail_from, the address that mail comes from")
        if self.public_url is None and self.listen.is_wildcard:
            problems.append(f"listening on {self.listen} needs public_url: what should links begin with?")
        elif not self.has_tls and not self.listen.is_loopback:
            if self.public_url is None or not self.public_url.startswith("https://"):
                problems.append(
                    f"listening on {self.listen} without TLS is only for a TLS proxy: "
                    "give tls_cert and tls_key, or a public_url that begins with https://"
                )
        elif self.has_tls and self.public_url is not None and self.public_url.startswith("http://"):
            problems.append("public_url begins with http:// although the listener speaks TLS")
        if self.company_phone and not self.company_phone.isprintable():
            problems.append("company_phone must be one line of text")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def has_tls(self) -> bool:
        """True if the listener itself speaks TLS."""
        return self.tls_cert is not None

    @property
    def downloads_folder(self) -> Path:
        """Where the host files are, whether set or by default."""
        return self.downloads if self.downloads is not None else self.data / "downloads"

    def origin_at(self, port: int) -> str:
        """The origin that people use, when `listen` was bound to `port`: scheme, host, port unless usual."""
        if self.public_url is not None:
            return self.public_url
        return make_origin("https" if self.has_tls else "http", self.listen.host, port)


def make_origin(scheme: str, host: str, port: int | None) -> str:
    """The origin as browsers write it (RFC 6454 §6.2): lower case, IPv6 in brackets, no usual port."""
    name = f"[{host}]" if ":" in host else host.lower()
    is_usual = port is None or port == {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{name}" if is_usual else f"{scheme}://{name}:{port}"


def load(arguments: Mapping[str, object], environment: Mapping[str, str], file: Path | None = None) -> Config:
    """The settings, from all sources, checked.

    Args:
        arguments: settings by name, as given on the command line; a value of None means "not given".
        environment: the process's variables; those named ``ADHOC_`` and a setting's name count.
        file: a TOML file of settings, or None.

    Raises:
        ConfigError: something is wrong; `str(error)` has one line for each problem.
    """
    values, sources = _collect(arguments, environment, file)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_complaints(error, sources))) from None


class SettingFact(NamedTuple):
    """One setting: name, value as people may see it (no secret), where that comes from, what it is for."""

    name: str
    value: str
    source: str
    meaning: str


def explain(
    arguments: Mapping[str, object], environment: Mapping[str, str], file: Path | None = None
) -> list[SettingFact]:
    """Every setting, in the order of `Config`; arguments as for `load`.

    Raises:
        ConfigError: as `load`.
    """
    config = load(arguments, environment, file)
    _, sources = _collect(arguments, environment, file)
    return [
        SettingFact(name, _shown(getattr(config, name)), sources.get(name, "default"), meaning_of(name))
        for name in Config.model_fields
    ]


def meaning_of(name: str) -> str:
    """What the setting called `name` is for."""
    return Config.model_fields[name].description or ""


def _shown(value: object) -> str:
    match value:
        case None:
            return "not set"
        case SmtpServer():
            user = f", as {value.user}, password set" if value.user else ""
            return f"{value.host}:{value.port}, {value.security}{user}"
        case tuple() if not isinstance(value, ListenAddress):
            return ", ".join(map(str, value)) or "none"
    return str(value)


def _collect(
    arguments: Mapping[str, object], environment: Mapping[str, str], file: Path | None
) -> tuple[dict[str, object], dict[str, str]]:
    """Values by name, and where each comes from; nothing is checked yet but that the file can be read."""
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    if file is not None:
        for name, value in _read_file(file).items():
            values[name] = value
            sources[name] = f"{file}: {name}"
    for name in Config.model_fields:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if variable in environment:
            values[name] = environment[variable]
            sources[name] = variable
        if arguments.get(name) is not None:
            values[name] = arguments[name]
            sources[name] = "--" + name.replace("_", "-")
    return values, sources


def _read_file(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_CONFIG_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    if len(raw) > MAX_CONFIG_FILE_BYTES:
        raise ConfigError(f"{file}: larger than {MAX_CONFIG_FILE_BYTES} bytes; is it the right file?")
    try:
        return tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{file}: not valid TOML ({error})") from None


def _complaints(error: ValidationError, sources: Mapping[str, str]) -> list[str]:
    """One line for each problem: where the value came from, never the value, which may be a secret."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_input=False, include_context=True):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "extra_forbidden":
            lines.append(f"{sources[name]}: there is no such setting")
            continue
        context = problem.get("ctx", {})
        text = str(context["error"]) if "error" in context else _first_lower(problem["msg"])
        lines.extend(f"{sources[name]}: {text}" if name else line for line in text.split("\n"))
    return lines


def _first_lower(text: str) -> str:
    return text[:1].lower() + text[1:]
