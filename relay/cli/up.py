"""``relay up``: run a relay until it is told to stop."""

import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Annotated

import trio
import typer

from relay.cli import garbage, trimming
from relay.cli.common import EXIT_FAILED, ConfigFile, Data, PublicUrl, Setting, refuse
from relay.config import Config, load
from relay.errors import ConfigError, RelayError
from relay.logging import set_up_logging
from relay.server import Running, serve


def up(
    config: ConfigFile = None,
    listen: Annotated[Setting, typer.Option(help="ADDRESS:PORT. [default: 127.0.0.1:8080]")] = None,
    data: Data = None,
    public_url: PublicUrl = None,
    trusted_proxies: Annotated[Setting, typer.Option(help="Networks of proxies, with commas.")] = None,
    tls_cert: Annotated[Setting, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Setting, typer.Option(help="Its key, PEM, without password.")] = None,
    smtp_url: Annotated[
        Setting, typer.Option(help="smtp://USER:PASSWORD@HOST:587?starttls=1 or smtps://…")
    ] = None,
    smtp_timeout: Annotated[Setting, typer.Option(help="Seconds for each step with it.")] = None,
    mail_from: Annotated[Setting, typer.Option(help="Sender of the mail.")] = None,
    metrics_listen: Annotated[Setting, typer.Option(help="ADDRESS:PORT for /metrics. [default: off]")] = None,
    session_lifetime: Annotated[Setting, typer.Option(help="Seconds, at most 86400 (24 h).")] = None,
    preparation_timeout: Annotated[Setting, typer.Option(help="Seconds. [default: 3600]")] = None,
    downloads: Annotated[
        Setting, typer.Option(help="Folder of host files. [default: DATA/downloads]")
    ] = None,
    report_url: Annotated[
        Setting, typer.Option(help="https:// or mailto: where customers report misuse.")
    ] = None,
    log_format: Annotated[Setting, typer.Option(help="console or json.")] = None,
    shutdown_timeout: Annotated[Setting, typer.Option(help="Seconds to drain. [default: 10]")] = None,
    company: Annotated[Setting, typer.Option(help="First run: name of the company.")] = None,
    company_phone: Annotated[Setting, typer.Option(help="First run: its telephone number.")] = None,
    company_plan: Annotated[Setting, typer.Option(help="First run: free, base, plus or premier.")] = None,
    owner_name: Annotated[Setting, typer.Option(help="First run: your name, as customers see it.")] = None,
    owner_email: Annotated[Setting, typer.Option(help="First run: what you sign in with.")] = None,
    print_link: Annotated[bool, typer.Option(help="Print a fresh sign-in link at every run.")] = False,
) -> None:
    """Run a relay until SIGTERM or Ctrl-C. The first makes company and owner and prints a sign-in link."""
    arguments = {name: value for name, value in locals().items() if name in Config.model_fields}
    try:
        settings = load(arguments, os.environ, config)
        set_up_logging(settings.log_format)
        _raise_descriptor_limit()
        trio.run(_run, settings, print_link)
    except ConfigError as error:
        refuse(error)
    except RelayError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from None


async def _run(config: Config, print_link: bool) -> None:
    """Serve until a signal; at a second one do not wait for the drain, and close every connection at once.

    Both end in order, with the exit code 0. Even SIGKILL loses connections only (`relay.server`).

    Raises:
        RelayError: what `serve` raised, out of its exception group.
    """
    expected: RelayError | None = None
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        try:
            async with trio.open_nursery() as nursery:
                running = await nursery.start(_serve, config, print_link, nursery.cancel_scope)
                garbage.settle()
                nursery.start_soon(garbage.run_passes)
                nursery.start_soon(trimming.run_trimming)
                _announce(running)
                async for _ in signals:
                    if running.is_stopping:
                        break
                    running.stop()
                nursery.cancel_scope.cancel()
        except* RelayError as group:
            expected = _first(group)
    if expected is not None:
        raise expected


def _raise_descriptor_limit() -> None:
    """Allow this process as many descriptors as it may allow itself: a host costs one, and the usual soft
    limit of 1024 is meant for programs that use select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # unlimited in name, and less in the kernel: it stays as it was
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(
    config: Config, print_link: bool, whole: trio.CancelScope, *, task_status: trio.TaskStatus[Running]
) -> None:
    await serve(config, make_sign_in_link=print_link, task_status=task_status)
    whole.cancel()


def _announce(running: Running) -> None:
    """Say on standard output where the relay is, and how to get in."""
    print(f"The relay is up: {running.origin}")
    if running.metrics_address is not None:
        print(f"Metrics: http://{running.metrics_address}/metrics")
    if running.sign_in_link is not None:
        print(f"Sign in, once and within an hour: {running.sign_in_link}")
    sys.stdout.flush()


def _first(group: ExceptionGroup[RelayError]) -> RelayError:
    """Any one of the errors in `group`: they are about the same thing."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
