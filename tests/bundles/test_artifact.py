"""The sidecar says what the file is, and no file goes out that cannot carry a link."""

import hashlib
import json
from pathlib import Path

import pytest

import relay
from bundles.artifact import FILE_NAMES, Artifact, Target, write_artifact
from bundles.errors import BuildError
from relay.protocol.link_blob import make_empty_blob, write_link


def make_artifact(data: bytes, blob_size: int = 2304) -> Artifact:
    return Artifact(
        target=Target.LINUX, data=data, machine="x86_64", blob_size=blob_size, notes={"glibc": "2.36"}
    )


def test_the_sidecar_tells_everything(tmp_path: Path) -> None:
    data = b"program" * 20_000 + make_empty_blob()
    path = write_artifact(make_artifact(data), tmp_path / "new")
    assert path == tmp_path / "new" / "adhoc-host-linux"
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o755
    assert json.loads((tmp_path / "new" / "adhoc-host-linux.json").read_text()) == {
        "target": "linux",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "signer": None,
        "blob": {"offset": 140_000, "size": 2304},
        "machine": "x86_64",
        "python": None,
        "version": relay.__version__,
        "glibc": "2.36",
    }
    assert len(list(path.parent.iterdir())) == 2


def test_a_blob_inside_the_end_of_a_file_is_found() -> None:
    data = b"program" + make_empty_blob(993) + b"---END_BLOB---"
    assert make_artifact(data, 993).sidecar()["blob"] == {"offset": 7, "size": 993}


@pytest.mark.parametrize(
    "data",
    [
        b"program",
        b"program" + make_empty_blob()[:-1],
        make_empty_blob() + b"\0" * 70_000,
        b"program" + write_link(make_empty_blob(), "https://relay.example/d/A#B.C"),
    ],
)
def test_a_file_without_an_empty_blob_where_hosts_look_is_not_written(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="place"):
        write_artifact(make_artifact(data), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_target_has_a_name() -> None:
    assert set(FILE_NAMES) == set(Target)
