"""``relay doctor``: is everything in order?"""

import json
import os

import typer
from rich.console import Console

from relay.cli.common import EXIT_FAILED, AsJson, ConfigFile, Data, PublicUrl, Setting, refuse
from relay.config import load
from relay.doctor import Finding, Verdict, examine
from relay.errors import ConfigError

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red"}


def doctor(
    config: ConfigFile = None,
    listen: Setting = None,
    data: Data = None,
    public_url: PublicUrl = None,
    as_json: AsJson = False,
) -> None:
    """Look at port, TLS, clock, mail, store, public address and what proxies let through; say what to do.

    The relay may be running or not. Exit code 1 if something failed.
    """
    try:
        settings = load({"listen": listen, "data": data, "public_url": public_url}, os.environ, config)
    except ConfigError as error:
        refuse(error)
    findings = list(examine(settings))
    if as_json:
        print(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        _print(findings)
    if any(finding.verdict is Verdict.FAILED for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        style = _STYLES[finding.verdict]
        console.print(f"[{style}]{finding.verdict.value:8}[/] {finding.subject:12}", end="")
        console.print(finding.sentence, markup=False)
        if finding.advice:
            console.print(f"{'':22}→ {finding.advice}", markup=False)
