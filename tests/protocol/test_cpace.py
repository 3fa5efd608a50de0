"""CPace against the draft's vectors and against an independent implementation."""

import secrets

import cpace as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import cpace
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("cpace-x25519-sha512")
RUN = {name: bytes.fromhex(value) for name, value in VECTORS["G_X25519"].items()}
P = 2**255 - 19


def test_generator_is_the_drafts() -> None:
    assert cpace.calculate_generator(RUN["PRS"], RUN["CI"], RUN["sid"]) == RUN["g"]


@pytest.mark.parametrize("side", ["a", "b"])
def test_shares_are_the_drafts(side: str) -> None:
    assert cpace.multiply(RUN[f"y{side}"], RUN["g"]) == RUN[f"Y{side}"]


@pytest.mark.parametrize(("scalar", "share"), [("ya", "Yb"), ("yb", "Ya")])
def test_both_sides_reach_the_drafts_session_key(scalar: str, share: str) -> None:
    k = cpace.multiply(RUN[scalar], cpace.check_share(RUN[share]))
    transcript = cpace.make_transcript(RUN["Ya"], RUN["ADa"], RUN["Yb"], RUN["ADb"])
    assert k == RUN["K"]
    assert cpace.derive_isk(RUN["sid"], k, transcript) == RUN["ISK_IR"]


@pytest.mark.parametrize("name", sorted(VECTORS["X25519_low_order_points"]))
def test_low_order_and_non_canonical_shares_are_refused(name: str) -> None:
    share = bytes.fromhex(VECTORS["X25519_low_order_points"][name])
    with pytest.raises(RemoteProtocolError) as caught:
        cpace.multiply(RUN["ya"], cpace.check_share(share))
    assert caught.value.close_reason is CloseReason.SEAL_BROKEN


@pytest.mark.parametrize("number", [P, P + 1, 2**255 - 1, 2**255, 2**255 + 9, 2**256 - 1])
def test_share_that_is_not_canonical_is_refused(number: int) -> None:
    with pytest.raises(RemoteProtocolError):
        cpace.check_share(number.to_bytes(32, "little"))


def test_largest_canonical_share_passes_the_check() -> None:
    share = (P - 1).to_bytes(32, "little")
    assert cpace.check_share(share) == share


@given(st.integers(0, 2**255 - 1))
def test_elligator_gives_a_point_of_the_curve(u: int) -> None:
    x = cpace.elligator2(u)
    assert 0 <= x < P
    assert pow(x**3 + 486662 * x * x + x, (P - 1) // 2, P) in (0, 1)


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 300, 20_000])
def test_length_is_leb128(size: int) -> None:
    encoded = cpace.lv_cat(bytes(size))
    length, shift = 0, 0
    for position, byte in enumerate(encoded):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            assert encoded[position + 1 :] == bytes(size)
            break
    assert length == size


@pytest.mark.parametrize("prs_size", [0, 16, 110, 111, 112, 113, 200])
def test_independent_implementation_agrees_as_initiator(prs_size: int) -> None:
    prs, ci, sid = secrets.token_bytes(prs_size), b"channel", secrets.token_bytes(32)
    theirs = oracle.CPace.start(role=oracle.CPaceRole.INITIATOR, prs=prs, ci=ci, sid=sid, ad=b"facts")
    scalar = secrets.token_bytes(32)
    share = bytes(cpace.multiply(scalar, cpace.calculate_generator(prs, ci, sid)))

    theirs.derive(share, b"claims")
    k = cpace.multiply(scalar, cpace.check_share(theirs.public_share))
    isk = cpace.derive_isk(sid, k, cpace.make_transcript(theirs.public_share, b"facts", share, b"claims"))

    assert isk == theirs.isk
    assert cpace.confirmation_tag(isk, sid, theirs.public_share, b"facts") == theirs.tag()
    assert theirs.verify(cpace.confirmation_tag(isk, sid, share, b"claims"))


def test_secrets_do_not_print_themselves() -> None:
    point = cpace.multiply(RUN["ya"], RUN["g"])
    for shown in (repr(point), str(point), f"{point}"):
        assert shown == "<32 secret bytes>"
