"""Commands about people: who may sign in, from the server's own terminal."""

import os
from typing import Annotated

import trio
import typer

from relay.cli.common import ConfigFile, Data, PublicUrl, refuse
from relay.config import load
from relay.errors import ConfigError
from relay.logging import set_up_logging
from relay.server import issue_sign_in_link


def sign_in_link(
    data: Data = None,
    email: Annotated[str | None, typer.Option(help="Whom it is for, if there are several.")] = None,
    public_url: PublicUrl = None,
    config: ConfigFile = None,
) -> None:
    """Print a link that signs a technician in: once, within an hour. The relay may be running or not."""
    try:
        settings = load({"data": data, "public_url": public_url}, os.environ, config)
        set_up_logging(settings.log_format)

        async def issue() -> str:
            return await issue_sign_in_link(settings.data, email=email, origin=settings.public_url)

        print(trio.run(issue))
    except ConfigError as error:
        refuse(error)
