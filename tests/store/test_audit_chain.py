"""The chain's hash is what docs/audit.md says, whatever stands in a row."""

import hashlib
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from relay.store.audit_chain import Head, append, canonical, write_time

TEXT = st.text(max_size=20)


@given(
    st.integers(0, 1 << 40),
    st.binary(min_size=32, max_size=32),
    TEXT,
    st.datetimes(timezones=st.just(UTC)),
    st.none() | TEXT,
    TEXT,
    TEXT,
    st.binary(min_size=32, max_size=32),
)
def test_a_row_is_hashed_as_one_canonical_list(
    number: int,
    previous: bytes,
    chain: str,
    at: datetime,
    session_id: str | None,
    actor: str,
    action: str,
    fields_hash: bytes,
) -> None:
    row = canonical([chain, number + 1, write_time(at), session_id, actor, action, fields_hash.hex()])
    after = append(
        Head(number, previous),
        chain=chain,
        at=at,
        session_id=session_id,
        actor=actor,
        action=action,
        fields_hash=fields_hash,
    )
    assert after == Head(number + 1, hashlib.sha256(previous + row.encode()).digest())
