from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sipstack.resolver import Naptr, Srv, order_srv, usable_naptr

records = st.lists(st.builds(Srv, st.integers(0, 3), st.integers(0, 65_535), st.integers(1, 9), st.sampled_from("abc")))


@given(records, st.integers())
def test_order_is_a_permutation_by_priority(srvs, seed):
    ordered = order_srv(srvs, random.Random(seed).randbytes)
    assert Counter(ordered) == Counter(srvs)
    assert [each.priority for each in ordered] == sorted(each.priority for each in srvs)


@given(st.permutations([Srv(1, weight, 5060, name) for weight, name in ((0, "a"), (1, "b"), (1, "c"), (7, "d"))]))
def test_order_of_the_answer_has_no_part_in_it(srvs):
    assert order_srv(srvs, random.Random(5).randbytes) == order_srv(srvs[::-1], random.Random(5).randbytes)


def test_weight_is_the_chance_to_be_first():
    randbytes = random.Random(3).randbytes
    srvs = [Srv(1, 60, 5060, "a"), Srv(1, 20, 5060, "b"), Srv(1, 20, 5060, "c"), Srv(1, 0, 5060, "d")]
    first = Counter(order_srv(srvs, randbytes)[0].target for _ in range(4_000))
    assert 2_250 < first["a"] < 2_550  # 60 of 101, give or take five standard deviations
    assert 650 < first["b"] < 940
    assert 0 < first["d"] < 100  # weight 0 is a small chance, not none


@given(
    st.lists(
        st.builds(
            Naptr,
            st.integers(0, 3),
            st.integers(0, 3),
            st.sampled_from("sSa"),
            st.sampled_from(["SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIPS+D2U"]),
            st.sampled_from(["", "!a!b!"]),
            st.sampled_from(["x", ""]),
        )
    )
)
def test_usable_naptr_are_of_one_order_by_preference(naptrs):
    usable = usable_naptr(naptrs, ("UDP", "TLS"))
    assert len({record.order for record, _ in usable}) <= 1
    assert [record.preference for record, _ in usable] == sorted(record.preference for record, _ in usable)
    for record, transport in usable:
        assert {"SIP+D2U": "UDP", "SIPS+D2T": "TLS"}[record.service] == transport
        assert record.flags in "sS"
        assert not record.regexp
