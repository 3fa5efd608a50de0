"""``relay audit``, as it is typed: what it prints and how it exits."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from relay.auth import load_or_make_relay_key
from tests.helpers.audit_office import COMPANY, open_audit_office
from tests.helpers.office import Clock

pytestmark = pytest.mark.slow


def relay(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADHOC_")}
    return subprocess.run(
        [sys.executable, "-m", "relay", "audit", *arguments, "--data", str(data)],
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a relay that has written and signed some rows."""

    async def fill() -> None:
        async with open_audit_office(tmp_path, Clock()) as office:
            office.key = load_or_make_relay_key(tmp_path / "relay.key")
            await office.add("one", "two", "three", computer="PC")
            await office.signer().sign()

    trio.run(fill)
    return tmp_path


def edit(data: Path, statement: str) -> None:
    """What an attacker does."""
    with sqlite3.connect(data / "relay.db") as connection:
        connection.execute(statement)
    connection.close()


def test_an_intact_log_is_said_to_be_so(data: Path) -> None:
    run = relay("verify", data=data)
    assert run.returncode == 0, run.stderr
    assert f"company {COMPANY.id}: intact, 4 rows, head " in run.stdout


def test_an_edit_is_named_and_fails(data: Path) -> None:
    edit(data, "UPDATE audit SET fields = '{}' WHERE number = 3")
    run = relay("verify", data=data)
    assert run.returncode == 1
    assert f"company {COMPANY.id}: NOT INTACT at row 3: The details of row 3 were changed." in run.stdout


def test_heads_that_were_kept_elsewhere_find_a_log_that_was_written_anew(data: Path) -> None:
    heads = data.parent / "heads.jsonl"
    heads.write_text(relay("head", data=data).stdout)
    assert relay("verify", "--heads", str(heads), data=data).returncode == 0
    for statement in (
        "DELETE FROM audit WHERE company_id = 'company' AND number > 2",
        "UPDATE audit_chains SET number = 2, hash = (SELECT hash FROM audit WHERE company_id = 'company' "
        "AND number = 2), signed_number = 0, signature = NULL WHERE chain = 'company'",
    ):
        edit(data, statement)
    (data / "audit-heads.jsonl").unlink()
    assert relay("verify", data=data).returncode == 0
    run = relay("verify", "--heads", str(heads), data=data)
    assert (run.returncode, "The log ends before row 4" in run.stdout) == (1, True)


def test_the_log_is_printed_for_others(data: Path) -> None:
    lines = relay("export", "--company", COMPANY.id, data=data).stdout.splitlines()
    assert len(lines) == 4
    table = relay("export", "--format", "csv", data=data).stdout.splitlines()
    assert table[0].startswith("number,at,actor")
    assert [line for line in table[1:] if line.startswith("number,")] == []
    assert len(table) == 1 + 4 + 1


@pytest.mark.parametrize(
    "arguments", [["verify"], ["export", "--format", "xml"], ["verify", "--heads", "/nowhere"]]
)
def test_mistakes_are_one_line(arguments: list[str], data: Path, tmp_path: Path) -> None:
    run = relay(*arguments, data=tmp_path / "nothing" if arguments == ["verify"] else data)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith("relay: ")
    assert run.stdout == ""
