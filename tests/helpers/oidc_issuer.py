"""A small OpenID Connect issuer: real HTTP on 127.0.0.1, its own RS256 key, one person who is always willing.

It keeps to the rules it is asked by (PKCE, client authentication, codes once), so that a relay that breaks
one is found out; and it can be told to lie, see `Issuer.lies`.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

Lie = Callable[[dict[str, Any]], None]


class Issuer:
    """What the issuer knows and does.

    Attributes:
        url: its name.
        client_id, client_secret: of the one client it knows.
        person: claims about whoever signs in.
        lies: changes the claims of a token before it is signed.
        sign: makes the token; replaced by tests of other algorithms.
        metadata: changes to what discovery says.
        now: its clock, seconds since 1970.
        asked: paths that were asked for.
        is_over: set at the end; until then ``/silent`` does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.client_id, self.client_secret = "relay", "s3cret:/+ &"
        self.person: dict[str, Any] = {
            "sub": "tess-1",
            "email": "tess@example.com",
            "email_verified": True,
        }
        self.lies: Lie = lambda claims: None
        self.metadata: dict[str, Any] = {}
        self.now: Callable[[], float] = time.time
        self.asked: list[str] = []
        self.key = _new_key()
        self.sign: Callable[[dict[str, Any]], str] = self.sign_rs256
        self.is_over = threading.Event()
        self._codes: dict[str, dict[str, str]] = {}

    def sign_rs256(self, claims: dict[str, Any], key: RSAKey | None = None) -> str:
        """A token by the issuer's key, or another."""
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, key or self.key)

    def discovery(self) -> dict[str, Any]:
        """What it says about itself."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
        } | self.metadata

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes after its person said yes."""
        if query["client_id"] != self.client_id or query["response_type"] != "code":
            raise PermissionError("unknown client")
        if query["code_challenge_method"] != "S256" or "openid" not in query["scope"].split():
            raise PermissionError("not the code flow with PKCE")
        code = secrets.token_urlsafe()
        self._codes[code] = query
        back = urlencode({"code": code, "state": query["state"], "iss": self.url})
        return f"{query['redirect_uri']}?{back}"

    def token(self, authorization: str, form: dict[str, str]) -> dict[str, Any]:
        """The answer to a code."""
        query = self._codes.pop(form["code"])
        kind, _, encoded = authorization.partition(" ")
        client, _, secret = base64.b64decode(encoded).decode().partition(":")
        if kind != "Basic" or (unquote_plus(client), unquote_plus(secret)) != (
            self.client_id,
            self.client_secret,
        ):
            raise PermissionError("wrong client")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if challenge.rstrip(b"=").decode() != query["code_challenge"]:
            raise PermissionError("wrong verifier")
        if form["redirect_uri"] != query["redirect_uri"]:
            raise PermissionError("wrong redirect_uri")
        now = int(self.now())
        claims = {"iss": self.url, "aud": self.client_id, "iat": now, "exp": now + 300} | self.person
        claims["nonce"] = query["nonce"]
        self.lies(claims)
        return {"access_token": "unused", "token_type": "Bearer", "id_token": self.sign(claims)}


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        issuer, parts = self.server.issuer, urlsplit(self.path)
        issuer.asked.append(parts.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path:
            case "/.well-known/openid-configuration":
                self._answer(200, issuer.discovery())
            case "/jwks":
                self._answer(200, {"keys": [issuer.key.as_dict(private=False, kid="1", use="sig")]})
            case "/authorize":
                self.send_response(302)
                self.send_header("Location", issuer.authorize(query))
                self.end_headers()
            case "/elsewhere":
                self.send_response(302)
                self.send_header("Location", f"{issuer.url}/jwks")
                self.end_headers()
            case "/silent":
                issuer.is_over.wait()
            case "/endless":
                self._answer(200, {"filler": "x" * 300 * 1024})
            case _:
                self._answer(404, {})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        try:
            self._answer(200, self.server.issuer.token(self.headers.get("Authorization", ""), form))
        except (PermissionError, KeyError) as error:
            self._answer(400, {"error": "invalid_grant", "error_description": str(error)})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: Issuer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up in the middle are part of the tests."""


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """An issuer that answers until the end of the block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.issuer
    finally:
        server.issuer.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def other_key() -> RSAKey:
    """A key that is not the issuer's."""
    return _new_key()


def _new_key() -> RSAKey:
    return RSAKey.import_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
