"""The host files, as customers get them and as the console tells of them."""

import re
from pathlib import Path
from typing import Annotated, Final

import trio
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse

from relay.api.context import Allowed, Caller, Context
from relay.api.models import DownloadsAnswer, DownloadState, host_file
from relay.api.problems import answers
from relay.downloads import FILE_NAMES, HostFacts
from relay.people import Permission

router = APIRouter(prefix="/api/v1", tags=["company"])

CACHING: Final = "private, no-cache"
"""Kept by the customer's browser only, and asked for again each time: a new build is another file."""

_ONE_RANGE: Final = re.compile(r"bytes=(?:[0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")


@router.get("/downloads", responses=answers(401, 403))
async def get_downloads(
    context: Context, caller: Annotated[Caller, Depends(Allowed(Permission.USE_SESSIONS))]
) -> DownloadsAnswer:
    """Which programs customers can download, and what is wrong with those that they cannot."""
    found = await trio.to_thread.run_sync(context.downloads.look)
    return DownloadsAnswer(
        downloads=[
            DownloadState(
                target=each.target,
                file=FILE_NAMES[each.target],
                host=host_file(each),
                fault=each.fault,
            )
            for each in found
        ]
    )


class HostResponse(FileResponse):
    """A host file, or the one part of it that an interrupted download still lacks (RFC 9110 §14)."""

    max_ranges = 1  # whoever asks for more gets the whole


def host_response(request: Request, path: Path, facts: HostFacts) -> Response:
    """The answer that is the file at `path`, a part of it, or says that the asker's copy is good."""
    etag = f'"{facts.sha256}"'
    headers = {"Cache-Control": CACHING, "ETag": etag}
    known = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
    if etag in known:
        return Response(status_code=304, headers=headers)
    if not _ONE_RANGE.fullmatch(request.headers.get("range", "bytes=0-")):
        # Not understood is not wrong (RFC 9110 §14.2): the whole is the answer.
        request.scope["headers"] = [each for each in request.scope["headers"] if each[0] != b"range"]
    return HostResponse(
        path,
        media_type="application/octet-stream",
        filename=path.name,
        headers=headers,
    )
