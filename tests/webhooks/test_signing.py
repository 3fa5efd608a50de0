"""Signatures, against the example with which the libraries of Standard Webhooks test themselves."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relay.webhooks.signing import SECRET_BYTES, new_secret, sign, write_secret


def test_signature_is_the_specifications() -> None:
    headers = sign(
        base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        body='{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_secrets_are_fresh_and_hidden() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(first) == SECRET_BYTES
    written = write_secret(first)
    assert written.startswith("whsec_")
    assert base64.b64decode(written.removeprefix("whsec_")) == first
    assert written[6:] not in repr(first)


def test_the_documented_check_accepts_what_is_sent_and_nothing_else() -> None:
    document = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    example = document.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - our own documentation
    is_genuine = names["is_genuine"]
    secret, body = new_secret(), '{"é": 1}'
    headers = dict(sign(secret, delivery_id="one", at=datetime.now(UTC), body=body))
    assert is_genuine(write_secret(secret), headers, body.encode())
    assert not is_genuine(write_secret(secret), headers, b"{}")
    assert not is_genuine(write_secret(new_secret()), headers, body.encode())
    assert not is_genuine(write_secret(secret), headers | {"webhook-id": "two"}, body.encode())
    old = sign(secret, delivery_id="one", at=datetime.fromtimestamp(1614265330, UTC), body=body)
    assert not is_genuine(write_secret(secret), dict(old), body.encode())
