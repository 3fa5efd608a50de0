"""The pages that are no data: who gets the one for addresses that lead nowhere."""

import pytest

from tests.api.conftest import ORIGIN, World, assert_problem

PAGE = "<!doctype html><title>Nothing here</title>"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def built(world: World) -> World:
    """A world whose pages are built."""
    world.context.settings.static.mkdir()
    (world.context.settings.static / "missing.html").write_text(PAGE)
    return world


@pytest.mark.parametrize("path", ["/nothing", "/d", "/session/", "/setup", "/assets/none.js"])
async def test_a_person_at_a_browser_gets_a_page(built: World, path: str) -> None:
    async with built.client() as client:
        answer = await client.get(ORIGIN + path, headers=BROWSER)
        assert answer.status_code == 404
        assert answer.text == PAGE
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/api/v1/links/AAECAwQFBgcICQoLDA0ODw"])
async def test_the_api_answers_problems_to_browsers_too(built: World, path: str) -> None:
    async with built.client() as client:
        assert_problem(await client.get(ORIGIN + path, headers=BROWSER), 404)


async def test_programs_get_problems(built: World) -> None:
    async with built.client() as client:
        assert_problem(await client.get(ORIGIN + "/nothing"), 404)


async def test_before_the_pages_are_built_it_is_a_problem(world: World) -> None:
    async with world.client() as client:
        assert_problem(await client.get(ORIGIN + "/nothing", headers=BROWSER), 404)
