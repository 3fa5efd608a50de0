"""What the commands share: options, exit codes, and how they say no."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from relay.config import ENVIRONMENT_PREFIX
from relay.errors import ConfigError

EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2

SETTINGS_HELP = (
    "Every option but --config is a setting: it can also stand in the TOML file (like_this = ...) or in the "
    f"environment ({ENVIRONMENT_PREFIX}LIKE_THIS). The command line wins, then the environment."
)

# Settings are taken as text and checked by relay.config, which complains about all of them at once.
Setting = str | None
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Data = Annotated[Setting, typer.Option(help="Folder of database, key and outbox. [default: var/relay]")]
PublicUrl = Annotated[Setting, typer.Option(help="What links begin with; needed behind a proxy.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def refuse(error: ConfigError) -> NoReturn:
    """End the program: what it was told cannot be used. One line for each problem."""
    for line in str(error).splitlines():
        print(f"relay: {line}", file=sys.stderr)
    raise typer.Exit(EXIT_BAD_SETTINGS) from None
