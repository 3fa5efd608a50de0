"""``relay backup`` and ``relay restore``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from relay.backup import restore_backup, write_backup
from relay.cli.common import ConfigFile, Data, refuse
from relay.config import load
from relay.errors import ConfigError
from relay.logging import set_up_logging

File = Annotated[Path, typer.Argument(help="The backup's file.")]


def backup(file: File, data: Data = None, config: ConfigFile = None) -> None:
    """Copy the relay's database and keys into one file, while it runs or not, and check the copy.

    Whoever has the file can be the relay: keep it as safe as the server.
    """
    try:
        settings = load({"data": data}, os.environ, config)
        made = write_backup(settings.data, file, settings_file=config)
    except ConfigError as error:
        refuse(error)
    print(f"{file}: {made.size:,} bytes, {made.sessions} sessions, {made.audit_rows} audit rows; checked.")


def restore(file: File, data: Data = None, config: ConfigFile = None) -> None:
    """Make a relay's folder anew from a backup that was checked first. The folder must be empty or missing.

    Computers of active sessions come back by themselves. Everybody signs in again, and what was prepared but
    not activated is over.
    """
    try:
        settings = load({"data": data}, os.environ, config)
        set_up_logging(settings.log_format)
        kept = restore_backup(file, settings.data)
    except ConfigError as error:
        refuse(error)
    print(f"{settings.data} is made from {file}, as of {kept.made_at:%Y-%m-%d %H:%M} UTC.")
    print(f"Active sessions that go on: {kept.active}. Preparations that are over: {kept.lapsed}.")
    print(f"Start the relay with:  relay up --data {settings.data}")
