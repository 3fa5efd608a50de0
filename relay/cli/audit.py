"""``relay audit``: verify the log, write it down for others, keep its signed heads elsewhere.

All of it works beside a running relay, on the same folder. Exit codes: 0, 1 if the log is not intact, 2 if
what it was told cannot be used.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import trio
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.export import Format, export
from relay.audit.heads import HEADS_FILE, KnownHead, read_heads, write_head
from relay.audit.verify import Verdict, verify_all
from relay.auth import load_or_make_relay_key
from relay.cli.common import EXIT_FAILED, ConfigFile, Data, refuse
from relay.config import load
from relay.errors import ConfigError, RelayError
from relay.logging import set_up_logging
from relay.store import Store, account_rows, audit_rows, open_store
from relay.store.audit_chain import RELAY_CHAIN
from relay.store.audit_rows import AuditQuery

app = typer.Typer(name="audit", help="Verify and export the audit log.", no_args_is_help=True)

_T = TypeVar("_T")


@app.command()
def verify(
    data: Data = None,
    heads: Annotated[Path | None, typer.Option(help="Heads that `relay audit head` printed before.")] = None,
    config: ConfigFile = None,
) -> None:
    """Look for edits, gaps and cuts. Exit code 1 names the first bad row of each chain."""

    async def work(store: Store, folder: Path, key: Ed25519PrivateKey) -> list[Verdict]:
        known: list[KnownHead] = read_heads(folder / HEADS_FILE)
        if heads is not None:
            if not heads.is_file():
                raise ConfigError(f"{heads} cannot be read.")
            known += read_heads(heads)
        return await verify_all(store, public_key=key.public_key(), known=known)

    verdicts = _run(data, config, work)
    for verdict in verdicts:
        name = "relay" if verdict.chain == RELAY_CHAIN else f"company {verdict.chain}"
        forgotten = f", {verdict.forgotten} of them without details" if verdict.forgotten else ""
        if verdict.problem is None:
            print(f"{name}: intact, {verdict.rows} rows{forgotten}, head {verdict.head.hash.hex()}")
        else:
            print(f"{name}: NOT INTACT at row {verdict.problem.number}: {verdict.problem}")
    if not all(verdict.is_intact for verdict in verdicts):
        raise typer.Exit(EXIT_FAILED)


@app.command("export")
def write_export(
    data: Data = None,
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "jsonl",
    company: Annotated[str | None, typer.Option(help="Id; only this one's rows. [default: all]")] = None,
    config: ConfigFile = None,
) -> None:
    """Print the log, oldest rows first, chain by chain."""
    chosen: Format
    if form == "csv":
        chosen = "csv"
    elif form == "jsonl":
        chosen = "jsonl"
    else:
        refuse(ConfigError("--format is csv or jsonl."))

    async def work(store: Store, folder: Path, key: Ed25519PrivateKey) -> None:
        people = await store.read(account_rows.all_technicians)
        names = {audit_rows.technician_actor(person.id): person.name for person in people}
        chains = await store.read(audit_rows.all_chains) if company is None else [company]
        is_first = True
        for chain in chains:
            async for piece in export(store, chain, AuditQuery(), chosen, names=names):
                if chosen == "csv" and not is_first and piece.startswith(b"number,"):
                    continue  # one header is enough
                is_first = False
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    _run(data, config, work)


@app.command()
def head(data: Data = None, config: ConfigFile = None) -> None:
    """Print the signed head of each chain, to be kept where whoever runs this computer cannot change it."""

    async def work(store: Store, folder: Path, key: Ed25519PrivateKey) -> list[str]:
        lines = []
        for chain in await store.read(audit_rows.all_chains):
            signed = await store.read(partial(audit_rows.signed_head_of, chain=chain))
            if signed is not None:
                lines.append(write_head(chain, signed, key.public_key()))
        return lines

    for line in _run(data, config, work):
        print(line)


def _run(
    data: str | None,
    config: Path | None,
    work: Callable[[Store, Path, Ed25519PrivateKey], Awaitable[_T]],
) -> _T:
    """Does `work` on the relay's store, or says in one line why it cannot."""
    try:
        settings = load({"data": data}, os.environ, config)
        set_up_logging(settings.log_format)
        folder = settings.data
        if not (folder / "relay.db").is_file():
            raise ConfigError(f"{folder} is not the folder of a relay.")
        key = load_or_make_relay_key(folder / "relay.key")

        async def opened() -> _T:
            async with open_store(folder / "relay.db") as store:
                return await work(store, folder, key)

        return trio.run(opened)
    except ConfigError as error:
        refuse(error)
    except RelayError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from None
