"""The budget for strangers at its edges."""

from ipaddress import ip_network

import pytest

from relay.errors import LimitExceeded
from relay.http import Admission, FrontDoorSettings


def test_connections_in_all_are_capped_until_they_are_proven() -> None:
    admission = Admission(FrontDoorSettings(max_unproven=2))
    first = admission.admit("192.0.2.1", 0)
    admission.admit("192.0.2.2", 0)
    with pytest.raises(LimitExceeded) as refusal:
        admission.admit("192.0.2.3", 0)
    assert refusal.value.limit == "max_unproven"
    assert refusal.value.retry_after is not None
    assert admission.statistics().connections.held == 2  # nothing stays behind for the refused one
    first.prove()
    first.prove()
    admission.admit("192.0.2.3", 0)
    assert admission.statistics().unproven.held == 2
    assert admission.statistics().connections.held == 3


def test_connections_of_one_address_are_capped_until_they_are_released() -> None:
    admission = Admission(FrontDoorSettings(max_connections_per_address=2))
    first = admission.admit("2001:db8::1", 0)
    admission.admit("2001:db8::2", 0).prove()
    with pytest.raises(LimitExceeded) as refusal:
        admission.admit("2001:db8::3", 0)
    assert refusal.value.limit == "max_connections_per_address"
    admission.admit("2001:db8:0:1::3", 0)
    with first:
        first.release()
    admission.admit("2001:db8::3", 0)


def test_new_connections_of_one_address_have_a_rate() -> None:
    admission = Admission(FrontDoorSettings(connections_per_second=1, connection_burst=2))
    for _ in range(2):
        admission.admit("192.0.2.1", 0).release()
    with pytest.raises(LimitExceeded) as refusal:
        admission.admit("192.0.2.1", 0.5)
    assert refusal.value.retry_after == 0.5
    admission.admit("192.0.2.1", 1).release()
    assert admission.statistics().rate.refused == 1


def test_trusted_proxy_is_free_of_limits_by_address_but_not_of_the_one_for_all() -> None:
    settings = FrontDoorSettings(
        max_unproven=5,
        max_connections_per_address=1,
        connection_burst=1,
        trusted_proxies=(ip_network("127.0.0.1/32"),),
    )
    admission = Admission(settings)
    slots = [admission.admit("127.0.0.1", 0) for _ in range(5)]
    with pytest.raises(LimitExceeded) as refusal:
        admission.admit("127.0.0.1", 0)
    assert refusal.value.limit == "max_unproven"
    for slot in slots:
        slot.release()
    assert admission.statistics().unproven.held == 0


def test_loopback_is_nobody_special() -> None:
    admission = Admission(FrontDoorSettings(max_connections_per_address=1))
    admission.admit("127.0.0.1", 0)
    with pytest.raises(LimitExceeded):
        admission.admit("127.0.0.1", 0)
