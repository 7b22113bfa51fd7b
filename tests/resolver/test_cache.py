from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipstack.resolver import Answer, Cache, Query

A = Query("A.example.", "address")
B = Query("b.example", "address")


def test_query_has_one_spelling():
    assert Query("a.example", "address") == A


def test_answer_holds_for_its_ttl():
    cache = Cache()
    cache.put(A, Answer(("192.0.2.1",), ttl=60), 100.0)
    assert cache.get(A, 159.9) == Answer(("192.0.2.1",), ttl=60)
    assert cache.get(Query("a.example", "SRV"), 110.0) is None
    assert cache.get(A, 160.0) is None
    assert len(cache) == 0


def test_that_there_is_nothing_is_kept_too():
    cache = Cache()
    cache.put(A, Answer(ttl=5, detail="there is no such name"), 0.0)
    assert cache.get(A, 4.0) == Answer(ttl=5, detail="there is no such name")


def test_no_ttl_is_not_kept_and_drops_what_was():
    cache = Cache()
    cache.put(A, Answer(("192.0.2.1",), ttl=60), 0.0)
    cache.put(A, Answer(("192.0.2.2",), ttl=0), 1.0)
    assert cache.get(A, 1.0) is None


def test_ttl_of_years_is_cut():
    cache = Cache()
    cache.put(A, Answer(("192.0.2.1",), ttl=2**31), 0.0)
    assert cache.get(A, 86_401.0) is None


def test_the_one_unused_for_longest_goes_first():
    cache = Cache(size=2)
    cache.put(A, Answer(ttl=60), 0.0)
    cache.put(B, Answer(ttl=60), 0.0)
    assert cache.get(A, 1.0) is not None
    cache.put(Query("c", "address"), Answer(ttl=60), 2.0)
    assert cache.get(A, 3.0) is not None
    assert cache.get(B, 3.0) is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 100), st.floats(0, 100)), max_size=50))
def test_never_more_than_its_size_and_never_what_is_over(puts):
    cache, now, until = Cache(size=3), 0.0, {}
    for name, ttl, pause in puts:
        cache.put(Query(name, "address"), Answer(ttl=ttl), now)
        until[name] = now + ttl
        assert len(cache) <= 3
        now += pause
        for each, end in until.items():
            assert cache.get(Query(each, "address"), now) is None or now < end
