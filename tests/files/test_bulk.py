"""Many small files in one message: each for itself, whatever the other side tells of them."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import host.parts
from host.parts import Parts
from peer.errors import StreamClosed
from peer.messages import MessageStream
from peer.together import beside
from relay.protocol.close_reasons import CloseReason
from technician.errors import TechnicianError
from technician.files.client import FilesClient
from technician.files.parts import LocalProblem
from technician.files.small import MAX_SMALL_BYTES, download_small, upload_small
from technician.files.transfers import Job, Transferred
from technician.requests import RequestRefused
from tests.helpers.tool_pairs import joined, served

Results = dict[str, Transferred | TechnicianError]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def words(results: Results) -> dict[str, object]:
    """What became of each: a word, or how many bytes."""
    return {
        name: result.code if isinstance(result, RequestRefused) else getattr(result, "size", "local")
        for name, result in results.items()
    }


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there" / "folder").mkdir(parents=True)
    return tmp_path / "there"


def job(here: Path, there: Path, name: str, *, is_upload: bool, **others: Any) -> Job:
    path = here / name.replace("/", "-")
    if is_upload and not path.exists():
        path.write_bytes(name.encode() * 100)
    return Job(here=path, there=f"{there}/{name}", is_upload=is_upload, size=10, **others)


async def test_files_go_up_each_for_itself(here: Path, there: Path) -> None:
    (there / "mine").write_bytes(b"old")
    (there / "other").write_bytes(b"old")
    (here / "changed").write_bytes(bytes(MAX_SMALL_BYTES + 1))
    parts, results = Parts(there.parent / "parts"), Results()
    jobs = [
        job(here, there, "a", is_upload=True),
        job(here, there, "mine", is_upload=True),
        job(here, there, "other", is_upload=True, overwrite=True, keep=f"{there}/kept"),
        job(here, there, "folder", is_upload=True, overwrite=True),
        job(here, there, "nowhere/b", is_upload=True),
        job(here, there, "changed", is_upload=True),
        job(here, there, "z" * 250, is_upload=True),
        Job(here=here / "a", there=f"{there}/..", is_upload=True, size=1),
        job(here, there, "last", is_upload=True),
    ]
    async with served(parts=parts) as it:
        await upload_small(it.client, jobs, lambda job, result: results.update({job.there: result}))
    told = {Path(path).name[:8]: word for path, word in words(results).items()}
    assert told == {
        "a": 100,
        "mine": "exists",
        "other": 500,
        "folder": "is_folder",
        "b": "missing",
        "changed": "local",
        "z" * 8: 25_000,
        "..": "bad_name",
        "last": 400,
    }
    assert names(there) == sorted(["a", "folder", "kept", "last", "mine", "other", "z" * 250])
    assert (there / "kept").read_bytes() == (there / "mine").read_bytes() == b"old"
    assert (there / "last").stat().st_mtime == pytest.approx((here / "last").stat().st_mtime, abs=0.01)
    assert sorted(path for word, path in it.told if word == "written") == sorted(
        path for path, result in results.items() if isinstance(result, Transferred)
    )
    assert Parts(there.parent / "parts")._known == {}


async def test_what_cannot_be_written_down_is_not_written(
    here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.parts, "MAX_PARTS", 1)
    results = Results()
    jobs = [job(here, there, name, is_upload=True) for name in ("a", "b", "folder/c")]
    async with served() as it:
        await upload_small(it.client, jobs, lambda job, result: results.update({job.here.name: result}))
    assert words(results) == {"a": "busy", "b": "busy", "folder-c": 800}
    assert names(there) == ["folder"]


async def test_contents_that_are_not_what_was_meant_are_not_written(there: Path) -> None:
    rows = [
        [f"{there}/a", 1, 0, 0o644, sha(b"b"), False, None],
        [f"{there}/b", 1, 0, 0o644, sha(b"b"), False, None],
    ]
    async with served() as it:
        (number,) = await it.client.ask_all("puts", [({"files": rows}, b"ab")])
        answer = await it.client.answer_to(number)
    assert answer.head["ok"] == {"failed": [[0, "changed", "what arrived is not what was sent"]]}
    assert names(there) == ["b", "folder"]


ROW = ["/tmp/x", 1, 0, 0o644, bytes(32), False, None]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ({"op": "puts"}, b""),
        ({"op": "puts", "files": {}}, b""),
        ({"op": "puts", "files": [7]}, b""),
        ({"op": "puts", "files": [ROW[:6]]}, b"x"),
        ({"op": "puts", "files": [ROW]}, b""),
        ({"op": "puts", "files": [ROW]}, b"xx"),
        ({"op": "puts", "files": [[*ROW[:1], -1, *ROW[2:]]]}, b""),
        ({"op": "puts", "files": [[*ROW[:1], True, *ROW[2:]]]}, b"x"),
        ({"op": "puts", "files": [[*ROW[:1], MAX_SMALL_BYTES + 1, *ROW[2:]]]}, bytes(MAX_SMALL_BYTES + 1)),
        ({"op": "puts", "files": [[*ROW[:2], 1 << 60, *ROW[3:]]]}, b"x"),
        ({"op": "puts", "files": [[*ROW[:3], 0o17777, *ROW[4:]]]}, b"x"),
        ({"op": "puts", "files": [[*ROW[:4], b"short", *ROW[5:]]]}, b"x"),
        ({"op": "puts", "files": [[*ROW[:5], "yes", None]]}, b"x"),
        ({"op": "puts", "files": [[*ROW[:6], 7]]}, b"x"),
        ({"op": "puts", "files": [[7, *ROW[1:]]]}, b"x"),
        ({"op": "puts", "files": [ROW] * 513}, b"x" * 513),
        ({"op": "gets"}, b""),
        ({"op": "gets", "paths": "/tmp"}, b""),
        ({"op": "gets", "paths": [1]}, b""),
        ({"op": "gets", "paths": ["/" + "x" * 5000]}, b""),
        ({"op": "gets", "paths": ["/tmp/x"] * 513}, b""),
    ],
)
async def test_a_viewer_that_breaks_the_protocol_loses_its_stream(
    head: dict[str, object], body: bytes
) -> None:
    async with served() as it:
        await it.client.stream.send({"id": 1, **head}, body)
        with pytest.raises(StreamClosed):
            await it.client.answer_to(1)
    assert it.closed[0].close_reason is CloseReason.BAD_FRAME


async def test_files_come_down_each_for_itself(here: Path, there: Path) -> None:
    sizes = {"empty": 0, "small": 5000, "edge": MAX_SMALL_BYTES, "grown": MAX_SMALL_BYTES + 1}
    for name, size in sizes.items():
        (there / name).write_bytes(os.urandom(size))
    (there / "grown").chmod(0o755)
    os.mkfifo(there / "pipe")
    (here / "small-here").write_bytes(b"mine")
    (here / "replaced").write_bytes(b"old")
    (there / "replaced").write_bytes(b"new")
    results = Results()
    jobs = [job(here, there, name, is_upload=False) for name in (*sizes, "gone", "folder", "pipe")]
    jobs += [
        Job(here=here / "small-here", there=f"{there}/small", is_upload=False, size=1),
        job(here, there, "replaced", is_upload=False, overwrite=True, keep=str(here / "kept")),
    ]
    async with served() as it:
        await download_small(it.client, jobs, lambda job, result: results.update({job.here.name: result}))
    assert words(results) == {
        **sizes,
        "gone": "missing",
        "folder": "is_folder",
        "pipe": "other",
        "small-here": "local",
        "replaced": 3,
    }
    for name in sizes:
        assert (here / name).read_bytes() == (there / name).read_bytes()
    assert names(here) == sorted([*sizes, "kept", "replaced", "small-here"])
    assert ((here / "small-here").read_bytes(), (here / "kept").read_bytes()) == (b"mine", b"old")
    assert (here / "grown").stat().st_mode & 0o100


async def test_no_path_leads_out_of_the_chosen_folders(here: Path, there: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (there / "link").symlink_to(tmp_path / "secret")
    (there / "out").symlink_to(tmp_path)
    results = Results()
    down = [job(here, there, name, is_upload=False) for name in ("../secret", "link", "out/secret")]
    up = [job(here, there, name, is_upload=True) for name in ("../up", "out/up")]
    async with served(limit=[there]) as it:
        await download_small(it.client, down, lambda job, result: results.update({job.there: result}))
        await upload_small(it.client, up, lambda job, result: results.update({job.there: result}))
    assert all(isinstance(result, RequestRefused) for result in results.values())
    assert len(results) == 5
    assert not (tmp_path / "up").exists()
    assert "secret" not in names(here)


# A host that lies

Told = list[tuple[dict[str, Any], bytes]]


async def fetch_from(told: Callable[[], Told], here: Path) -> Results:
    """Ask a host for the files a and b, which answers as `told` says."""
    near, far = joined()
    stream, results = MessageStream(far), Results()
    client = FilesClient(MessageStream(near))

    async def lie() -> None:
        try:
            while (message := await stream.receive()) is not None:
                for head, body in told():
                    await stream.send({"id": message.head["id"], **head}, body)
        except StreamClosed:
            pass

    async def fetch() -> None:
        jobs = [Job(here=here / name, there=f"/{name}", is_upload=False, size=1) for name in ("a", "b")]
        try:
            await download_small(client, jobs, lambda job, result: results.update({job.here.name: result}))
        finally:
            near.close()

    await beside(lie, fetch)
    return results


A, B = [0, 1, 0, 0o644, sha(b"a")], [1, 1, 0, 0o644, sha(b"b")]
GOOD: Told = [({"files": [A, B], "failed": []}, b"ab"), ({"ok": {}}, b"")]


async def test_the_honest_answer_is_taken(here: Path) -> None:
    assert words(await fetch_from(lambda: GOOD, here)) == {"a": 1, "b": 1}
    assert (here / "b").read_bytes() == b"b"


@pytest.mark.parametrize(
    "told",
    [
        ({"files": [A, A], "failed": []}, b"aa"),
        ({"files": [A], "failed": [[0, "missing", ""]]}, b"a"),
        ({"files": [[2, *A[1:]]], "failed": []}, b"a"),
        ({"files": [[-1, *A[1:]]], "failed": []}, b"a"),
        ({"files": [[0, -1, *A[2:]]], "failed": []}, b""),
        ({"files": [[0, MAX_SMALL_BYTES + 1, *A[2:]]], "failed": []}, bytes(MAX_SMALL_BYTES + 1)),
        ({"files": [[0, 1, 1 << 60, *A[3:]]], "failed": []}, b"a"),
        ({"files": [[0, 1, 0, -1, A[4]]], "failed": []}, b"a"),
        ({"files": [[0, 1, 0, 0, b"short"]], "failed": []}, b"a"),
        ({"files": [A], "failed": []}, b"too long"),
        ({"files": [A], "failed": [[7, "missing", ""]]}, b"a"),
        ({"files": [A], "failed": ["missing"]}, b"a"),
        ({"files": [A]}, b"a"),
        ({"files": "all"}, b""),
        ({"files": [], "failed": []}, b""),
        ({"ok": {}}, b""),
    ],
)
async def test_what_no_host_says_closes_the_stream(told: tuple[dict[str, Any], bytes], here: Path) -> None:
    with pytest.raises(StreamClosed, match="broke the protocol"):
        await fetch_from(lambda: [told, *GOOD], here)
    assert names(here) == []


async def test_contents_that_are_not_what_is_said_are_not_kept(here: Path) -> None:
    results = await fetch_from(lambda: [({"files": [A, B], "failed": []}, b"ax"), ({"ok": {}}, b"")], here)
    assert words(results) == {"a": 1, "b": "changed"}
    assert names(here) == ["a"]


async def test_what_is_written_when_the_connection_breaks_is_told(here: Path) -> None:
    near, far = joined()
    results = Results()
    jobs = [Job(here=here / name, there=f"/{name}", is_upload=False, size=1) for name in ("a", "b")]

    async def break_off() -> None:
        stream = MessageStream(far)
        message = await stream.receive()
        assert message is not None
        await stream.send({"id": message.head["id"], **GOOD[0][0]}, GOOD[0][1])
        far.close(CloseReason.DEAD)

    fetch = download_small(
        FilesClient(MessageStream(near)), jobs, lambda job, result: results.update({job.here.name: result})
    )
    with pytest.raises(StreamClosed):
        await beside(break_off, lambda: fetch)
    assert names(here) == sorted(results)


async def test_a_part_that_is_a_link_is_not_written_through(here: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (here / ".a.part").symlink_to(tmp_path / "precious")
    results = await fetch_from(lambda: GOOD, here)
    assert isinstance(results["a"], LocalProblem)
    assert (tmp_path / "precious").read_bytes() == b"precious"
