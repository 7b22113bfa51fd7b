from __future__ import annotations

import pytest

from sipstack.message import URI
from sipstack.resolver import Query, Resolution, ResolveError, Target


def test_numeric_host_needs_no_query():
    resolution = Resolution(URI.parse("sip:192.0.2.1:5070"))
    assert resolution.next_query() is None
    assert resolution.targets == (Target("UDP", "192.0.2.1", 5070, "192.0.2.1"),)


@pytest.mark.rfc("R3263-4.2-1", "R3263-4.2-2")
def test_name_is_asked_for_and_every_address_is_a_target_in_order():
    resolution = Resolution(URI.parse("sip:example.com;transport=tcp"))
    assert resolution.targets == ()
    assert resolution.transport == "TCP"
    assert resolution.next_query() == Query("example.com", "address")
    resolution.feed(["2001:DB8::1", "192.0.2.1", "192.0.2.1", "nonsense"])
    assert resolution.next_query() is None
    assert resolution.targets == (
        Target("TCP", "2001:db8::1", 5060, "example.com"),
        Target("TCP", "192.0.2.1", 5060, "example.com"),
    )


def test_no_address_is_an_error():
    resolution = Resolution(URI.parse("sip:example.com"))
    with pytest.raises(ResolveError, match=r"example\.com has no address"):
        resolution.feed([])


def test_feeding_without_a_query_is_an_error():
    with pytest.raises(ResolveError, match="No query is open"):
        Resolution(URI.parse("sip:192.0.2.1")).feed(["192.0.2.2"])
