"""The session's record: what technicians did is kept, counted, and survives the program."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from host import record
from host.record import SessionRecord
from relay.protocol.maps import counts


def test_what_was_done_is_there_after_a_restart(tmp_path: Path) -> None:
    before = SessionRecord(tmp_path / "record", now=lambda: 7)
    before.note("Tess", "file_written", "/a")
    before.note("Ulf", "file_written", "/b")
    before.note("Tess", "process_ended", "sleep")
    after = SessionRecord(tmp_path / "record")
    assert after.acts() == before.acts()
    assert after.acts()[0] == {"at": 7, "technician": "Tess", "act": "file_written", "detail": "/a"}
    assert after.counts() == {"file_written": 2, "process_ended": 1}


def test_more_words_than_a_receipt_holds_are_counted_together() -> None:
    acts = SessionRecord(None)
    for number in range(40):
        acts.note("Tess", f"act {number}")
    acts.note("Tess", "act 0")
    counts = acts.counts()
    assert len(counts) == record.MAX_WORDS
    assert (counts["act 0"], counts[record.OTHER]) == (2, 9)


def test_what_is_not_kept_is_counted_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "MAX_ACTS", 2)
    monkeypatch.setattr(record, "COUNT_INTERVAL", 10)
    acts = SessionRecord(tmp_path / "record")
    for _ in range(47):
        acts.note("Tess", "file_written")
    assert (len(acts.acts()), acts.counts()) == (2, {"file_written": 47})
    after = SessionRecord(tmp_path / "record")
    assert (len(after.acts()), after.counts()) == (2, {"file_written": 40})
    assert len((tmp_path / "record").read_bytes().splitlines()) == 6


def test_counts_are_what_a_receipt_takes() -> None:
    acts = SessionRecord(None)
    for word in ("file_written", "x" * 33, "é"):
        acts.note("Tess", word)
    assert acts.counts() == {"file_written": 1, "other": 2}
    assert counts(acts.counts())


def test_many_things_done_at_once_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []

    def write(path: Path, lines: list[list[Any]]) -> None:
        writes.append(len(lines))
        original(path, lines)

    original = record.append_lines
    monkeypatch.setattr(record, "append_lines", write)
    monkeypatch.setattr(record, "MAX_ACTS", 5)
    acts = SessionRecord(tmp_path / "record")
    acts.note_all("Tess", "file_written", [f"/{number}" for number in range(4)])
    acts.note_all("Tess", "file_written", [f"/{number}" for number in range(4, 8)])
    acts.note_all("Tess", "file_written", [])
    assert writes == [4, 1]
    assert [act["detail"] for act in SessionRecord(tmp_path / "record").acts()] == [f"/{n}" for n in range(5)]
    assert acts.counts() == {"file_written": 8}


def test_several_threads_may_note(tmp_path: Path) -> None:
    acts = SessionRecord(tmp_path / "record")

    def work(thread: int) -> None:
        for number in range(100):
            acts.note("Tess", "file_written", f"/{thread}/{number}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    lines = [json.loads(line) for line in (tmp_path / "record").read_bytes().splitlines()]
    assert [line[3] for line in lines] == [act["detail"] for act in acts.acts()]
    assert acts.counts() == {"file_written": 400}
