"""The proxy that people set in their desktop's settings, where no variable of the environment says so.

GNOME and the desktops made of it keep it where ``gsettings`` finds it; Windows keeps the address of a script
(PAC) in its registry, everything else there is found by Python itself. KDE's own settings are not read.
Standard library only.
"""

import ast
import ipaddress
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CALL_TIMEOUT: Final = 3.0
_SCHEMA: Final = "org.gnome.system.proxy"


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
    """This desktop's settings. Blocks for some milliseconds."""
    script = os.environ.get("auto_proxy", "")  # noqa: SIM112 - its name, as those of its siblings
    if sys.platform == "win32":
        return DesktopProxy(script=script or _windows_script())
    program = shutil.which("gsettings")
    if program is None or not _has_settings():
        return DesktopProxy(script=script)
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
        return DesktopProxy(script=script)
    found = parse_gsettings(done.stdout.decode("utf-8", "replace"))
    found.script = script or found.script
    return found


def _has_settings() -> bool:
    """Whether anybody has set anything: else there is nothing to ask for, and asking leaves a trace."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return (home / "dconf" / "user").exists() or Path("/etc/dconf/profile/user").exists()


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


def _windows_script() -> str:
    if sys.platform != "win32":
        return ""
    import winreg

    try:
        path = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, path) as key:
            return str(winreg.QueryValueEx(key, "AutoConfigURL")[0])
    except OSError:
        return ""
