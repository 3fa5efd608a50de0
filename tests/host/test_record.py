"""The session's record: what technicians did is kept, counted, and survives the program."""

from pathlib import Path

import pytest

from host import record
from host.record import SessionRecord


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


def test_what_is_not_kept_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MAX_ACTS", 2)
    acts = SessionRecord(None)
    for _ in range(5):
        acts.note("Tess", "file_written")
    assert (len(acts.acts()), acts.counts()) == (2, {"file_written": 5})
