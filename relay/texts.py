"""What people read, in their language: gettext catalogues of the Python side.

English is the source text; ``relay/locale/<language>/LC_MESSAGES/relay.po`` holds the others, and is
compiled in memory at first use, so that no build step can be forgotten; a program with an event loop calls
`load_translations` before it serves anybody, because that takes a while. Texts are marked where they are
written: ``{% trans %}`` in the mail templates, `mark` in Python. `tests/api/test_texts.py` collects the marks
and fails for a text without a translation.

To add a language: copy a ``.po`` file, translate it, and add the language to `LANGUAGES`.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES: Final = ("en", "es")
"""What a technician can choose for a customer; the first is the source language."""


def mark(text: str) -> str:
    """`text` itself: tells readers and the test of the catalogues that it is translated where it is shown."""
    return text


def one_line(text: str) -> str:
    """`text`, untrusted, as names and telephone numbers are kept: NFC, single blanks, nothing hidden.

    Raises:
        ValueError: it has characters that cannot be seen, or change the direction of the text around them;
            headers of mails refuse them too. The message is a sentence for a person.
    """
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    if not line.isprintable():
        raise ValueError("Hidden characters, and those that change the direction of text, are not allowed.")
    return line


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of `language`, one of `LANGUAGES`; the source language's answers every text with itself.

    Raises:
        KeyError: there is no such language.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    if language == LANGUAGES[0]:
        return NullTranslations()
    source = files("relay") / "locale" / language / "LC_MESSAGES" / "relay.po"
    compiled = BytesIO()
    with source.open("rb") as opened:
        write_mo(compiled, read_po(opened, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


def load_translations() -> None:
    """Compile all catalogues now, so that the first reader of a language does not wait for it."""
    for language in LANGUAGES:
        translations(language)


def translate(language: str, text: str, /, **values: object) -> str:
    """`text` in `language`, with ``{names}`` filled in; in English where no translation exists.

    A text that comes with braces of its own (a problem's detail made elsewhere) is safe: nothing is filled
    in unless `values` are given.
    """
    translated = translations(language).gettext(text) if text else text
    return translated.format(**values) if values else translated


def best_language(accept_language: str, known: Iterable[str] = LANGUAGES) -> str:
    """The language to answer in, from an Accept-Language header (RFC 9110 §12.5.4); untrusted.

    Returns:
        The first known language by the reader's weights, the source language if there is none.
    """
    wishes: list[tuple[float, str]] = []
    for part in accept_language[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        wishes.append((weight, tag.strip().lower().partition("-")[0]))
    languages = tuple(known)
    for weight, language in sorted(wishes, key=lambda wish: -wish[0]):
        if weight > 0 and language in languages:
            return language
    return languages[0]
