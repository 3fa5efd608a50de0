"""Restarting the computer for a technician: a `control` stream that asks for it (docs/protocol.md §14).

It is allowed to whoever may use Remote Control, since whoever sits at a desktop can do it there; but here the
customer sees it announced and can say no for some seconds, and nobody's input reaches the desktop meanwhile.
Only a program that will come back by itself is taken down with its computer.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import trio

from host.asking import ConsentDesk
from host.problems import RequestProblem
from host.record import SessionRecord
from host.requests import Request
from host.texts import Texts
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.maps import Shape, decode_map, text

ACT: Final = "restart"
REFUSAL_SECONDS: Final = 15
"""In which the customer can say no."""
CALL_TIMEOUT: Final = 20.0

Way = Literal["boot", "sign_in", ""]
"""When the program comes back: as soon as the computer runs, when somebody signs in, or not by itself."""
Mode = Literal["normal", "safe"]

_ACT_SHAPE: Shape = {"act": text}
_PROGRAM_PATH: Final = "/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(slots=True, kw_only=True)
class Restarts:
    """What the streams that ask for a restart share.

    Attributes:
        record: of what technicians did.
        way: tells when the program comes back.
        restart: does it; blocks; raises RequestProblem.
        is_asked: one of them is before the customer.
    """

    record: SessionRecord
    way: Callable[[], Way]
    restart: Callable[[Mode], None]
    is_asked: bool = False


def act_of(claims: bytes) -> str:
    """What a `control` stream is for: "" for the screen, or `ACT`.

    Raises:
        RemoteProtocolError: it asks for something unknown.
    """
    fields = decode_map(claims, {}, "claims", _ACT_SHAPE)
    act = fields.get("act", "")
    if act not in ("", ACT):
        raise RemoteProtocolError("unknown act")
    return str(act)


async def serve_restart(
    stream: MessageStream, desk: ConsentDesk, restarts: Restarts, texts: Texts, *, technician: str
) -> None:
    """Serve a stream that asks for restarts, one after the other, until the viewer ends it.

    Args:
        technician: who asks; a clean name.

    Raises:
        StreamClosed: the stream was cut, or the viewer broke the protocol and it was closed for that.
    """
    while (message := await stream.receive()) is not None:
        try:
            request = Request(message)
            mode = request.fields.text("mode", max_length=16)
            if request.op != ACT or mode not in ("normal", "safe"):
                raise RemoteProtocolError("unknown request")
        except RemoteProtocolError as exc:
            stream.close(exc.close_reason)
            raise StreamClosed(exc.close_reason, str(exc)) from exc
        try:
            ok = await _restart(stream, request.id, mode, desk, restarts, texts, technician)
        except RequestProblem as problem:
            await stream.send({"id": request.id, "error": problem.code, "detail": problem.detail})
        else:
            await stream.send({"id": request.id, "ok": ok})


async def _restart(
    stream: MessageStream,
    number: int,
    mode: str,
    desk: ConsentDesk,
    restarts: Restarts,
    texts: Texts,
    technician: str,
) -> dict[str, object]:
    way = restarts.way()
    if not way:
        raise RequestProblem("no_return")
    if restarts.is_asked:
        raise RequestProblem("busy")
    restarts.is_asked = True
    try:
        await stream.send({"id": number, "waits": REFUSAL_SECONDS})
        sentence = texts.get("restart", technician=technician, seconds=REFUSAL_SECONDS)
        if not await desk.announce(sentence, REFUSAL_SECONDS):
            raise RequestProblem("declined")
        restarts.record.note(technician, "restarted", mode)
        # The computer may go down before it could be said that it does.
        await stream.send({"id": number, "begins": way})
        await trio.to_thread.run_sync(restarts.restart, "safe" if mode == "safe" else "normal")
    finally:
        restarts.is_asked = False
    return {}


def restart_computer(mode: Mode) -> None:
    """Have the system restart the computer. Returns before it goes down.

    Raises:
        RequestProblem: it does not let us (``denied``), or cannot (``unavailable``).
    """
    if mode != "normal":  # Windows has it, where a service begins it (host.windows.engine)
        raise RequestProblem("unavailable", "safe mode")
    command = _find_command()
    if command is None:
        raise RequestProblem("unavailable")
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, by its whole path
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CALL_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return  # it is busy with going down
    except OSError as exc:
        raise RequestProblem("unavailable", exc.strerror or "") from exc
    if done.returncode != 0:
        raise RequestProblem("denied", done.stderr.decode("utf-8", "replace").strip()[:200])


def _find_command() -> list[str] | None:
    """By logind, which asks polkit whether this user may; without systemd as root does it."""
    if sys.platform == "win32":
        return [str(Path(os.environ["SYSTEMROOT"], "System32", "shutdown.exe")), "/r", "/t", "0"]
    systemctl = shutil.which("systemctl", path=_PROGRAM_PATH)
    if systemctl is not None:
        return [systemctl, "--no-ask-password", "reboot"]
    shutdown = shutil.which("shutdown", path=_PROGRAM_PATH)
    return None if shutdown is None else [shutdown, "-r", "now"]
