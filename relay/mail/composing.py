"""From a mail to a message: headers, a plain text, and the same as HTML in the company's colours.

The message is made at the moment of sending, with the brand of that moment. Templates escape whatever they
are given; header values go through `email`'s own classes, which refuse line breaks once more.

The HTML is one column of inline styles, since mail programs know little else; a `<style>` for those that know
more turns it dark where its reader wants that. Nothing is loaded from anywhere: the logo is in the message.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache, partial
from typing import Any, Final

from babel.dates import format_datetime as format_for_people
from babel.lists import format_list
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from relay.mail.mails import Envelope, ReceiptMail, check_line
from relay.people import Company
from relay.store.logo_rows import Logo
from relay.texts import mark, translate, translations

ACCENT: Final = "#1f5fd6"
"""The product's own colour."""
LIGHT, DARK = "#ffffff", "#10141c"
"""What is written on the accent: of the two, one always has a contrast of 4.5 or more."""
MAILED_LOGOS: Final = frozenset({"image/png", "image/jpeg"})
"""Of the types that a logo may have, those that mail programs show; several still know no WebP."""
LOGO_ID: Final = "logo@brand"

TOOL_NAMES: Final = {
    "control": mark("Remote Control"),
    "files": mark("File Manager"),
    "dashboard": mark("Dashboard"),
    "shell": mark("Shell"),
    "chat": mark("Chat"),
}

ACT_NAMES: Final = {
    "file_written": mark("Files written"),
    "file_made": mark("Folders made"),
    "file_copied": mark("Files or folders copied"),
    "file_moved": mark("Files or folders moved"),
    "file_trashed": mark("Files or folders moved to the trash"),
    "file_deleted": mark("Files or folders deleted for good"),
    "process_ended": mark("Processes ended"),
    "priority_changed": mark("Priorities of processes changed"),
    "service_start": mark("Services started"),
    "service_stop": mark("Services stopped"),
    "service_restart": mark("Services restarted"),
    "shell_opened": mark("Terminals opened"),
    "restarted": mark("Restarts of the computer"),
    "other": mark("Other changes"),
}

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """Whose mail it is.

    Attributes:
        name: of the company.
        phone: where it can be called; may be empty.
        colour: ``#rrggbb``; empty for the product's own.
        logo: shown in the mail, or None.

    Raises:
        ValueError: a text is not one line.
    """

    name: str
    phone: str = ""
    colour: str = ""
    logo: Logo | None = None

    def __post_init__(self) -> None:
        check_line("name", self.name)
        check_line("phone", self.phone)

    @classmethod
    def of(cls, company: Company, logo: Logo | None) -> "Brand":
        """The brand of a company."""
        return cls(name=visible(company.name), phone=visible(company.phone), colour=company.colour, logo=logo)


def compose(envelope: Envelope, brand: Brand, *, sender: str, now: datetime) -> EmailMessage:
    """The message.

    Args:
        envelope: what it says, and its Message-ID.
        brand: whose it is.
        sender: the address it comes from.
        now: aware; becomes the Date header.

    Raises:
        ValueError: a header would have a line break in it.
    """
    mail = envelope.mail
    logo = brand.logo if brand.logo is not None and brand.logo.media_type in MAILED_LOGOS else None
    company = visible(brand.name)
    texts = {each.name: _shown(getattr(mail, each.name)) for each in fields(mail)}
    names = {name: value for name, value in texts.items() if isinstance(value, str)}
    subject = translate(mail.language, mail.subject, **names | {"company": company})
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = Address(display_name=company, addr_spec=sender)
    message["To"] = Address(addr_spec=mail.to)
    if mail.answers_to is not None:
        name, address = mail.answers_to
        message["Reply-To"] = Address(display_name=visible(name), addr_spec=address)
    else:
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's holiday notice answers it
    message["Date"] = format_datetime(now)
    message["Message-ID"] = envelope.message_id
    message["Content-Language"] = mail.language
    values: dict[str, Any] = texts | {
        "subject": subject,
        "company": company,
        "phone": visible(brand.phone),
        "accent": accent_of(brand),
        "on_accent": readable_on(accent_of(brand)),
        "logo_id": None if logo is None else LOGO_ID,
    }
    if isinstance(mail, ReceiptMail):
        values |= _receipt_values(mail)
    templates = _templates(mail.language)
    message.set_content(templates.get_template(f"{mail.kind}.txt").render(values))
    message.add_alternative(templates.get_template(f"{mail.kind}.html").render(values), subtype="html")
    if logo is not None:
        main, _, sub = logo.media_type.partition("/")
        html = message.get_body(("html",))
        if not isinstance(html, EmailMessage):
            raise AssertionError("the message has no HTML")
        html.add_related(
            logo.image, main, sub, cid=f"<{LOGO_ID}>", disposition="inline", filename=f"logo.{sub}"
        )
    return message


def accent_of(brand: Brand) -> str:
    """The brand's colour, or the product's own if it has none."""
    return brand.colour if _COLOUR.fullmatch(brand.colour) else ACCENT


def readable_on(colour: str) -> str:
    """Which of `LIGHT` and `DARK` is easier to read on ``#rrggbb`` (WCAG 2.2, contrast ratio)."""
    on_light = 1.05 / (_luminance(colour) + 0.05)
    on_dark = (_luminance(colour) + 0.05) / (_luminance(DARK) + 0.05)
    return LIGHT if on_light >= on_dark else DARK


def _luminance(colour: str) -> float:
    """Relative luminance, 0 … 1 (WCAG 2.2)."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def visible(text: str) -> str:
    """`text` in one line, without marks that nobody sees and that change the look of what is around them."""
    return "".join(each for each in text if each == " " or unicodedata.category(each) not in _HIDDEN).strip()


def _shown(value: object) -> object:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, tuple):
        return [_shown(each) for each in value]
    return value


def _receipt_values(mail: ReceiptMail) -> dict[str, object]:
    """A receipt in the customer's words. The time zone is not known: UTC, and it says so."""
    when = partial(_time, mail.language)
    return {
        "who": format_list([visible(name) for name in mail.technicians], locale=mail.language),
        "began": when(mail.activated_at),
        "ended": when(mail.ended_at),
        "lasted": duration((mail.ended_at - mail.activated_at).total_seconds()),
        "end_sentence": translate(mail.language, mail.end_sentence),
        "uses": [
            {
                "technician": visible(use.technician),
                "tool": translate(mail.language, TOOL_NAMES.get(use.tool, use.tool)),
                "can_act": use.can_act,
                "began": when(use.began_at),
                "lasted": duration(use.seconds),
            }
            for use in mail.uses
        ],
        "acts": [
            (translate(mail.language, ACT_NAMES.get(act, ACT_NAMES["other"])), count)
            for act, count in mail.acts
        ],
    }


def _time(language: str, at: datetime) -> str:
    return f"{format_for_people(at.astimezone(UTC), 'd MMM y, HH:mm', locale=language)} UTC"


def duration(seconds: float) -> str:
    """Such as ``1 h 5 min``, ``12 min`` or ``40 s``; the same in every language."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@cache
def _templates(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("relay.mail"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    # The i18n extension adds this method at run time; jinja2 has no type for it.
    install: Callable[..., None] = environment.install_gettext_translations  # type: ignore[attr-defined]
    install(translations(language), newstyle=True)
    return environment
