"""What the console is told of the programs that customers can download."""

from relay.downloads import Target
from relay.people import TechnicianRole
from tests.api.conftest import World, assert_problem
from tests.helpers.host_files import publish


async def test_a_technician_sees_what_there_is_and_what_is_missing(world: World) -> None:
    publish(world.context.settings.downloads, Target.LINUX)
    publish(world.context.settings.downloads, Target.WINDOWS, sha256="0" * 64)
    async with await world.client_of(world.alice) as client:
        windows, linux, python = (await client.get("/api/v1/downloads")).json()["downloads"]
    assert windows == {"target": "windows", "file": "adhoc-host.exe", "host": None, "fault": "other_file"}
    assert (linux["host"]["file"], linux["fault"]) == ("adhoc-host-linux", None)
    assert (python["host"], python["fault"]) == (None, "missing")


async def test_an_auditor_who_prepares_nothing_is_not_told(world: World) -> None:
    auditor = await world.accounts.create_technician(
        world.company.id, name="Aud", email="aud@help.example", role=TechnicianRole.AUDITOR
    )
    async with await world.client_of(auditor) as client:
        assert_problem(await client.get("/api/v1/downloads"), 403)
