"""One connection over memory: requests and answers, limits, clocks, and apps that fail."""

import json
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from relay.errors import ConfigError, PeerGone
from relay.http import (
    FrontDoorEvent,
    FrontDoorSettings,
    Message,
    Receive,
    Scope,
    Send,
    serve_connection,
)
from relay.transport import MemoryTransport, memory_transport_pair
from tests.http.visitor import (
    GET,
    Answer,
    Tally,
    answer,
    body_message,
    echo_app,
    hello_app,
    make_door,
    open_visit,
    read_body,
    start_message,
)


def post(body: bytes, *fields: bytes, path: bytes = b"/") -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: relay.example", *fields]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def assert_problem(found: Answer, status: int) -> None:
    assert found.status == status
    assert found.headers[b"content-type"] == b"application/problem+json"
    assert found.headers[b"x-content-type-options"] == b"nosniff"
    assert found.headers[b"connection"] == b"close"
    problem = json.loads(found.body)
    assert problem["status"] == status
    assert problem["detail"].endswith(".")


async def test_scope_is_complete() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await answer(send)

    state = {"pool": object()}
    async with open_visit(make_door(app, state=state)) as visitor:
        await visitor.ask(b"GET /a%20b?c=d HTTP/1.1\r\nHost: relay.example\r\nX-Y: Z\r\n\r\n")
    (scope,) = scopes
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=d",
        "root_path": "",
        "headers": [(b"host", b"relay.example"), (b"x-y", b"Z")],
        "client": ("192.0.2.1", 4711),
        "server": ("memory", 1),
        "state": state,
    }
    assert scope["state"] is not state


async def test_answers_carry_a_date_and_no_server_name() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        found = await visitor.ask(GET)
    assert parsedate_to_datetime(found.headers[b"date"].decode()).tzinfo is not None
    assert b"server" not in found.headers


async def test_connection_is_kept_for_the_next_request() -> None:
    tally = Tally()
    async with open_visit(make_door(hello_app, tally=tally)) as visitor:
        for path in (b"/1", b"/2", b"/3"):
            assert (await visitor.ask(GET.replace(b"/ ", path + b" "))).body == path
    assert tally == {FrontDoorEvent.REQUEST: 3}


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with open_visit(make_door(echo_app)) as visitor:
        await visitor.send(post(b"one") + GET + post(b"three"))
        assert [(await visitor.read_answer()).body for _ in range(3)] == [b"one", b"", b"three"]


async def test_connection_closes_when_the_client_asks_for_it() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        await visitor.send(b"GET /x HTTP/1.1\r\nHost: relay.example\r\nConnection: close\r\n\r\n" + GET)
        assert (await visitor.read_answer()).headers[b"connection"] == b"close"
        assert await visitor.read_to_end() == b""


async def test_http_1_0_is_answered_and_closed() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        await visitor.send(b"GET /old HTTP/1.0\r\n\r\n")
        assert (await visitor.read_to_end()).endswith(b"\r\n\r\n/old")


async def test_client_that_ends_its_sending_still_gets_its_answer() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        await visitor.send(GET)
        visitor.transport._outgoing.end_writing()
        assert (await visitor.read_answer()).status == 200


async def test_head_is_answered_without_content() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        found = await visitor.ask(GET.replace(b"GET / ", b"HEAD /four "), "HEAD")
        assert (found.headers[b"content-length"], found.body) == (b"5", b"")
        assert (await visitor.ask(GET)).status == 200


async def test_answer_without_content_by_its_status_keeps_the_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start_message(204))
        await send(body_message(b"ignored"))

    async with open_visit(make_door(app)) as visitor:
        assert (await visitor.ask(GET)).status == 204
        assert (await visitor.ask(GET)).status == 204


async def test_answer_of_unknown_length_is_chunked() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start_message())
        for piece in (b"a", b"b" * 100_000, b"c"):
            await send(body_message(piece, is_more=True))
        await send(body_message())

    async with open_visit(make_door(app)) as visitor:
        found = await visitor.ask(GET)
        assert found.headers[b"transfer-encoding"] == b"chunked"
        assert found.body == b"a" + b"b" * 100_000 + b"c"
        assert (await visitor.ask(GET)).status == 200


async def test_app_waits_for_a_client_that_reads_slowly(autojump_clock: MockClock) -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(start_message())
        for _ in range(100):
            await send(body_message(bytes(1000), is_more=True))
            sent += 1
        await send(body_message())

    async with open_visit(make_door(app), capacity_bytes=4000) as visitor:
        await visitor.send(GET)
        await wait_all_tasks_blocked()
        assert sent < 5
        assert len((await visitor.read_answer()).body) == 100_000


async def test_chunked_content_arrives_as_it_comes() -> None:
    pieces: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["more_body"]:
            pieces.append(message["body"])
        await answer(send)

    async with open_visit(make_door(app)) as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\nHost: relay.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"one", b"two"):
            await visitor.send(b"3;ext=1\r\n" + piece + b"\r\n")
            await wait_all_tasks_blocked()
            assert pieces[-1] == piece
        assert (await visitor.ask(b"0\r\nTrailer: x\r\n\r\n")).status == 200


async def test_continue_is_sent_when_the_app_wants_the_content() -> None:
    async with open_visit(make_door(echo_app)) as visitor:
        head, _, _ = post(b"four", b"Expect: 100-continue").partition(b"four")
        await visitor.send(head)
        assert await visitor.transport.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await visitor.ask(b"four")).body == b"four"


async def test_continue_is_not_sent_when_the_app_refuses() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"no", status=403)

    async with open_visit(make_door(app)) as visitor:
        head, _, _ = post(b"four", b"Expect: 100-continue").partition(b"four")
        await visitor.send(head)
        assert (await visitor.read_to_end()).startswith(b"HTTP/1.1 403 Forbidden\r\n")


async def test_early_answer_closes_when_content_is_missing() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        found = await visitor.ask(post(b"x" * 1000)[:-1])
        assert (found.status, found.headers[b"connection"]) == (200, b"close")
        assert await visitor.read_to_end() == b""


async def test_content_nobody_wants_but_that_is_there_keeps_the_connection() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        assert b"connection" not in (await visitor.ask(post(b"x" * 1000))).headers
        assert (await visitor.ask(GET)).status == 200


async def test_app_can_answer_before_it_reads() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start_message())
        await send(body_message(b"begin ", is_more=True))
        await send(body_message(await read_body(receive)))

    async with open_visit(make_door(app)) as visitor:
        await visitor.send(post(b"content")[:-2])
        await wait_all_tasks_blocked()
        assert (await visitor.ask(b"nt")).body == b"begin content"


# Limits.


@pytest.mark.parametrize("is_whole", [True, False])
async def test_head_above_its_limit_is_refused(is_whole: bool) -> None:
    tally = Tally()
    async with open_visit(make_door(hello_app, tally=tally, max_head_bytes=1000)) as visitor:
        head = GET[:-2] + b"X: " + b"x" * 1000
        assert_problem(await visitor.ask(head + (b"\r\n\r\n" if is_whole else b"")), 431)
        assert await visitor.read_to_end() == b""
    assert tally == {FrontDoorEvent.TOO_LARGE: 1}


async def test_head_of_exactly_the_limit_is_accepted() -> None:
    head = GET[:-2] + b"X: "
    head += b"x" * (1000 - len(head) - 4) + b"\r\n\r\n"
    assert len(head) == 1000
    async with open_visit(make_door(hello_app, max_head_bytes=1000)) as visitor:
        assert (await visitor.ask(head)).status == 200
        assert_problem(await visitor.ask(head.replace(b"X:", b"XX:")), 431)


async def test_announced_content_above_its_limit_is_refused_before_the_app() -> None:
    tally = Tally()
    async with open_visit(make_door(hello_app, tally=tally, max_body_bytes=10)) as visitor:
        assert_problem(await visitor.ask(post(b"x" * 11, b"Expect: 100-continue")), 413)
    assert tally == {FrontDoorEvent.TOO_LARGE: 1}


async def test_chunked_content_above_its_limit_cancels_the_app() -> None:
    was_cancelled = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal was_cancelled
        try:
            await read_body(receive)
        except trio.Cancelled:
            was_cancelled = True
            raise

    async with open_visit(make_door(app, max_body_bytes=10)) as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\nHost: relay.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        await visitor.send(b"8\r\n12345678\r\n")
        await wait_all_tasks_blocked()
        assert_problem(await visitor.ask(b"3\r\n901\r\n"), 413)
    assert was_cancelled


async def test_content_above_its_limit_cuts_an_answer_that_has_begun() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start_message())
        await send(body_message(b"begun", is_more=True))
        await read_body(receive)

    tally = Tally()
    async with open_visit(make_door(app, tally=tally, max_body_bytes=10)) as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\nHost: relay.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert b"begun" in await visitor.transport.receive_some()
        await visitor.send(b"b\r\n12345678901\r\n")
        with pytest.raises(PeerGone):
            await visitor.read_to_end()
    assert tally[FrontDoorEvent.TOO_LARGE] == 1


async def test_content_limit_depends_on_the_longest_prefix() -> None:
    limits = {"/up": 20, "/up/more": 30}
    async with open_visit(make_door(echo_app, max_body_bytes=10, max_body_bytes_by_prefix=limits)) as visitor:
        assert (await visitor.ask(post(b"x" * 10))).status == 200
        assert (await visitor.ask(post(b"x" * 20, path=b"/up"))).status == 200
        assert (await visitor.ask(post(b"x" * 30, path=b"/up/more/x"))).status == 200
        assert_problem(await visitor.ask(post(b"x" * 21, path=b"/up/x")), 413)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_malformed_requests_are_refused_and_counted(request_bytes: bytes) -> None:
    tally = Tally()
    with capture_logs() as logs:
        async with open_visit(make_door(echo_app, tally=tally)) as visitor:
            assert_problem(await visitor.ask(request_bytes), 400)
            assert await visitor.read_to_end() == b""
    assert tally[FrontDoorEvent.BAD_REQUEST] == 1
    assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_unknown_transfer_coding_is_not_implemented() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        assert_problem(await visitor.ask(GET[:-2] + b"Transfer-Encoding: gzip\r\n\r\n"), 501)


async def test_refusal_of_a_head_request_has_no_content() -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        await visitor.send(b"HEAD /%00 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await visitor.read_to_end()).endswith(b"\r\n\r\n")


# Clocks.


async def test_head_that_trickles_is_refused_after_its_time(autojump_clock: MockClock) -> None:
    tally = Tally()
    async with open_visit(make_door(hello_app, tally=tally)) as visitor:
        for byte in b"GET / HTT":
            await visitor.send(bytes([byte]))
            await trio.sleep(1)
        assert_problem(await visitor.read_answer(), 408)
        assert await visitor.read_to_end() == b""
        assert trio.current_time() == pytest.approx(10)
    assert tally == {FrontDoorEvent.SLOW_REQUEST: 1}


async def test_stranger_who_says_nothing_is_closed_without_a_word(autojump_clock: MockClock) -> None:
    tally = Tally()
    async with open_visit(make_door(hello_app, tally=tally)) as visitor:
        assert await visitor.read_to_end() == b""
        assert trio.current_time() == pytest.approx(10)
    assert not tally


async def test_idle_connection_is_closed_after_its_time(autojump_clock: MockClock) -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        await visitor.ask(GET)
        assert await visitor.read_to_end() == b""
        assert trio.current_time() == pytest.approx(75)


async def test_later_head_has_its_time_from_its_first_byte(autojump_clock: MockClock) -> None:
    async with open_visit(make_door(hello_app)) as visitor:
        await visitor.ask(GET)
        await trio.sleep(60)
        await visitor.send(GET[:5])
        await trio.sleep(9)
        assert (await visitor.ask(GET[5:])).status == 200
        await trio.sleep(60)
        assert_problem(await visitor.ask(GET[:5]), 408)
        assert trio.current_time() == pytest.approx(60 + 9 + 60 + 10)


async def test_content_that_stops_is_refused(autojump_clock: MockClock) -> None:
    async with open_visit(make_door(echo_app)) as visitor:
        assert_problem(await visitor.ask(post(b"x" * 100)[:-1]), 408)
        assert trio.current_time() == pytest.approx(10, abs=0.2)


async def test_content_that_trickles_is_refused(autojump_clock: MockClock) -> None:
    async with open_visit(make_door(echo_app)) as visitor:
        await visitor.send(post(b"x" * 100)[:-100])
        for _ in range(3):
            await visitor.send(b"x")
            await trio.sleep(4)
        assert_problem(await visitor.read_answer(), 408)
        assert trio.current_time() < 13


async def test_large_content_on_a_slow_line_is_accepted(autojump_clock: MockClock) -> None:
    async with open_visit(make_door(echo_app)) as visitor:
        body = b"x" * 100_000
        request = post(body)
        for start in range(0, len(request), 2048):
            await visitor.send(request[start : start + 2048])
            await trio.sleep(1)
        assert trio.current_time() > 40
        assert (await visitor.read_answer()).body == body


async def test_app_that_is_slow_itself_costs_the_client_no_time(autojump_clock: MockClock) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(1000)
        await answer(send, await read_body(receive))

    async with open_visit(make_door(app)) as visitor:
        assert (await visitor.ask(post(b"content"))).body == b"content"


async def test_client_that_stops_reading_is_closed(autojump_clock: MockClock) -> None:
    failures: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start_message())
        try:
            await send(body_message(bytes(100_000)))
        except OSError as error:
            failures.append(error)
            raise

    tally = Tally()
    async with open_visit(make_door(app, tally=tally), capacity_bytes=1000) as visitor:
        await visitor.send(GET)
        await trio.sleep(9.9)
        assert not failures
        await trio.sleep(0.2)
        with pytest.raises(PeerGone):
            await visitor.read_to_end()
    assert len(failures) == 1
    assert tally[FrontDoorEvent.WRITE_STALL] == 1
    assert tally[FrontDoorEvent.APP_ERROR] == 0


# Clients that leave.


async def test_app_hears_that_the_client_left() -> None:
    messages: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        messages.extend([await receive(), await receive()])

    tally = Tally()
    with capture_logs() as logs:
        async with open_visit(make_door(app, tally=tally)) as visitor:
            await visitor.send(GET)
    assert [message["type"] for message in messages] == ["http.request", "http.disconnect"]
    assert tally == {FrontDoorEvent.REQUEST: 1, FrontDoorEvent.CLIENT_GONE: 1}
    assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_app_hears_that_the_client_left_in_the_middle_of_its_content() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"], (await receive())["type"]])

    async with open_visit(make_door(app)) as visitor:
        await visitor.send(post(b"content")[:-2])
    assert heard == ["http.request", "http.disconnect", "http.disconnect"]


async def test_app_that_watches_for_the_client_hears_when_its_answer_is_out() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

        async def watch() -> None:
            heard.append((await receive())["type"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await wait_all_tasks_blocked()
            await answer(send, scope["path"].encode())

    async with open_visit(make_door(app)) as visitor:
        # What the watcher reads meanwhile is the next request, and it is answered too.
        await visitor.send(GET + GET.replace(b"/ ", b"/next "))
        assert (await visitor.read_answer()).body == b"/"
        assert (await visitor.read_answer()).body == b"/next"
    assert heard == ["http.disconnect", "http.disconnect"]


async def test_sending_to_a_client_that_left_is_an_oserror() -> None:
    failures: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start_message())
        for _ in range(2):
            try:
                while True:
                    await send(body_message(bytes(1000), is_more=True))
            except OSError as error:
                failures.append(error)

    async with open_visit(make_door(app)) as visitor:
        await visitor.send(GET)
        await visitor.transport.receive_some()
        visitor.transport.abort()
    assert len(failures) == 2


async def test_app_that_still_reads_when_its_answer_is_out_hears_the_end() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def read() -> None:
            heard.append((await receive())["type"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            await answer(send, b"early")

    async with open_visit(make_door(app)) as visitor:
        await visitor.send(post(b"x")[:-1])
        assert (await visitor.read_answer()).body == b"early"
        assert await visitor.read_to_end() == b""
    assert heard == ["http.disconnect"]


async def test_lost_connection_is_heard_like_an_ended_one() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"]])

    async with open_visit(make_door(app)) as visitor:
        await visitor.send(GET)
        await wait_all_tasks_blocked()
        visitor.transport.abort()
    assert heard == ["http.request", "http.disconnect"]


async def test_client_that_pipelines_faster_than_it_is_answered_has_to_wait() -> None:
    may_answer = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await may_answer.wait()
            await answer(send, b"x")

    sent = 0
    async with open_visit(make_door(app)) as visitor, trio.open_nursery() as nursery:

        async def flood() -> None:
            nonlocal sent
            for _ in range(20_000):
                await visitor.send(GET)
                sent += 1

        nursery.start_soon(flood)
        await wait_all_tasks_blocked()
        # One read beyond the limit, and the buffer in between: no more is taken from the client.
        assert sent * len(GET) < 4 * 65536
        may_answer.set()
        for _ in range(100):
            assert (await visitor.read_answer()).status == 200
        nursery.cancel_scope.cancel()


# Apps that fail.


async def test_app_that_shields_itself_from_a_refusal_cannot_answer_any_more() -> None:
    failures: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with trio.CancelScope(shield=True):
            for step in (lambda: read_body(receive), lambda: answer(send)):
                try:
                    await step()
                except OSError as error:
                    failures.append(error)

    async with open_visit(make_door(app)) as visitor:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        await visitor.send(head)
        await wait_all_tasks_blocked()
        assert_problem(await visitor.ask(b"nonsense\r\n"), 400)
    assert len(failures) == 2


async def crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("the app's secret")


async def crash_in_a_nursery(scope: Scope, receive: Receive, send: Send) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crash, scope, receive, send)
        nursery.start_soon(crash, scope, receive, send)


async def say_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await trio.lowlevel.checkpoint()


async def start_only(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start_message())


async def send_out_of_order(scope: Scope, receive: Receive, send: Send) -> None:
    await send(body_message())


async def split_the_response(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start_message(200, (b"x", b"a\r\nSet-Cookie: b")))
    await send(body_message())


@pytest.mark.parametrize(
    "app", [crash, crash_in_a_nursery, say_nothing, start_only, send_out_of_order, split_the_response]
)
async def test_failing_app_is_logged_once_and_answered_500(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
) -> None:
    tally = Tally()
    with capture_logs() as logs:
        async with open_visit(make_door(app, tally=tally)) as visitor:
            found = await visitor.ask(GET)
            assert_problem(found, 500)
            assert b"secret" not in found.body
            assert await visitor.read_to_end() == b""
    assert tally == {FrontDoorEvent.REQUEST: 1, FrontDoorEvent.APP_ERROR: 1}
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["the app failed"]


async def crash_after_start(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start_message())
    await send(body_message(b"half", is_more=True))
    raise LookupError("too late")


async def promise_too_much(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start_message(200, (b"content-length", b"10")))
    await send(body_message(b"half", is_more=True))
    await send(body_message())


async def promise_too_little(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start_message(200, (b"content-length", b"5")))
    await send(body_message(b"half", is_more=True))
    await send(body_message(b"and more"))


@pytest.mark.parametrize("app", [crash_after_start, promise_too_much, promise_too_little])
async def test_answer_that_the_app_leaves_incomplete_is_cut_visibly(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
) -> None:
    tally = Tally()
    with capture_logs() as logs:
        async with open_visit(make_door(app, tally=tally)) as visitor:
            await visitor.send(GET)
            with pytest.raises(PeerGone):
                await visitor.read_to_end()
    assert tally[FrontDoorEvent.APP_ERROR] == 1
    assert len([entry for entry in logs if entry["log_level"] == "error"]) == 1


async def test_app_that_fails_after_its_answer_keeps_the_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"all of it")
        raise LookupError("in the background")

    tally = Tally()
    with capture_logs() as logs:
        async with open_visit(make_door(app, tally=tally)) as visitor:
            assert (await visitor.ask(GET)).body == b"all of it"
            assert (await visitor.ask(GET)).body == b"all of it"
    assert tally[FrontDoorEvent.APP_ERROR] == 2
    assert len(logs) == 2


async def test_cancelling_passes_through_the_app_and_closes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:

        async def visit() -> None:
            async with open_visit(make_door(app)) as visitor:
                await visitor.send(GET)
                await trio.sleep_forever()

        nursery.start_soon(visit)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


class BrokenTransport(MemoryTransport):
    """A transport with a bug."""

    async def receive_some(self, max_bytes: int = 1) -> bytes:
        raise LookupError("a bug of ours")


async def test_bug_of_ours_is_logged_counted_and_stays_in_its_connection() -> None:
    tally = Tally()
    door = make_door(hello_app, tally=tally)
    transport, _ = memory_transport_pair()
    transport.__class__ = BrokenTransport
    with capture_logs() as logs, door.admission.admit("192.0.2.1", 0) as slot:
        await serve_connection(transport, door, slot)
    assert tally == {FrontDoorEvent.CONNECTION_ERROR: 1}
    assert [entry["event"] for entry in logs] == ["a connection failed"]


# Drain.


async def test_drain_closes_idle_connections_and_lets_busy_ones_finish() -> None:
    may_answer = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await may_answer.wait()
        await answer(send, b"done")

    door = make_door(app)
    async with open_visit(door) as idle, open_visit(door) as busy, open_visit(door) as new:
        await idle.ask(GET)
        await busy.send(GET.replace(b"/ ", b"/slow ") + GET)
        await wait_all_tasks_blocked()
        door.drain.begin()
        assert await idle.read_to_end() == b""
        assert await new.read_to_end() == b""
        may_answer.set()
        found = await busy.read_answer()
        assert (found.body, found.headers[b"connection"]) == (b"done", b"close")
        assert await busy.read_to_end() == b""


def test_settings_that_cannot_be_obeyed_are_all_named() -> None:
    settings = FrontDoorSettings(head_timeout=0, max_unproven=-1, max_body_bytes_by_prefix={"up": 1})
    with pytest.raises(ConfigError) as refusal:
        settings.validate()
    for name in ("head_timeout", "max_unproven", "max_body_bytes_by_prefix"):
        assert name in str(refusal.value)
