"""How managed host software is described: what can be named, and what cannot."""

import pytest

from relay.protocol.refusals import (
    MAX_TRAIT_CHARACTERS,
    MAX_TRAITS,
    Refusal,
    Trait,
    parse_trait,
    parse_traits,
)


@pytest.mark.parametrize(
    "text",
    [
        "service:acme-agent",
        "service:ScreenConnect Client (*",
        "service:Mesh Agent",
        "file:/opt/acme/agent",
        "file:/usr/lib/acme",
        "file:%ProgramFiles%\\Acme\\agent.exe",
        "file:%ProgramFiles(x86)%\\Acme",
        "registry:HKLM\\SOFTWARE\\Acme\\Agent 2",
    ],
)
def test_traits_are_written_as_they_are_read(text: str) -> None:
    assert str(parse_trait(text)) == text
    assert parse_trait(text) == Trait(text.partition(":")[0], text.partition(":")[2])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme",
        "service:",
        "service:*",
        "service:a*b",
        "service:../x",
        "service:acme\nx",
        "process:acme",
        "file:/home/ana/diary.txt",
        "file:/etc/passwd",
        "file:/opt",
        "file:/opt/../home/ana",
        "file:/opt/./x",
        "file:relative",
        "file:C:\\Users\\ana",
        "file:%ProgramFiles%\\..\\Users",
        "file:\\\\server\\share\\x",
        "registry:HKCU\\SOFTWARE\\Acme",
        "registry:HKLM\\SAM",
        "registry:HKLM\\SOFTWARE",
        "service:" + "a" * MAX_TRAIT_CHARACTERS,
    ],
)
def test_only_places_of_programs_can_be_named(text: str) -> None:
    """A computer tells by its refusal whether it has one: nobody may ask for people's files that way."""
    with pytest.raises(ValueError, match="must be"):
        parse_trait(text)


def test_a_list_is_bounded() -> None:
    assert len(parse_traits(["service:acme"] * MAX_TRAITS)) == MAX_TRAITS
    with pytest.raises(ValueError, match="at most"):
        parse_traits(["service:acme"] * (MAX_TRAITS + 1))


def test_each_refusal_is_a_step_of_its_own() -> None:
    assert Refusal.CLOCK.step == "refused_clock"
    assert len({refusal.step for refusal in Refusal}) == len(Refusal)
