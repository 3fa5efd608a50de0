"""The log for others: nothing missing, nothing that a spreadsheet would run, verifiable by docs/audit.md."""

import csv
import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import trio

from relay.audit import export as export_module
from relay.audit.export import Format, defuse, export
from relay.audit.retention import Retention
from relay.store.audit_rows import AuditQuery
from tests.helpers.audit_office import COMPANY, OTHERS, AuditOffice

DOCUMENT = Path(__file__).parents[2] / "docs" / "audit.md"


async def exported(office: AuditOffice, form: Format, query: AuditQuery | None = None) -> str:
    names = {"technician:tess": "Tess"}
    pieces = [
        piece async for piece in export(office.store, COMPANY.id, query or AuditQuery(), form, names=names)
    ]
    return b"".join(pieces).decode()


async def test_every_row_of_the_company_is_there_and_no_other(office: AuditOffice) -> None:
    await office.add("one", "two")
    await office.add("theirs", company=OTHERS)
    rows = [json.loads(line) for line in (await exported(office, "jsonl")).splitlines()]
    assert [(row["number"], row["action"]) for row in rows] == [
        (1, "company_created"),
        (2, "one"),
        (3, "two"),
    ]


async def test_pages_join_without_a_seam(office: AuditOffice) -> None:
    await office.add(*[f"row_{number}" for number in range(2 * export_module.PAGE_ROWS + 1)])
    rows = [json.loads(line) for line in (await exported(office, "jsonl")).splitlines()]
    assert [row["number"] for row in rows] == list(range(1, 2 * export_module.PAGE_ROWS + 3))


async def test_a_time_can_be_chosen(office: AuditOffice) -> None:
    await office.add("before")
    office.clock.pass_by(10)
    since = office.clock()
    await office.add("during")
    office.clock.pass_by(10)
    until = office.clock()
    await office.add("after")
    text = await exported(office, "jsonl", AuditQuery(since=since, until=until))
    assert [json.loads(line)["action"] for line in text.splitlines()] == ["during"]


async def test_csv_is_read_by_any_reader(office: AuditOffice) -> None:
    await office.add("one", session="s", computer='PC "1",\r\nsecond line', user="ana\u202e")
    header, _, row = csv.reader(StringIO(await exported(office, "csv"), newline=""))
    assert tuple(header) == export_module.COLUMNS
    found = dict(zip(header, row, strict=True))
    assert (found["number"], found["action"], found["session"]) == ("2", "one", "s")
    assert json.loads(found["fields"])["computer"] == 'PC "1",\r\nsecond line'


def test_formulas_are_defused() -> None:
    for start in "=+-@\t\r\n":
        assert defuse(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"
    assert defuse("signed_in") == "signed_in"


async def test_no_cell_of_a_hostile_row_is_a_formula(office: AuditOffice) -> None:
    await office.add("=cmd()", "@SUM(1)", session="-1+1", computer="=1+1")
    for row in csv.reader(StringIO(await exported(office, "csv"), newline="")):
        assert [cell for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []


def documented_program() -> str:
    """The program in the documentation, word for word."""
    found = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found.group(1)


def run_program(text: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", documented_program()]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)


async def test_the_documented_program_verifies_an_export(office: AuditOffice) -> None:
    await office.add_session("s")
    await office.add("one", session="s", name="\u00d1u\u00f1ez \U0001f600", seconds=3)
    office.clock.pass_by(31 * 24 * 3600)
    await Retention(office.store, now=office.clock).sweep()
    await office.add("two", name="\u00d1")
    verdict = await office.verify()
    done = await trio.to_thread.run_sync(run_program, await exported(office, "jsonl"))
    assert done.stdout == f"{COMPANY.id} {verdict.head.number} {verdict.head.hash.hex()}\n", done.stderr


async def test_the_documented_program_finds_an_edit(office: AuditOffice) -> None:
    await office.add("one", count=1)
    text = (await exported(office, "jsonl")).replace('"count":1', '"count":2')
    done = await trio.to_thread.run_sync(run_program, text)
    assert (done.returncode, done.stderr.strip()) == (1, "row 2: its details were changed")
