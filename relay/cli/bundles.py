"""``relay build-host``: the files that customers download."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.common import EXIT_FAILED


def build_host(
    target: Annotated[
        list[str] | None, typer.Option(help="windows, linux or python; may be repeated. [default: all three]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("build"),
    python: Annotated[
        list[str] | None,
        typer.Option(help="A version that the file for Python runs on; may be repeated. [default: this one]"),
    ] = None,
    python_zip: Annotated[
        Path | None,
        typer.Option(
            help="For windows: python.org's python-X.Y.Z-embed-amd64.zip. [default: a copy, for tests]"
        ),
    ] = None,
    tk_zip: Annotated[
        Path | None,
        typer.Option(help="For windows: a zip of a whole CPython, for its Tk. [default: a copy, for tests]"),
    ] = None,
    sha256: Annotated[
        list[str] | None, typer.Option(help="Of such an archive that is not known here; may be repeated.")
    ] = None,
    sign_certificate: Annotated[
        Path | None,
        typer.Option(help="For windows: PEM file with the certificate to sign with, and its chain."),
    ] = None,
    sign_key: Annotated[Path | None, typer.Option(help="PEM file with its private key.")] = None,
    sign_password_file: Annotated[Path | None, typer.Option(help="File with the key's password.")] = None,
    timestamp_url: Annotated[str | None, typer.Option(help="Of a timestamping service (RFC 3161).")] = None,
) -> None:
    """Build the host files, one for all customers of a target (docs/bundles.md).

    Point the relay's downloads folder to where they are.
    """
    # Only here: a relay that serves needs none of it.
    from bundles.artifact import Target
    from bundles.build import Options, build, running_python
    from bundles.errors import BuildError
    from bundles.signing import Signing

    try:
        targets = [Target(word) for word in target] if target else list(Target)
    except ValueError:
        raise typer.BadParameter("it is windows, linux or python", param_hint="--target") from None
    if (sign_certificate is None) != (sign_key is None):
        raise typer.BadParameter("signing needs both the certificate and its key", param_hint="--sign-key")
    signing = None
    if sign_certificate is not None and sign_key is not None:
        signing = Signing(
            certificate=sign_certificate,
            key=sign_key,
            password_file=sign_password_file,
            timestamp_url=timestamp_url,
        )
    options = Options(
        signing=signing,
        out=out,
        pythons=python or [running_python()],
        python_zip=python_zip,
        tk_zip=tk_zip,
        trusted=sha256 or [],
    )
    try:
        build(targets, options, print)
    except (BuildError, OSError) as exc:
        print(f"relay: {exc}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from None
