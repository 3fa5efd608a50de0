"""The command line: settings in, a running relay out, and what keeps one in good order.

Exit codes: 0 after an orderly end, 1 if the relay or a check failed, 2 if what it was told cannot be used;
then each problem is one line on standard error. Log lines go to standard error too; standard output has only
what was asked for, so that it can be piped: the relay's address, sign-in links, reports.
"""

import typer

import relay
from relay.cli import audit, backups, bundles, checks, people, settings
from relay.cli.common import SETTINGS_HELP
from relay.cli.up import up

app = typer.Typer(
    name="relay",
    help="Ad hoc remote support, self-hosted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and those may be keys
)
app.command(epilog=SETTINGS_HELP)(up)
app.command()(settings.init)
app.command()(checks.doctor)
app.command("sign-in-link")(people.sign_in_link)
app.command()(backups.backup)
app.command()(backups.restore)
app.command("build-host")(bundles.build_host)
app.add_typer(people.app, name="technician")
app.add_typer(settings.app, name="config")
app.add_typer(audit.app, name="audit")


@app.callback()
def describe() -> None:
    """Ad hoc remote support, self-hosted."""


@app.command()
def version() -> None:
    """Print the version."""
    print(relay.__version__)


def main() -> None:
    """Entry point of the ``relay`` command."""
    app()
