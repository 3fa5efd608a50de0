"""How a logo is served: a file that one stranger chose, to another.

Its type is one of three that hold no script, was checked when it was stored, and is not guessed again
(nosniff). Opened by itself it would be a document of the relay's origin; the sandbox sees to it that even
then nothing in it runs. Browsers keep it, and ask each time whether it is still the same.
"""

from hashlib import sha256
from typing import Any, Final

from fastapi import Request, Response

from relay.api.problems import not_found
from relay.store.logo_rows import Logo

POLICY: Final = "default-src 'none'; sandbox"

LOGO_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The picture.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/png", "image/jpeg", "image/webp")
        },
    },
    304: {"description": "The picture that you have is still the one."},
}


def logo_response(request: Request, logo: Logo | None) -> Response:
    """The answer that is the logo, or says that the asker's copy is good.

    Raises:
        Problem: 404, there is none.
    """
    if logo is None:
        raise not_found()
    etag = f'"{sha256(logo.image).hexdigest()[:32]}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": etag, "Content-Security-Policy": POLICY}
    known = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
    if etag in known:
        return Response(status_code=304, headers=headers)
    return Response(logo.image, media_type=logo.media_type, headers=headers)
