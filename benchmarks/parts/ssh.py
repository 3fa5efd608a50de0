"""An OpenSSH server of our own on loopback, with throw-away keys: what `scp` is measured against."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.baselines import Missing
from benchmarks.parts.machine import free_port, wait_listening

PROGRAM_FOLDERS = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
RUN_FOLDER = Path("/run/sshd")
"""Without it a server that is started by root does not start (privilege separation, sshd(8))."""

SETTINGS = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class SshServer:
    """A running server.

    Attributes:
        command: ``scp`` with all it needs to get in; source and target are to be added.
        prefix: what makes a path one of the server's.
    """

    command: tuple[str, ...]
    prefix: str

    def copy(self, source: str | Path, target: str | Path) -> None:
        """Copy a file or a tree.

        Raises:
            RuntimeError: it could not; with what ``scp`` said.
        """
        done = subprocess.run(
            [*self.command, str(source), str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"scp: {done.stderr.strip()}")


@contextmanager
def open_ssh(folder: Path) -> Iterator[SshServer]:
    """A server until the block ends; its keys and settings are in `folder`, which is made.

    Raises:
        Missing: OpenSSH's client or server is not installed.
    """
    programs = {name: shutil.which(name, path=PROGRAM_FOLDERS) for name in ("sshd", "scp", "ssh-keygen")}
    if None in programs.values():
        raise Missing("scp is left out: sudo apt-get install openssh-server openssh-client")
    folder.mkdir()
    for key in ("host", "user"):
        subprocess.run(
            [str(programs["ssh-keygen"]), "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True
        )
    port = free_port()
    settings = folder / "settings"
    settings.write_text(SETTINGS.format(port=port, folder=folder))
    with ExitStack() as stack:
        if os.geteuid() == 0 and not RUN_FOLDER.exists():
            RUN_FOLDER.mkdir(mode=0o755)
            stack.callback(RUN_FOLDER.rmdir)
        server = subprocess.Popen(
            [str(programs["sshd"]), "-D", "-e", "-f", settings], stderr=subprocess.DEVNULL
        )
        stack.callback(server.wait)
        stack.callback(server.terminate)
        wait_listening(port, server)
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        yield SshServer(
            (
                *(
                    str(programs["scp"]),
                    "-q",
                    "-r",
                    "-F",
                    "none",
                    "-P",
                    str(port),
                    "-i",
                    str(folder / "user"),
                ),
                *(word for option in options for word in ("-o", option)),
            ),
            f"{getpass.getuser()}@127.0.0.1:",
        )
