"""What mails say, in both languages; and that nobody can smuggle a header or markup into one."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from relay.audit.receipts import ACTS, OTHER_ACT
from relay.mail import (
    Brand,
    DeploymentMail,
    InvitationMail,
    Mail,
    ReceiptMail,
    ReceiptUse,
    ResetMail,
    TestMail,
    WebhookMail,
    compose,
    visible,
)
from relay.mail.composing import ACT_NAMES, DARK, LIGHT, duration, readable_on
from relay.mail.mails import KINDS, Envelope, decode, encode
from relay.store.logo_rows import Logo

LINK = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.corr%C3%A9ct%20horse"
BRAND = Brand(name="Help & Söhne", phone="+44 20 7946 0000", colour="#0a7d55")
NOW = datetime(2025, 1, 2, 10, 30, tzinfo=UTC)
DEPLOYMENT = DeploymentMail(
    to="ana@example.com", reply_to="alice@help.example", technician="Alice", language="en", link=LINK
)
RECEIPT = ReceiptMail(
    to="ana@example.com",
    language="en",
    technicians=("Alice", "Bob"),
    activated_at=NOW,
    ended_at=NOW.replace(hour=11, minute=35),
    end_sentence="The customer ended the session.",
    removal="confirmed",
    uses=(
        ReceiptUse(technician="Alice", tool="control", can_act=True, began_at=NOW, seconds=40),
        ReceiptUse(technician="Bob", tool="files", can_act=False, began_at=NOW, seconds=720),
    ),
)
MAILS: list[Mail] = [
    DEPLOYMENT,
    InvitationMail(
        to="bob@help.example", language="en", name="Bob", inviter="Alice", link="https://r.example/invite#T"
    ),
    ResetMail(to="bob@help.example", language="en", name="Bob", link="https://r.example/reset#T"),
    RECEIPT,
    TestMail(to="bob@help.example", language="en", name="Bob"),
    WebhookMail(to="bob@help.example", language="en", name="Bob", receiver="hooks.example"),
]
TEXT_FIELDS = [
    (mail, each.name)
    for mail in MAILS
    for each in fields(mail)
    if isinstance(getattr(mail, each.name), str) and each.name != "removal"
]


def composed(mail: Mail, brand: Brand = BRAND) -> EmailMessage:
    envelope = Envelope(mail, "<1@help.example>", is_by_relay=False)
    return compose(envelope, brand, sender="relay@help.example", now=NOW)


def parts_of(message: EmailMessage) -> tuple[str, str]:
    """Text and HTML, as a mail program shows them."""
    parsed = message_from_bytes(message.as_bytes(), policy=default)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content().replace("\r\n", "\n"), html.get_content()


def test_every_kind_is_tried_here() -> None:
    assert {mail.kind for mail in MAILS} == set(KINDS)


def test_mail_says_who_helps_and_how_to_call_back() -> None:
    message = composed(DEPLOYMENT)
    assert str(message["Subject"]) == "Help & Söhne: help with your computer"
    assert message["To"].addresses[0].addr_spec == "ana@example.com"
    assert message["From"].addresses[0].display_name == "Help & Söhne"
    assert message["Reply-To"].addresses[0].addr_spec == "alice@help.example"
    assert message["Message-ID"] == "<1@help.example>"
    text, html = parts_of(message)
    assert "Alice of Help & Söhne would like to help you" in text
    assert "Call Help & Söhne yourself: +44 20 7946 0000" in text
    assert "well-known fraud" in text
    assert "Help &amp; Söhne" in html


def test_link_survives_the_mail_whole() -> None:
    text, html = parts_of(composed(DEPLOYMENT))
    assert LINK in text.split()
    assert f'href="{LINK}"' in html


def test_mail_speaks_spanish() -> None:
    message = composed(replace(DEPLOYMENT, language="es"))
    assert str(message["Subject"]) == "Help & Söhne: ayuda con su equipo"
    text, html = parts_of(message)
    assert "es una estafa muy conocida" in text
    assert 'lang="es"' in html


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.kind)
def test_every_mail_is_another_in_spanish(mail: Mail) -> None:
    english, spanish = composed(mail), composed(replace(mail, language="es"))
    assert str(english["Subject"]) != str(spanish["Subject"])
    for one, other in zip(parts_of(english), parts_of(spanish), strict=True):
        assert one != other
        assert "Help" in other


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.kind)
def test_text_has_no_leftovers_of_the_template(mail: Mail) -> None:
    text, _ = parts_of(composed(mail))
    assert "\n\n\n" not in text
    assert not any(line.startswith(" ") or line.endswith(" ") for line in text.splitlines() if line != "-- ")
    assert text.endswith("-- \nHelp & Söhne\n+44 20 7946 0000\n")


def test_without_a_phone_number_nothing_is_said_about_calling() -> None:
    text, html = parts_of(composed(DEPLOYMENT, replace(BRAND, phone="")))
    assert "yourself" not in text
    assert "yourself" not in html


def test_only_a_customer_writes_back_to_a_person() -> None:
    for mail in MAILS:
        message = composed(mail)
        assert ("Reply-To" in message) == (mail is DEPLOYMENT)
        assert (message["Auto-Submitted"] == "auto-generated") == (mail is not DEPLOYMENT)


def test_receipt_says_who_when_how_long_and_with_what() -> None:
    text, html = parts_of(composed(RECEIPT))
    assert "Alice and Bob of Help & Söhne helped you" in text
    assert "From: 2 Jan 2025, 10:30 UTC" in text
    assert "In all: 1 h 5 min" in text
    assert "Why it ended: The customer ended the session." in text
    assert "- 2 Jan 2025, 10:30 UTC: Remote Control, Alice, 40 s" in text
    assert "- 2 Jan 2025, 10:30 UTC: File Manager (watching only), Bob, 12 min" in text
    assert "has confirmed that it removed itself" in text
    assert "Remote Control" in html


def test_receipt_says_that_the_programs_last_files_go_as_it_ends() -> None:
    text, html = parts_of(composed(replace(RECEIPT, removal="all_but_last")))
    for said in (text, html):
        assert "removed itself, but for the files that it ran from at the end" in said
    text, _ = parts_of(composed(replace(RECEIPT, removal="all_but_last", language="es")))
    assert "salvo los archivos desde los que se ejecutaba" in text


def test_receipt_says_what_was_changed_and_a_word_that_is_unknown_is_some_other_change() -> None:
    acts = (("file_written", 3), ("process_ended", 1), ("<b>new</b>", 2))
    text, html = parts_of(composed(replace(RECEIPT, acts=acts)))
    assert "What was changed\n\n- Files written: 3\n- Processes ended: 1\n- Other changes: 2\n" in text
    assert "Files written" in html
    assert "new" not in html.partition("What was changed")[2].partition("</table>")[0]
    text, _ = parts_of(composed(replace(RECEIPT, acts=acts, language="es")))
    assert "- Archivos escritos: 3" in text
    assert "What was changed" not in parts_of(composed(RECEIPT))[0]


def test_every_act_has_a_name() -> None:
    assert set(ACT_NAMES) == {*ACTS, OTHER_ACT}


def test_receipt_of_a_session_that_nobody_used() -> None:
    text, html = parts_of(composed(replace(RECEIPT, uses=(), removal="pending", language="es")))
    for part in (text, html):
        assert "Nadie se conectó a su equipo." in part
        assert "todavía no ha confirmado" in part


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (86400, "24 h 0 min"), (-1, "0 s")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


# Brand


def test_mail_bears_the_companys_colour_with_readable_letters_on_it() -> None:
    _, html = parts_of(composed(DEPLOYMENT, replace(BRAND, colour="#ffe066")))
    assert "background:#ffe066" in html
    assert f"color:{DARK}" in html
    _, html = parts_of(composed(DEPLOYMENT, replace(BRAND, colour="")))
    assert "background:#1f5fd6" in html
    assert f"color:{LIGHT}" in html


def test_what_is_no_colour_never_reaches_the_style() -> None:
    _, html = parts_of(composed(DEPLOYMENT, replace(BRAND, colour="red;x:url(http://evil.example)")))
    assert "evil" not in html


def test_letters_on_any_colour_have_enough_contrast() -> None:
    assert readable_on("#000000") == LIGHT
    assert readable_on("#ffffff") == DARK
    assert readable_on("#777777") in (LIGHT, DARK)


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg"])
def test_logo_is_in_the_message_itself(media_type: str) -> None:
    message = composed(DEPLOYMENT, replace(BRAND, logo=Logo(media_type, b"picture")))
    parsed = message_from_bytes(message.as_bytes(), policy=default)
    (image,) = [part for part in parsed.walk() if part.get_content_type() == media_type]
    assert image["Content-ID"] == "<logo@brand>"
    assert image.get_content() == b"picture"
    assert image.get_content_disposition() == "inline"
    _, html = parts_of(message)
    assert 'src="cid:logo@brand"' in html
    assert parsed.get_content_type() == "multipart/alternative"


def test_a_logo_that_mail_programs_cannot_show_is_left_out() -> None:
    message = composed(DEPLOYMENT, replace(BRAND, logo=Logo("image/webp", b"picture")))
    assert b"cid:" not in message.as_bytes()
    assert b"image/webp" not in message.as_bytes()


# Smuggling


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.kind)
def test_names_cannot_become_markup(mail: Mail) -> None:
    hostile: dict[str, Any] = {
        each.name: '"><script>x</script>'
        for each in fields(mail)
        if each.name in ("technician", "name", "inviter", "receiver", "end_sentence")
    }
    brand = Brand(name="<script>x</script>", phone="<i>")
    _, html = parts_of(composed(replace(mail, **hostile), brand))
    assert "<script>" not in html
    assert "<i>" not in html


@pytest.mark.parametrize(("mail", "field"), TEXT_FIELDS, ids=lambda value: getattr(value, "kind", value))
@pytest.mark.parametrize(
    "smuggled", ["x\r\nBcc: eve@example.com", "x\ny", "x\ry", "x\0", "x\u2028y", "x\x1b[2J"]
)
def test_no_field_takes_a_line_break(mail: Mail, field: str, smuggled: str) -> None:
    with pytest.raises(ValueError, match=r"line of text|unknown"):
        replace(mail, **{field: smuggled})


def test_lists_take_no_line_break_either() -> None:
    with pytest.raises(ValueError, match="line of text"):
        replace(RECEIPT, technicians=("Alice", "x\r\nBcc: eve@example.com"))
    with pytest.raises(ValueError, match="line of text"):
        replace(RECEIPT.uses[0], technician="x\r\ny")


@pytest.mark.parametrize("field", ["name", "phone"])
def test_brand_takes_no_line_break(field: str) -> None:
    with pytest.raises(ValueError, match="line of text"):
        Brand(**{"name": "Help", field: "x\r\nBcc: eve@example.com"})  # type: ignore[arg-type] # texts only


def test_sender_takes_no_line_break() -> None:
    envelope = Envelope(DEPLOYMENT, "<1@x>", is_by_relay=False)
    with pytest.raises(ValueError, match=r".+"):
        compose(envelope, BRAND, sender="relay@help.example\r\nBcc: eve@example.com", now=NOW)


def test_message_id_takes_no_line_break() -> None:
    envelope = Envelope(DEPLOYMENT, "<1@x>\r\nBcc: eve@example.com", is_by_relay=False)
    with pytest.raises(ValueError, match=r".+"):
        compose(envelope, BRAND, sender="relay@help.example", now=NOW)


@pytest.mark.parametrize("address", ["ana@example.com, eve@example.com", "Ana <ana@example.com>", "ana", ""])
def test_only_one_plain_address_is_written_to(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        replace(DEPLOYMENT, to=address)
    with pytest.raises(ValueError, match=r".+"):
        replace(DEPLOYMENT, reply_to=address)


def test_names_lose_what_turns_text_around() -> None:
    assert visible("Alice\u202egpj.exe\u200b") == "Alicegpj.exe"
    message = composed(replace(DEPLOYMENT, technician="A\u202eb"), Brand(name="C\u2066d"))
    assert message["From"].addresses[0].display_name == "Cd"
    assert "Ab of Cd would" in parts_of(message)[0]


def test_link_is_hidden_from_repr() -> None:
    for mail in MAILS:
        assert "#" not in repr(mail)


# At rest


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.kind)
def test_a_mail_comes_back_as_it_was_stored(mail: Mail) -> None:
    envelope = Envelope(mail, "<1@x>", is_by_relay=True)
    assert decode(encode(envelope)) == envelope


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"kind": "none"}', b'{"kind": "test", "mail": {}}', b"\xff"]
)
def test_what_is_no_mail_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(content)
