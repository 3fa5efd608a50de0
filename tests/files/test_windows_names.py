"""Which paths and names are refused on Windows; everywhere, since it is only text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.problems import RequestProblem
from host.windows import names
from host.windows.names import check_name, cut, is_device, names_of, native_path, parse_path, wire_path

DEVICES = (
    *("CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"),
    *(f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"),
)
_ANY = st.text(st.characters(), max_size=300)


def refuses(name: str) -> bool:
    try:
        check_name(name)
    except RequestProblem as problem:
        return problem.code == "bad_name"
    return False


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ()),
        ("/c:", ("C:",)),
        ("/C:/", ("C:",)),
        ("/C:/Users//ann/./x", ("C:", "Users", "ann", "x")),
        ("/z:/.hidden", ("Z:", ".hidden")),
        ("/C:/café/cafe\u0301", ("C:", "café", "cafe\u0301")),
        ("/C:/half \ud800 pair", ("C:", "half \ud800 pair")),
        ("/C:/PROGRA~1", ("C:", "PROGRA~1")),
    ],
)
def test_a_path_of_the_wire_has_a_drive_and_names(path: str, expected: tuple[str, ...]) -> None:
    assert parse_path(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "C:/Users",
        "C:\\Users",
        "C:",
        "/Users",
        "/C:Users",
        "/CC:/x",
        "/1:/x",
        "/é:/x",
        "/C:/../Windows",
        "/C:/a/..",
        "/C:/..",
        "/..",
        "/../C:",
        "/C:\\Users",
        "/C:/a\\..\\b",
        "/C:/a\0b",
        "//server/share/x",
        "\\\\server\\share",
        "//?/C:/x",
        "//./C:/x",
        "//?/UNC/server/share",
        "/??/C:/x",
        "/Device/HarddiskVolume1/x",
        "/GLOBALROOT/Device",
        "/C:/x/C:/y",
        "/C:/" + "/".join(["n" * 200] * 200),
    ],
)
def test_no_other_form_of_a_path_is_taken(path: str) -> None:
    with pytest.raises(RequestProblem) as refused:
        parse_path(path)
    assert refused.value.code == "bad_name"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("form", ["{}", "{}.txt", "{}.tar.gz", "{} .txt", "{}.", " {}"])
def test_devices_are_refused_in_every_form(device: str, form: str) -> None:
    name = form.format(device)
    assert refuses(name)
    assert refuses(name.lower())


@pytest.mark.parametrize("name", ["\uff23\uff2f\uff2e", "\uff4e\uff55\uff4c.txt", "COM①", "LPT⁹"])
def test_what_programs_without_unicode_take_for_a_device_is_refused(name: str) -> None:
    assert is_device(name)


@pytest.mark.parametrize(
    "name", ["console", "CON1", "COM", "COM10", "nul_", "x.con", "LPT", "auxiliary", "com1x.txt", "con,txt"]
)
def test_names_that_only_look_like_devices_are_good(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "...", ". .", "a.", "a ", "a. .", "a:b", "a::$DATA", "a:$I30:$INDEX_ALLOCATION"),
        *("a/b", "a\\b", "a?", "a*", "<a", 'a"', "a|b", "a\n", "\x1f", "a\0", "x" * 256, "\U0001f600" * 128),
    ],
)
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    assert refuses(name)


@pytest.mark.parametrize(
    "name", ["x" * 255, "\U0001f600" * 127, ".a", " a", "a b", "é", "a.b.c", "~$x.docx", "\u202ea"]
)
def test_strange_names_that_mean_themselves_are_good(name: str) -> None:
    check_name(name)


@given(_ANY)
def test_what_is_accepted_is_one_component_that_win32_leaves_alone(name: str) -> None:
    if not refuses(name):
        assert name == name.rstrip(". ")
        assert not set(name) & set('\\/:*?"<>|\0')
        assert name.split(".")[0].strip().upper() not in DEVICES
        assert len(name.encode("utf-16-le", "surrogatepass")) <= 510


@given(st.text(max_size=100))
def test_any_path_gives_good_names_or_a_refusal(path: str) -> None:
    try:
        found = parse_path("/C:/" + path)
    except RequestProblem:
        return
    assert found[0] == "C:"
    assert not any(refuses(name) for name in found[1:])
    assert parse_path("/" + "/".join(found)) == found


def test_windows_own_paths_go_both_ways() -> None:
    assert names_of("C:\\Users\\ann") == ("C:", "Users", "ann")
    assert names_of("\\\\?\\c:\\") == ("C:",)
    assert native_path(("C:", "Users", "ann")) == "\\\\?\\C:\\Users\\ann"
    assert native_path(("C:",)) == "\\\\?\\C:\\"
    assert wire_path("C:\\Users\\ann") == "/C:/Users/ann"
    assert wire_path("C:\\") == "/C:"
    with pytest.raises(RequestProblem):
        names_of("\\\\server\\share\\folder")


def test_case_does_not_matter_for_comparing() -> None:
    assert names.fold(("C:", "Straße")) == names.fold(("c:", "STRASSE"))
    assert names.fold(("C:", "café")) != names.fold(("C:", "cafe\u0301"))


@given(st.text(max_size=300), st.integers(0, 255))
def test_a_cut_name_fits_and_is_a_beginning(name: str, units: int) -> None:
    short = cut(name, units)
    assert name.startswith(short)
    assert len(short.encode("utf-16-le", "surrogatepass")) <= 2 * units
