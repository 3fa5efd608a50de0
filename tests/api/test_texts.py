"""The catalogues: every text that is marked has a translation, with the same blanks to fill in."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file

import relay
from relay.protocol.close_reasons import CloseReason
from relay.texts import LANGUAGES, best_language, mark, translate, translations

ROOT = Path(relay.__file__).parent
BLANK = re.compile(r"%\(\w+\)s|\{\w+\}")


def marked_texts() -> list[str]:
    """All texts that are translated where they are shown."""
    texts = {reason.sentence for reason in CloseReason if reason.ends_session}
    for path in ROOT.rglob("*.py"):
        texts |= {str(found[1]) for found in extract_from_file("python", path, keywords={"mark": None})}
    options = {"newstyle_gettext": "true", "encoding": "utf-8"}
    for path in (ROOT / "mail" / "templates").iterdir():
        texts |= {
            str(found[1]) for found in extract_from_file("jinja2.ext:babel_extract", path, options=options)
        }
    return sorted(texts)


def test_marks_are_found() -> None:
    texts = marked_texts()
    assert "Please sign in." in texts
    assert "Hello," in texts
    assert "The customer ended the session." in texts


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_marked_text_is_translated(language: str) -> None:
    catalogue = translations(language)
    missing = [text for text in marked_texts() if catalogue.gettext(text) == text]
    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_translations_fill_in_the_same_blanks(language: str) -> None:
    for text in marked_texts():
        assert sorted(BLANK.findall(text)) == sorted(BLANK.findall(translate(language, text))), text


def test_unknown_texts_stay_as_they_are() -> None:
    assert translate("es", "Not {in} the catalogue.") == "Not {in} the catalogue."
    assert translate("es", "") == ""
    assert mark("Hello,") == "Hello,"


def test_unknown_languages_have_no_catalogue() -> None:
    with pytest.raises(KeyError):
        translations("xx")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en-GB, es;q=0.5", "en"),
        ("de, es;q=0.5, en;q=0.1", "es"),
        ("es;q=0, en", "en"),
        ("es;q=high", "en"),
        ("de," * 1000 + "es", "en"),
    ],
)
def test_language_follows_the_readers_wishes(header: str, language: str) -> None:
    assert best_language(header) == language
