"""``relay build-host`` tells what it cannot use in one line, before it builds anything."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundles.fake_windows import WHOLE, make_zip

pytestmark = pytest.mark.slow


def build_host(out: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, "-m", "relay", "build-host", "--out", out, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--target", "amiga"], "windows, linux or python"),
        (["--target", "windows", "--sign-key", "key.pem"], "both the certificate and its key"),
    ],
)
def test_options_that_cannot_be_used_are_exit_code_2(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = build_host(tmp_path, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_not_known_is_named_with_its_hash(tmp_path: Path) -> None:
    archive = tmp_path / "python.zip"
    archive.write_bytes(make_zip(WHOLE))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    options: list[str | Path] = ["--target", "windows", "--python-zip", archive, "--tk-zip", archive]
    done = build_host(tmp_path / "out", *options)
    assert done.returncode == 1
    assert done.stderr.startswith("relay: ")
    assert f"--sha256 {digest}" in done.stderr
    done = build_host(tmp_path / "out", *options, "--sha256", digest)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "embeddable edition" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_version_that_is_none_is_said(tmp_path: Path) -> None:
    done = build_host(tmp_path, "--target", "python", "--python", "three")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("relay: “three” is no version")
