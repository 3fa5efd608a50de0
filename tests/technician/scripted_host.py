"""A host without a computer: pairs with the codes it is given and serves a desktop of one colour.

It speaks the real protocol through `peer`; what it leaves out is what a person or a screen would do.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from peer.errors import StreamClosed
from peer.sealed import SealedStream, accept_sealed
from peer.tunnel import Stream, Tunnel, open_tunnel
from relay.protocol.claims import PairClaims, PairFacts, pack_answer, unpack_stored
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import PROTOCOL_VERSION, Channel, FieldReader, Hello
from relay.protocol.lease import make_join_proof
from relay.protocol.links import DeploymentLink
from relay.protocol.pairing import HostHandshake

DESKTOP_NAME = "scripted desktop"
WIDTH, HEIGHT = 640, 480


@dataclass
class ScriptedHost:
    """Joins by `link` and lives until cancelled.

    Attributes:
        typed: what the customer types, one code a try; when they are used up, no more streams are accepted.
        allows: whether the customer allows.
        claims: what the technician claimed, once proven.
        codes_shown: numbers of the codes that became current while it was connected.
    """

    link: DeploymentLink
    typed: Iterable[str]
    allows: bool = True
    claims: PairClaims | None = None
    codes_shown: list[int] = field(default_factory=list)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        key = Ed25519PrivateKey.generate()
        self._public_key = key.public_key().public_bytes_raw()
        self._typed = iter(self.typed)
        self._pairing_key = b""
        hello = Hello(
            PROTOCOL_VERSION,
            "host",
            self.link.invite,
            {
                "key": self._public_key,
                "computer": "RECEPTION\x1b[31m",
                "os": "Test OS",
                "user": "ana",
                "program": "scripted",
                "proof": make_join_proof(self.link.invite, self.link.origin, key),
            },
        )
        async with open_tunnel(self.link.origin, hello) as tunnel, trio.open_nursery() as nursery:
            fields = FieldReader(tunnel.welcome)
            self._session = fields.text("session")
            self._code, self._attempts = fields.number("code"), fields.number("attempts")
            tunnel.notify("ready", {})
            task_status.started()
            nursery.start_soon(self._follow_notices, tunnel)
            async for stream in tunnel.incoming:
                if stream.channel is Channel.PAIR:
                    await self._pair(tunnel, stream)
                else:
                    nursery.start_soon(self._serve_control, stream)
            nursery.cancel_scope.cancel()

    async def _follow_notices(self, tunnel: Tunnel) -> None:
        async for notice in tunnel.notices:
            if notice.name == "renewed":
                self._code = FieldReader(notice.fields).number("code")
                self.codes_shown.append(self._code)

    async def _pair(self, tunnel: Tunnel, stream: Stream) -> None:
        code = next(self._typed, None)
        if code is None:
            await trio.sleep_forever()
        handshake = HostHandshake.for_pairing(
            origin=self.link.origin,
            session=self._session,
            stream=stream.number,
            code_number=self._code,
            last_attempt=self._attempts,
            invite_secret=self.link.secret,
            security_code=code or "",
            facts=PairFacts(computer="RECEPTION", os="Test OS", user="ana", key=self._public_key),
        )
        try:
            sealed, keys = await accept_sealed(stream, handshake)
            self.claims = PairClaims.unpack(handshake.claims)
            if not self.allows:
                sealed.close(CloseReason.DECLINED)
                return
            await sealed.send(pack_answer(is_allowed=True))
            assert unpack_stored(await sealed.receive())
        except StreamClosed:
            return
        finally:
            self._attempts = handshake.attempt
        self._pairing_key = keys.pairing_key or b""
        tunnel.notify("paired", {"attempt": handshake.attempt})

    async def _serve_control(self, stream: Stream) -> None:
        handshake = HostHandshake.for_connection(
            channel=stream.channel,
            origin=self.link.origin,
            session=self._session,
            stream=stream.number,
            pairing_key=self._pairing_key,
            access_password=self.link.access_password,
        )
        try:
            sealed, _ = await accept_sealed(stream, handshake)
            await self._serve_rfb(sealed)
        except StreamClosed:
            return

    async def _serve_rfb(self, stream: SealedStream) -> None:
        received = bytearray()

        async def read(size: int) -> bytes:
            while len(received) < size:
                received.extend(await stream.receive())
            piece = bytes(received[:size])
            del received[:size]
            return piece

        await stream.send(b"RFB 003.008\n")
        assert await read(12) == b"RFB 003.008\n"
        await stream.send(b"\x01\x01")
        assert await read(1) == b"\x01"
        await stream.send(bytes(4))
        await read(1)
        pixel_format = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        name = DESKTOP_NAME.encode()
        await stream.send(
            struct.pack(">HH", WIDTH, HEIGHT) + pixel_format + struct.pack(">I", len(name)) + name
        )
        while True:
            kind = (await read(1))[0]
            if kind == 2:
                (count,) = struct.unpack(">xH", await read(3))
                await read(4 * count)
            else:
                assert kind == 3
                x, y, width, height = struct.unpack(">xHHHH", await read(9))
                await stream.send(
                    struct.pack(">BxHHHHHi", 0, 1, x, y, width, height, 0) + bytes(width * height * 4)
                )
