"""What of the downloads folder is served: only a file that is, byte for byte, what its sidecar says."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay import downloads
from relay.downloads import Download, Downloads, Fault, Target
from relay.protocol.link_blob import BLOB_BYTES, MARKER, make_empty_blob, write_link
from tests.helpers.host_files import HOST, PROGRAM, publish


def fault_of(folder: Path, target: Target = Target.PYTHON) -> Fault | None:
    return next(each.fault for each in Downloads(folder).look() if each.target is target)


def test_every_target_is_looked_for_and_those_that_fit_are_served(tmp_path: Path) -> None:
    publish(tmp_path, Target.WINDOWS, signer="Example IT")
    publish(tmp_path, Target.PYTHON)
    found = Downloads(tmp_path).look()
    assert [(each.target, each.fault) for each in found] == [
        (Target.WINDOWS, None),
        (Target.LINUX, Fault.MISSING),
        (Target.PYTHON, None),
    ]
    windows = found[0].facts
    assert windows is not None
    assert (windows.signer, windows.size, windows.blob.offset) == ("Example IT", len(HOST), len(PROGRAM))
    assert Downloads(tmp_path).served(Target.LINUX) is None
    assert Downloads(tmp_path / "nowhere").served(Target.PYTHON) is None


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"size": len(HOST) - 1}, Fault.OTHER_FILE),
        ({"size": "big"}, Fault.BAD_FACTS),
        ({"size": True}, Fault.BAD_FACTS),
        ({"sha256": "0" * 64}, Fault.OTHER_FILE),
        ({"sha256": "../../etc/passwd"}, Fault.BAD_FACTS),
        ({"target": "windows"}, Fault.BAD_FACTS),
        ({"target": "toaster"}, Fault.BAD_FACTS),
        ({"signer": "x" * 201}, Fault.BAD_FACTS),
        ({"python": []}, Fault.BAD_FACTS),
        ({"python": ["3.11; rm"]}, Fault.BAD_FACTS),
        ({"machine": "x86 64"}, Fault.BAD_FACTS),
        ({"glibc": "2.36 or so"}, Fault.BAD_FACTS),
        ({"window": "yes"}, Fault.BAD_FACTS),
        ({"version": ""}, Fault.BAD_FACTS),
        ({"blob": None}, Fault.BAD_FACTS),
        ({"blob": {"offset": -1, "size": BLOB_BYTES}}, Fault.BAD_FACTS),
        ({"blob": {"offset": 1, "size": BLOB_BYTES + 1}}, Fault.BAD_FACTS),
        ({"blob": {"offset": 1, "size": 17}}, Fault.BAD_FACTS),
        ({"blob": {"offset": 0, "size": BLOB_BYTES}}, Fault.BAD_BLOB),
        ({"blob": {"offset": 10**15, "size": BLOB_BYTES}}, Fault.BAD_BLOB),
        ({"blob": {"offset": len(PROGRAM) + 1, "size": BLOB_BYTES}}, Fault.BAD_BLOB),
    ],
)
def test_a_sidecar_that_does_not_fit_hides_the_file(
    tmp_path: Path, facts: dict[str, Any], fault: Fault
) -> None:
    publish(tmp_path, **facts)
    assert fault_of(tmp_path) is fault


@pytest.mark.parametrize(
    "region",
    [
        b"\0" * BLOB_BYTES,
        write_link(make_empty_blob(), "https://evil.example/d/x#y"),
        make_empty_blob()[:-1] + b"x",
        # A host takes the last marker that it finds.
        make_empty_blob()[: -len(MARKER)] + MARKER,
    ],
)
def test_a_file_whose_place_for_the_link_is_not_empty_is_not_served(tmp_path: Path, region: bytes) -> None:
    publish(tmp_path, data=PROGRAM + region)
    assert fault_of(tmp_path) is Fault.BAD_BLOB


def test_a_place_inside_a_signature_may_be_smaller_and_followed_by_more(tmp_path: Path) -> None:
    data = PROGRAM + make_empty_blob(512) + b"signed" * 100
    publish(tmp_path, Target.WINDOWS, data, blob={"offset": len(PROGRAM), "size": 512})
    assert fault_of(tmp_path, Target.WINDOWS) is None


def test_an_endless_sidecar_is_not_read_whole(tmp_path: Path) -> None:
    path = publish(tmp_path)
    sidecar = path.with_name(path.name + ".json")
    sidecar.write_text(sidecar.read_text() + " " * 100_000)
    assert fault_of(tmp_path) is Fault.BAD_FACTS
    sidecar.unlink()
    assert fault_of(tmp_path) is Fault.NO_FACTS


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    publish(tmp_path).unlink()
    (tmp_path / "adhoc-host.pyz").mkdir()
    assert fault_of(tmp_path) is Fault.UNREADABLE


def _spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))  # a file system whose clock has not moved on would not tell


def _touch_sidecar(path: Path) -> None:
    path.with_name(path.name + ".json").write_text("{}")


@pytest.mark.parametrize("change", [_spoil, _touch_sidecar])
def test_a_change_is_noticed_and_what_did_not_change_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    read: list[Target] = []
    check = downloads.check

    def counted(target: Target, path: Path) -> Download:
        read.append(target)
        return check(target, path)

    monkeypatch.setattr(downloads, "check", counted)
    folder = Downloads(tmp_path)
    path = publish(tmp_path)
    for _ in range(3):
        assert folder.served(Target.PYTHON) is not None
    assert read == [Target.PYTHON]
    change(path)
    assert folder.served(Target.PYTHON) is None
    assert folder.served(Target.PYTHON) is None
    assert read == [Target.PYTHON] * 2
    path.unlink()
    publish(tmp_path)
    assert folder.served(Target.PYTHON) is not None
