"""FastAPI behind the front door: what the relay's API will rely on."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from structlog.testing import capture_logs

from relay.http import FrontDoorEvent, open_lifespan
from tests.http.test_front_door import open_front_door
from tests.http.visitor import Tally, make_door

pytestmark = pytest.mark.sockets


class Order(BaseModel):
    item: str
    count: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    yield {"greeting": "hello"}


def make_app() -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.post("/orders")
    async def take_order(order: Order, request: Request) -> dict[str, Any]:
        return {"greeting": request.state.greeting, "item": order.item, "twice": order.count * 2}

    @app.get("/thread")
    def read_in_a_thread() -> dict[str, bool]:
        return {"is_main": threading.current_thread() is threading.main_thread()}

    @app.get("/numbers")
    async def read_numbers() -> StreamingResponse:
        async def numbers() -> AsyncIterator[str]:
            for number in range(1000):
                await trio.lowlevel.checkpoint()
                yield f"{number}\n"

        return StreamingResponse(numbers(), media_type="text/plain")

    @app.get("/endless")
    async def read_endless() -> StreamingResponse:
        async def noise() -> AsyncIterator[bytes]:
            while True:
                await trio.lowlevel.checkpoint()
                yield bytes(10_000)

        return StreamingResponse(noise())

    @app.get("/crash")
    async def crash() -> None:
        raise LookupError("crash")

    return app


@asynccontextmanager
async def open_api(tally: Tally | None = None) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app()
    async with (
        open_lifespan(app) as state,
        open_front_door(make_door(app, state=state, tally=tally)) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as client,
    ):
        yield client


async def test_json_goes_there_and_back_with_the_lifespan_state() -> None:
    async with open_api() as client:
        found = await client.post("/orders", json={"item": "café", "count": 21})
    assert found.json() == {"greeting": "hello", "item": "café", "twice": 42}


async def test_validation_errors_name_the_field() -> None:
    async with open_api() as client:
        found = await client.post("/orders", json={"item": "tea", "count": "many"})
        assert found.status_code == 422
        assert found.json()["detail"][0]["loc"] == ["body", "count"]
        assert (
            await client.post("/orders", content=b"{", headers={"content-type": "application/json"})
        ).is_error
        assert (await client.get("/nowhere")).status_code == 404


async def test_too_large_json_is_refused_before_it_is_parsed() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 1024

    async with open_api() as client:
        assert (await client.post("/orders", content=b" " * 262_145)).status_code == 413
        assert (await client.post("/orders", content=chunks())).status_code == 413
        assert (await client.post("/orders", content=b" " * 262_144)).status_code == 422


async def test_plain_functions_run_in_threads() -> None:
    async with open_api() as client:
        assert (await client.get("/thread")).json() == {"is_main": False}


async def test_streaming_response_arrives_whole() -> None:
    async with open_api() as client:
        found = await client.get("/numbers")
    assert found.text == "".join(f"{number}\n" for number in range(1000))


async def test_client_that_leaves_a_stream_is_no_error() -> None:
    tally = Tally()
    with capture_logs() as logs:
        async with open_api(tally) as client:
            async with client.stream("GET", "/endless") as response:
                assert response.status_code == 200
            with trio.fail_after(5):
                while not tally[FrontDoorEvent.CLIENT_GONE]:
                    await trio.lowlevel.checkpoint()
    assert tally[FrontDoorEvent.APP_ERROR] == 0
    assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_crashing_endpoint_is_500_and_the_next_request_works() -> None:
    tally = Tally()
    with capture_logs() as logs:
        async with open_api(tally) as client:
            assert (await client.get("/crash")).status_code == 500
            assert (await client.get("/thread")).status_code == 200
    assert tally[FrontDoorEvent.APP_ERROR] == 1
    assert len([entry for entry in logs if entry["log_level"] == "error"]) == 1
