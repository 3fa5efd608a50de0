"""Requests that are sent twice."""

from functools import partial

import pytest
import trio

from relay.auth import digest
from relay.store import idempotency_rows
from tests.api.conftest import INVITE, World, assert_problem

PREPARE = {"invite": INVITE, "customer_email": "ana@example.com"}
KEY = {"Idempotency-Key": "4711-a"}


async def test_the_same_request_again_gets_the_same_answer_and_makes_nothing(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        first = await client.post("/api/v1/sessions", json=PREPARE, headers=KEY)
        again = await client.post("/api/v1/sessions", json=PREPARE, headers=KEY)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert len((await client.get("/api/v1/sessions")).json()["sessions"]) == 1


async def test_another_request_with_the_same_key_is_refused(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        await client.post("/api/v1/sessions", json=PREPARE, headers=KEY)
        other = await client.post("/api/v1/sessions", json=PREPARE | {"note": "x"}, headers=KEY)
        assert_problem(other, 422)


async def test_a_failed_request_frees_its_key(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        wrong = await client.post("/api/v1/sessions", json=PREPARE | {"customer_email": "x"}, headers=KEY)
        assert_problem(wrong, 422)
        right = await client.post("/api/v1/sessions", json=PREPARE, headers=KEY)
        assert right.status_code == 201


async def test_keys_are_each_persons_own(world: World) -> None:
    async with await world.client_of(world.alice) as alice, await world.client_of(world.mallory) as mallory:
        first = await alice.post("/api/v1/sessions", json=PREPARE, headers=KEY)
        other = PREPARE | {"invite": "B" * 21 + "A"}
        second = await mallory.post("/api/v1/sessions", json=other, headers=KEY)
        assert second.status_code == 201
        assert second.json()["session"]["id"] != first.json()["session"]["id"]


async def test_of_several_at_once_one_makes_something(world: World) -> None:
    statuses: list[int] = []
    async with await world.client_of(world.alice) as client:

        async def send() -> None:
            statuses.append((await client.post("/api/v1/sessions", json=PREPARE, headers=KEY)).status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(send)
        assert statuses.count(201) >= 1
        assert set(statuses) <= {201, 409}
        assert len((await client.get("/api/v1/sessions")).json()["sessions"]) == 1


async def test_a_request_that_died_with_the_relay_does_not_hold_its_key_for_ever(world: World) -> None:
    store, key = world.context.store, digest(KEY["Idempotency-Key"].encode())
    async with await world.client_of(world.alice) as client:
        await client.post("/api/v1/sessions", json=PREPARE, headers=KEY)
        find = partial(idempotency_rows.find, technician_id=world.alice.id, key_hash=key)
        kept = await store.read(find)
        assert kept is not None
        await store.write(
            partial(
                idempotency_rows.reserve,
                technician_id=world.alice.id,
                key_hash=key,
                request_hash=kept.request_hash,
                now=world.clock.now(),
            )
        )
        waiting = await client.post("/api/v1/sessions", json=PREPARE, headers=KEY)
        assert "still being answered" in waiting.json()["detail"]
        world.clock.advance(61)
        taken_over = await client.post("/api/v1/sessions", json=PREPARE, headers=KEY)
        assert "link was used" in taken_over.json()["detail"]  # asked anew, and refused for another reason
        assert await store.read(find) is None


@pytest.mark.parametrize("key", ["", "ä", "a b", "x" * 256])
async def test_keys_have_a_shape(world: World, key: str) -> None:
    async with await world.client_of(world.alice) as client:
        headers = {b"Idempotency-Key": key.encode()}
        assert_problem(await client.post("/api/v1/sessions", json=PREPARE, headers=headers), 422)
