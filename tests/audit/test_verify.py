"""Whatever somebody does to a row, byte, place or end of the log is found; what retention does is not."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from relay.audit.heads import HEADS_FILE
from relay.audit.verify import (
    ADDED,
    CUT,
    EMPTIED,
    FIELDS_CHANGED,
    FORGED,
    MISSING,
    REWRITTEN,
    ROW_CHANGED,
    UNREADABLE,
    verify_all,
)
from relay.store import Store, Transaction, audit_rows
from relay.store.audit_chain import EMPTY, Head
from relay.store.audit_rows import AuditRow
from tests.helpers.audit_office import COMPANY, OTHERS, AuditOffice, open_audit_office
from tests.helpers.office import Clock

Row: TypeAlias = dict[str, Any]
Edit: TypeAlias = Callable[[list[Row]], list[Row]]
ROWS = 8

_TEXTS = ("company_id", "session_id", "actor", "action", "fields")
_BYTES = ("salt", "fields_hash", "hash")


def flip_text(value: str | None, index: int, character: str) -> str:
    if not value:
        return character
    place = index % len(value)
    return value[:place] + character + value[place + 1 :]


def flip_byte(value: bytes | None, index: int, bits: int) -> bytes:
    if not value:
        return bytes([bits])
    place = index % len(value)
    return value[:place] + bytes([value[place] ^ bits]) + value[place + 1 :]


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, Edit]:
    """One thing that somebody does to the rows, and its name."""
    kind = draw(st.sampled_from(["text", "bytes", "number", "time", "delete", "swap", "copy", "empty"]))
    row = draw(st.integers(0, ROWS - 1))
    other = draw(st.integers(0, ROWS - 1).filter(lambda chosen: chosen != row))
    index, bits = draw(st.integers(0, 63)), draw(st.integers(1, 255))
    # Spaces in JSON mean nothing, and the log does not promise how many there are.
    character = draw(st.characters(codec="ascii", categories=["L", "N", "P", "S"], exclude_characters="\\"))
    column = draw(st.sampled_from(_TEXTS if kind == "text" else _BYTES))

    def apply(rows: list[Row]) -> list[Row]:
        found = rows[row]
        match kind:
            case "text":
                found[column] = flip_text(found[column], index, character)
            case "bytes":
                found[column] = flip_byte(found[column], index, bits)
            case "number":
                found["number"] += bits
            case "time":
                found["at"] = flip_text(found["at"], 18, str((int(found["at"][18]) + 1 + bits % 9) % 10))
            case "delete":
                rows.remove(found)
            case "swap":
                found["number"], rows[other]["number"] = rows[other]["number"], found["number"]
            case "copy":
                rows[other] = rows[other] | {"fields": found["fields"], "salt": found["salt"]}
            case "empty":
                found["fields"], found["salt"] = "{}", None
        return rows

    return kind, apply


@pytest.mark.slow
@settings(max_examples=150)
@given(st.lists(edits(), min_size=1, max_size=30))
def test_any_single_edit_is_found(found: list[tuple[str, Edit]]) -> None:
    with TemporaryDirectory() as folder:
        trio.run(edit_and_verify, Path(folder), found)


async def edit_and_verify(folder: Path, all_edits: list[tuple[str, Edit]]) -> None:
    async with open_audit_office(folder, Clock()) as office:
        for number in range(ROWS - 1):
            await office.add("signed_in", session=f"session-{number}", way="password", count=number)
        await office.signer().sign()
        original = await office.store.read(read_rows)
        assert (await office.verify()).is_intact
        for kind, edit in all_edits:
            edited = edit([dict(row) for row in original])
            if edited == original:
                continue
            await office.store.write(partial(write_rows, rows=edited))
            assert not (await office.verify()).is_intact, kind
        await office.store.write(partial(write_rows, rows=original))
        assert (await office.verify()).is_intact


def read_rows(tx: Transaction) -> list[Row]:
    rows = tx.execute(text("SELECT * FROM audit WHERE company_id = 'company' ORDER BY number")).mappings()
    return [dict(row) for row in rows]


def write_rows(tx: Connection, *, rows: list[Row]) -> None:
    """Replaces them, past every check of ours. The index is the attacker's to drop."""
    tx.execute(text("DROP INDEX IF EXISTS uq_audit_chain"))
    tx.execute(text("DELETE FROM audit WHERE company_id != 'others'"))
    names = list(rows[0])
    columns, places = ", ".join(names), ", ".join(f":{name}" for name in names)
    tx.execute(text(f"INSERT INTO audit ({columns}) VALUES ({places})"), rows)  # noqa: S608 - our own names


async def verdict_after(office: AuditOffice, statement: str, **values: object) -> tuple[int, str]:
    await office.run_sql(statement, **values)
    problem = (await office.verify()).problem
    assert problem is not None
    return problem.number, problem.sentence


async def test_a_fresh_log_is_intact(office: AuditOffice) -> None:
    await office.add("one", "two")
    verdict = await office.verify()
    assert verdict.is_intact
    assert (verdict.rows, verdict.forgotten) == (3, 0)


async def test_each_company_has_a_chain_of_its_own(office: AuditOffice) -> None:
    await office.add("one")
    await office.add("theirs", "theirs", company=OTHERS)
    await office.add("two")
    await office.add("nobody's", company=None)
    verdicts = [await office.verify(company) for company in (COMPANY, OTHERS, None)]
    assert [(verdict.is_intact, verdict.rows) for verdict in verdicts] == [(True, 3), (True, 3), (True, 1)]


async def test_one_companys_edited_log_says_nothing_about_the_others(office: AuditOffice) -> None:
    await office.run_sql("UPDATE audit SET actor = 'nobody' WHERE company_id = 'others'")
    assert not (await office.verify(OTHERS)).is_intact
    assert (await office.verify(COMPANY)).is_intact


async def test_a_changed_detail_is_named(office: AuditOffice) -> None:
    await office.add("one", "two", "three", count=1)
    changed = json.dumps({"count": 2})
    assert await verdict_after(office, "UPDATE audit SET fields = :to WHERE number = 3", to=changed) == (
        3,
        FIELDS_CHANGED,
    )


async def test_a_changed_row_is_named(office: AuditOffice) -> None:
    await office.add("one", "two", "three")
    statement = "UPDATE audit SET action = 'other' WHERE number = 2 AND company_id = 'company'"
    assert await verdict_after(office, statement) == (2, ROW_CHANGED)


async def test_a_row_that_cannot_even_be_read_is_named(office: AuditOffice) -> None:
    await office.add("one", "two", "three")
    assert await verdict_after(office, "UPDATE audit SET fields = '{' WHERE number = 3") == (3, UNREADABLE)


async def test_a_gap_is_named(office: AuditOffice) -> None:
    await office.add("one", "two", "three")
    assert await verdict_after(office, "DELETE FROM audit WHERE number = 3") == (3, MISSING)


async def test_a_row_that_somebody_added_is_found(office: AuditOffice) -> None:
    await office.add("one")
    statement = (
        "INSERT INTO audit (at, company_id, actor, action, fields, number, fields_hash, hash) "
        "SELECT at, company_id, actor, action, fields, 3, fields_hash, hash FROM audit WHERE number = 2"
    )
    assert await verdict_after(office, statement) == (3, ADDED)


async def test_a_cut_end_is_found_by_the_signature(office: AuditOffice) -> None:
    await office.add("one", "two", "three")
    await office.signer().sign()
    await office.store.write(partial(cut, to=2))
    problem = (await office.verify()).problem
    assert problem is not None
    assert (problem.number, problem.sentence) == (4, CUT)


async def test_a_cut_end_is_found_by_the_file_if_the_signature_is_gone(office: AuditOffice) -> None:
    await office.add("one", "two", "three")
    await office.signer().sign()
    await office.store.write(partial(cut, to=2))
    await office.run_sql("UPDATE audit_chains SET signed_number = 0, signature = NULL")
    problem = (await office.verify()).problem
    assert problem is not None
    assert (problem.number, problem.sentence) == (4, CUT)


async def test_a_chain_that_was_written_anew_is_found(office: AuditOffice) -> None:
    await office.add("one", "two", "three")
    await office.signer().sign()
    await office.store.write(partial(cut, to=2))
    await office.add("other", "other", "other")
    problem = (await office.verify()).problem
    assert problem is not None
    assert (problem.number, problem.sentence) == (4, REWRITTEN)


async def test_a_company_whose_whole_log_is_gone_is_found(office: AuditOffice) -> None:
    await office.run_sql("DELETE FROM audit WHERE company_id = 'company'")
    await office.run_sql("DELETE FROM audit_chains WHERE chain = 'company'")
    problem = (await office.verify()).problem
    assert problem is not None
    assert (problem.number, problem.sentence) == (1, MISSING)


async def test_a_head_that_another_key_signed_is_found(office: AuditOffice) -> None:
    await office.add("one")
    await office.signer().sign()
    statement = "UPDATE audit_chains SET signature = zeroblob(64) WHERE chain = 'company'"
    assert await verdict_after(office, statement) == (2, FORGED)


async def test_fields_that_retention_did_not_empty_are_found(office: AuditOffice) -> None:
    await office.add("one", session="s", count=1)
    statement = "UPDATE audit SET fields = '{}', salt = NULL WHERE number = 2"
    assert await verdict_after(office, statement) == (2, EMPTIED)


async def test_all_chains_are_verified_at_once(office: AuditOffice) -> None:
    await office.run_sql("UPDATE audit SET actor = 'nobody' WHERE company_id = 'others'")
    verdicts = await verify_all(office.store, public_key=office.key.public_key())
    assert [(verdict.chain, verdict.is_intact) for verdict in verdicts] == [
        ("company", True),
        ("others", False),
    ]


async def test_long_logs_are_walked_in_pages(office: AuditOffice) -> None:
    for _ in range(3):
        await office.add(*["one"] * 400)
    verdict = await office.verify()
    assert (verdict.is_intact, verdict.rows) == (True, 1201)
    await office.run_sql("UPDATE audit SET actor = 'x' WHERE number = 1100")
    problem = (await office.verify()).problem
    assert problem is not None
    assert problem.number == 1100


def cut(tx: Transaction, *, to: int) -> None:
    """Cuts the end off, and makes the head fit: all that the database alone can tell."""
    tx.execute(text("DELETE FROM audit WHERE company_id = 'company' AND number > :to"), {"to": to})
    tx.execute(
        text(
            "UPDATE audit_chains SET number = :to, hash = (SELECT hash FROM audit "
            "WHERE company_id = 'company' AND number = :to) WHERE chain = 'company'"
        ),
        {"to": to},
    )


async def test_a_signer_does_not_sign_what_was_cut(office: AuditOffice) -> None:
    await office.add("one", "two", "three")
    signer = office.signer()
    await signer.sign()
    before = (office.folder / HEADS_FILE).read_text()
    await office.store.write(partial(cut, to=2))
    await signer.sign()
    assert signer.broken == {"company"}
    assert (office.folder / HEADS_FILE).read_text() == before


async def test_a_signer_goes_on_after_a_restart(office: AuditOffice) -> None:
    await office.add("one")
    await office.signer().sign()
    await office.add("two")
    signer = office.signer()
    await signer.sign()
    assert signer.broken == set()
    signed = await office.store.read(partial(audit_rows.signed_head_of, chain="company"))
    assert signed is not None
    assert signed.head == await head_of(office.store, "company")
    assert signed.head.number == 3


async def head_of(store: Store, chain: str) -> Head:
    return await store.read(partial(audit_rows.head_of, chain=chain))


async def test_a_chain_without_rows_has_the_empty_head(office: AuditOffice) -> None:
    assert await head_of(office.store, "") == EMPTY


async def test_rows_of_a_transaction_that_fails_leave_no_gap(office: AuditOffice) -> None:
    def fail(tx: Transaction) -> None:
        audit_rows.add(tx, lost)
        raise ValueError("changed its mind")

    lost = AuditRow(
        at=office.clock(), company_id=COMPANY.id, session_id=None, actor="relay", action="lost", fields={}
    )
    with pytest.raises(ValueError, match="changed its mind"):
        await office.store.write(fail)
    await office.add("kept")
    verdict = await office.verify()
    assert (verdict.is_intact, verdict.rows) == (True, 2)
