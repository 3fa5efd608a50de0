"""Foreign text on the customer's screen, and the sentences around it."""

import subprocess
import sys

import pytest

from host.customer import Asker, clean
from host.texts import _EN, _ES, Texts
from relay.protocol.close_reasons import CloseReason


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Marta Ruiz", "Marta Ruiz"),
        ("  two\n lines\t", "two lines"),
        ("\x1b[31mred\x07", "[31mred"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("", ""),
        ("ñandú 日本", "ñandú 日本"),
    ],
)
def test_foreign_text_is_one_clean_line(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_foreign_text_is_capped() -> None:
    assert clean("x" * 1000) == "x" * 79 + "…"
    assert len(clean("x" * 1000, 128)) == 128


def test_both_languages_have_the_same_sentences_with_the_same_gaps() -> None:
    def gaps(catalogue: dict[str, str]) -> dict[str, set[str]]:
        return {
            key: {part.split("}")[0].split(":")[0] for part in sentence.split("{")[1:]}
            for key, sentence in catalogue.items()
        }

    assert gaps(dict(_EN)) == gaps(dict(_ES))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(10, "1 minute"), (150, "2 minutes"), (3600, "60 minutes"), (7200, "2 hours"), (86_399, "24 hours")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert Texts("en").duration(seconds) == words


def test_the_countdown_never_goes_below_nothing() -> None:
    assert Texts("en").clock(86_340) == "23 h 59 min"
    assert Texts("es").clock(-5) == "0 h 00 min"


def test_the_desktops_language_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "es_MX.UTF-8")
    assert Texts.of_environment().get("close_button") == "Cerrar"
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert Texts.of_environment().get("close_button") == "Close"


def test_a_company_without_a_name_is_left_out() -> None:
    assert Texts("en").asks(Asker("Tess", "", "")) == "Tess asks to help you with this computer."


@pytest.mark.parametrize("reason", [reason for reason in CloseReason if reason.ends_session])
def test_every_ending_has_a_sentence_in_both_languages(reason: CloseReason) -> None:
    assert Texts("en").ending(reason).endswith(".")
    assert Texts("es").ending(reason) not in ("", "La sesión terminó.")


@pytest.mark.slow
def test_what_starts_the_single_file_needs_no_package() -> None:
    """It is imported before anything is unpacked; -S hides every installed package."""
    script = "import sys; sys.path.insert(0, '.'); import host.starting"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True, timeout=60)
