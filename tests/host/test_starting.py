"""What does not begin leaves nothing on the computer, and the relay hears why."""

from pathlib import Path

import pytest

from host import starting
from host.arguments import Arguments
from host.host_lock import HostLock
from host.layout import data_folder
from host.preflight import Obstacle
from host.starting import CannotStart, start
from host.texts import Texts
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import DeploymentLink
from relay.protocol.refusals import Refusal

LINK = DeploymentLink(
    origin="https://relay.example", invite=bytes(16), secret=SecretBytes(bytes(16)), access_password="a"
)


class Scene:
    """A customer's home folder, and what the relay was told."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.told: list[tuple[str, bytes, Refusal]] = []
        self.obstacle: Obstacle | None = None
        self.asked = 0
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
        monkeypatch.setenv("DISPLAY", ":987")
        monkeypatch.setattr(starting, "find_obstacle_here", lambda texts: None)
        monkeypatch.setattr(starting, "find_obstacle_with", self._find)
        monkeypatch.setattr(starting, "report_refusal", lambda *said: self.told.append(said))

    def _find(self, link: DeploymentLink, texts: Texts) -> Obstacle | None:
        self.asked += 1
        return self.obstacle

    def start(self, *, link: DeploymentLink | None = LINK, resume: Path | None = None) -> starting.Start:
        given = Arguments(link=link, resume=resume, is_terminal=True, display=None, data_home=None)
        return start(given, Texts("en"))

    def traces(self) -> list[Path]:
        return sorted(self.home.rglob("*"))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_whatever_is_in_the_way_nothing_is_installed_and_the_relay_is_told(
    scene: Scene, refusal: Refusal
) -> None:
    scene.obstacle = Obstacle(refusal, "Not on this computer.")
    with pytest.raises(CannotStart, match=r"Not on this computer\.") as caught:
        scene.start()
    assert caught.value.refusal is refusal
    assert scene.told == [(LINK.origin, LINK.invite, refusal)]
    assert scene.traces() == []


def test_without_a_display(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(CannotStart):
        scene.start()
    assert [refusal for *_, refusal in scene.told] == [Refusal.NO_DISPLAY]
    assert scene.traces() == []


def test_while_another_one_runs(scene: Scene) -> None:
    lock = HostLock(data_folder())
    before = scene.traces()
    with pytest.raises(CannotStart):
        scene.start()
    assert [refusal for *_, refusal in scene.told] == [Refusal.OTHER_HOST]
    assert scene.traces() == before
    lock.release(remove=True)


def test_where_nothing_can_be_written(scene: Scene) -> None:
    (scene.home / ".local").write_text("a file")
    with pytest.raises(CannotStart):
        scene.start()
    assert [refusal for *_, refusal in scene.told] == [Refusal.CANNOT_INSTALL]
    assert scene.traces() == [scene.home / ".local"]


def test_a_session_that_has_begun_here_is_not_asked_about_again(scene: Scene) -> None:
    first = scene.start()
    (first.installation.folder / "state").write_bytes(b"begun")
    first.lock.release(remove=False)
    scene.obstacle = Obstacle(Refusal.DEAD_LINK, "Used.")  # by this very host
    again = scene.start()
    assert (scene.asked, again.installation.has_state) == (1, True)
    again.remove()
    assert scene.traces() == []


def test_a_resumed_session_that_is_not_there_tells_nobody(scene: Scene) -> None:
    with pytest.raises(CannotStart):
        scene.start(link=None, resume=scene.home / "adhoc-host" / ("0" * 16))
    assert scene.told == []
    assert scene.traces() == []
