"""Only MalformedMessage escapes; str reads back equal; equality goes both ways and equal URIs hash alike.

Targets `sipstack.message.URI` (:rfc:`3261#section-19.1.4`). An input is one URI, or two with a line feed between them.
"""

from __future__ import annotations

from hypothesis import strategies as st

from fuzz._values import rebuilt
from sipstack.message import URI, LocalProtocolError, MalformedMessage
from sipstack.testing.strategies import mutated, uris

__all__ = ["DRAWS", "check"]

_one = uris(with_headers=True).map(str.encode)
_any = _one | mutated(
    _one, only=("compact", "delete", "encode", "flip", "huge", "insert", "nest", "scalar", "truncate")
)
DRAWS = st.one_of(_any, st.tuples(_any, _any).map(b"\n".join), _one.map(lambda uri: uri + b"\n" + uri.swapcase()))


def check(data: bytes) -> None:
    read = []
    for line in data.split(b"\n")[:2]:
        try:
            read.append(URI.parse(line.decode("utf-8", "surrogateescape")))
        except MalformedMessage:
            return
    for uri in read:
        _check_one(uri)
    first, second = read[0], read[-1]
    assert (first == second) == (second == first), "equality depends on the side"
    if first == second:
        assert hash(first) == hash(second), "equal URIs hash otherwise"


def _check_one(uri: URI) -> None:
    assert URI.parse(str(uri)) == uri
    assert str(uri.replace()) == str(uri) or uri.replace() == uri
    try:
        aor = uri.aor()
        fresh = rebuilt(uri)
    except LocalProtocolError:
        # Parts are decoded, and what was escaped may be what no text of ours may hold.
        assert "%" in str(uri), "what was read cannot be written anew"
        return
    assert aor.aor() == aor, "the canonical form has another canonical form"
    assert URI.parse(str(aor)) == aor
    assert isinstance(fresh, URI)
    again = URI.parse(str(fresh))
    assert _parts(again) == _parts(uri), f"text made of its fields reads as another URI: {fresh}"


def _parts(uri: URI) -> tuple[object, ...]:
    # Not ==: to that, an escaped reserved character is not the plain one (19.1.4), and decoded they are the same.
    parameters = {name.lower(): value for name, value in uri.parameters.items()}
    return (uri.scheme, uri.host, uri.user, uri.password, uri.port, parameters, uri.headers, uri.opaque)
