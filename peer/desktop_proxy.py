"""The proxy that people set in their desktop's settings, where no variable of the environment says so.

GNOME and the desktops made of it keep it where ``gsettings`` finds it, KDE in a file. Windows is asked by
`peer.windows_proxy`. Standard library only.
"""

import ast
import configparser
import ipaddress
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CALL_TIMEOUT: Final = 3.0
MAX_SETTINGS_BYTES: Final = 64 * 1024
_SCHEMA: Final = "org.gnome.system.proxy"
_KDE_SCHEMES: Final = ("http", "https", "socks")


class DesktopProxy:
    """What a desktop's settings say.

    Attributes:
        manual: addresses of proxies by scheme (``http``, ``https``, ``socks``).
        script: the address of a PAC file; "" for none.
        ignored: hosts, domains (``*.example`` or ``.example``) and networks that are reached directly.
    """

    def __init__(
        self, manual: Mapping[str, str] | None = None, script: str = "", ignored: tuple[str, ...] = ()
    ) -> None:
        self.manual = dict(manual or {})
        self.script = script
        self.ignored = ignored

    def ignores(self, host: str) -> bool:
        """Whether `host` is reached directly."""
        name = host.lower().rstrip(".")
        return any(_is_covered(name, rule.lower()) for rule in self.ignored)


def read_desktop_proxy() -> DesktopProxy:
    """This desktop's settings, not those of Windows. Blocks for some milliseconds."""
    script = os.environ.get("auto_proxy", "")  # noqa: SIM112 - its name, as those of its siblings
    if script or sys.platform == "win32":
        return DesktopProxy(script=script)
    desktops = os.environ.get("XDG_CURRENT_DESKTOP", "").split(":")
    if "KDE" in desktops:
        return _read_kde()
    found = _read_gnome()
    # A service is not told which desktop there is: whichever has settings.
    return found if any(desktops) or found.manual or found.script else _read_kde()


def _read_kde() -> DesktopProxy:
    try:
        with (_config_folder() / "kioslaverc").open("rb") as file:
            return parse_kioslaverc(file.read(MAX_SETTINGS_BYTES).decode("utf-8", "replace"))
    except OSError:
        return DesktopProxy()


def _read_gnome() -> DesktopProxy:
    program = shutil.which("gsettings")
    if program is None or not _has_settings():
        return DesktopProxy()
    # Without a folder for what runs, it would make one in the customer's home.
    has_place = "XDG_RUNTIME_DIR" in os.environ
    environment = {**os.environ} if has_place else {**os.environ, "XDG_CACHE_HOME": os.devnull}
    try:
        done = subprocess.run(  # noqa: S603 - a program of the desktop, as the customer's own shell finds it
            [program, "list-recursively", _SCHEMA],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=CALL_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return DesktopProxy()
    return parse_gsettings(done.stdout.decode("utf-8", "replace"))


def _config_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _has_settings() -> bool:
    """Whether anybody has set anything: else there is nothing to ask for, and asking leaves a trace."""
    return (_config_folder() / "dconf" / "user").exists() or Path("/etc/dconf/profile/user").exists()


def parse_gsettings(text: str) -> DesktopProxy:
    """Reads what ``gsettings list-recursively`` prints of the proxy's settings."""
    values: dict[tuple[str, str], object] = {}
    for line in text.splitlines():
        schema, _, rest = line.partition(" ")
        key, _, value = rest.partition(" ")
        if schema == _SCHEMA or schema.startswith(f"{_SCHEMA}."):
            values[schema.removeprefix(_SCHEMA).lstrip("."), key] = _parse_value(value)
    mode = values.get(("", "mode"))
    ignored = values.get(("", "ignore-hosts"))
    hosts = tuple(str(host) for host in ignored) if isinstance(ignored, list) else ()
    if mode == "auto":
        return DesktopProxy(script=str(values.get(("", "autoconfig-url"), "")), ignored=hosts)
    if mode != "manual":
        return DesktopProxy()
    manual = {}
    for scheme in ("http", "https", "socks"):
        host, port = values.get((scheme, "host")), values.get((scheme, "port"))
        if isinstance(host, str) and host and isinstance(port, int) and 0 < port < 65536:
            name = f"[{host}]" if ":" in host else host
            manual[scheme] = f"{'socks5' if scheme == 'socks' else 'http'}://{name}:{port}"
    return DesktopProxy(manual, ignored=hosts)


def parse_kioslaverc(text: str) -> DesktopProxy:
    """Reads KDE's file: ``[Proxy Settings]`` with ``ProxyType`` 1 for proxies by hand, 2 for a script.

    Its other types name variables of the environment, which are looked at anyway, or look for a script in the
    network, which is not done here. Hosts are told with the port behind a blank or a colon.
    """
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    try:
        parser.read_string(text)
        settings = dict(parser["Proxy Settings"])
    except (configparser.Error, KeyError):
        return DesktopProxy()
    ignored = tuple(host.strip() for host in settings.get("noproxyfor", "").split(",") if host.strip())
    if settings.get("reversedexception", "").lower() == "true":
        # Turned round, the list has what goes by the proxy, and a relay is hardly in it.
        return DesktopProxy()
    match settings.get("proxytype"):
        case "1":
            found = {scheme: _kde_address(settings.get(f"{scheme}proxy", "")) for scheme in _KDE_SCHEMES}
            manual = {scheme: address for scheme, address in found.items() if address}
            return DesktopProxy(manual, ignored=ignored)
        case "2":
            return DesktopProxy(script=settings.get("proxy config script", ""), ignored=ignored)
        case _:
            return DesktopProxy()


def _kde_address(value: str) -> str:
    """``http://proxy.example 3128`` with a colon, as everybody else writes it; "" for what is none."""
    host, _, port = value.strip().rstrip("/").partition(" ")
    if not host:
        return ""
    return f"{host.rstrip('/')}:{port}" if port.isascii() and port.isdigit() else host


def _parse_value(text: str) -> object:
    """A value in GVariant's text, as far as we need them: texts, numbers, lists of texts."""
    try:
        return ast.literal_eval(text.removeprefix("@as ").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _is_covered(host: str, rule: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        domain = rule.removeprefix("*").removeprefix(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
