"""Whole messages, and the messages of whole calls, as bytes (:rfc:`3261#section-7`)."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipstack.message import REASON_PHRASES, SINGLE_HEADERS

from ._basic import lws, text_utf8, tokens
from ._headers import GRAMMAR, header_fields, header_values, methods
from ._sdp import session_descriptions
from ._uris import absolute_uris, sip_uris, sips_uris, tel_uris

__all__ = ["Passage", "calls", "messages", "requests", "responses", "streams"]

_WRITTEN = ("Via", "From", "To", "Call-ID", "CSeq", "Content-Length", "Content-Type")
"What every message has once, and what says which body follows."
_OTHERS = tuple(name for name in GRAMMAR if name not in _WRITTEN)
_BODIES = st.one_of(st.just(b""), st.just(b""), session_descriptions(), st.binary(max_size=40))


_Field = tuple[str, str]
"""A standard name, and the whole field as it is spelled."""


@st.composite
def _message(draw: st.DrawFn, start_line: str, fields: list[_Field], body: SearchStrategy[bytes] | None) -> bytes:
    fields = list(fields)
    for name in draw(st.lists(st.sampled_from(_OTHERS), max_size=5)):
        # A star stands in the only Contact there is (10.2.2).
        is_single = name in SINGLE_HEADERS or name == "Contact"
        if not (is_single and any(present == name for present, _ in fields)):
            fields.append((name, draw(header_fields(name))))
    if draw(st.booleans()):
        fields.append(("", f"X-{draw(tokens())}: {draw(text_utf8())}"))
    if draw(st.booleans()):
        fields = draw(st.permutations(fields))
    lines = [line for _, line in fields]
    data = draw(_BODIES if body is None else body)
    if data:
        lines.append(
            "Content-Type: application/sdp" if data.startswith(b"v=0") else "Content-Type: application/x-other"
        )
    name = draw(st.sampled_from(["Content-Length", "Content-Length", "l", "CONTENT-LENGTH"]))
    lines.append(f"{name}: {len(data)}")
    return "\r\n".join([start_line, *lines, "", ""]).encode() + data


@st.composite
def _mandatory(draw: st.DrawFn, method: str) -> list[_Field]:
    fields = [(name, draw(header_fields(name))) for name in ("Via", "From", "To", "Call-ID")]
    return [*fields, ("CSeq", f"CSeq: {draw(st.integers(0, 2**31 - 1))}{draw(lws)}{method}")]


@st.composite
def requests(
    draw: st.DrawFn, *, method: SearchStrategy[str] | str | None = None, body: SearchStrategy[bytes] | None = None
) -> bytes:
    """Draw a request with all it must have and some of what it may have.

    :param method: one method, or a strategy of some; by default any.
    :param body: a strategy; by default none, a session description or a few bytes.
    """
    chosen = method if isinstance(method, str) else draw(methods() if method is None else method)
    uri = draw(st.one_of(sip_uris(), sip_uris(), sips_uris(), tel_uris(), absolute_uris()))
    fields = draw(_mandatory(chosen))
    return draw(_message(f"{chosen} {uri} SIP/2.0", fields, body))


@st.composite
def responses(
    draw: st.DrawFn, *, code: SearchStrategy[int] | int | None = None, body: SearchStrategy[bytes] | None = None
) -> bytes:
    """Draw a response with all it must have and some of what it may have.

    :param code: one status code, or a strategy of some; by default any of 100 to 699.
    :param body: as for `requests`.
    """
    if code is None:
        code = st.sampled_from(sorted(REASON_PHRASES)) | st.integers(100, 699)
    number = code if isinstance(code, int) else draw(code)
    phrase = draw(st.one_of(st.just(REASON_PHRASES.get(number, "")), text_utf8(), st.just("")))
    return draw(_message(f"SIP/2.0 {number} {phrase}", draw(_mandatory(draw(methods()))), body))


def messages() -> SearchStrategy[bytes]:
    """Draw a request or a response."""
    return requests() | responses()


@st.composite
def streams(draw: st.DrawFn, message: SearchStrategy[bytes] | None = None) -> tuple[bytes, list[int]]:
    """Draw what a connection carries, messages with keep-alives between them, and where it is cut into pieces."""
    between = st.sampled_from([b"", b"", b"", b"\r\n", b"\r\n\r\n"])
    pieces = draw(st.lists(st.tuples(between, messages() if message is None else message), min_size=1, max_size=4))
    data = b"".join(part for pair in pieces for part in pair)
    return data, sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))


@attrs.frozen
class Passage:
    """One message of a call and who sent it."""

    is_from_caller: bool
    data: bytes


@attrs.define
class _CallDraft:
    """What the messages of one call have in common, and the next CSeq of each side."""

    call_id: str
    caller: str
    callee: str
    tags: tuple[str, str]
    contacts: tuple[str, str]
    route: list[str]
    via_host: str
    branches: int = 0
    sequences: list[int] = attrs.field(factory=lambda: [1, 1])

    def fields(self, method: str, sequence: int, branch: str, *, by_caller: bool, with_to_tag: bool) -> list[str]:
        parties = (self.caller, self.callee) if by_caller else (self.callee, self.caller)
        tags = self.tags if by_caller else self.tags[::-1]
        to_tag = f";tag={tags[1]}" if with_to_tag else ""
        return [
            f"Via: SIP/2.0/UDP {self.via_host};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <{parties[0]}>;tag={tags[0]}",
            f"To: <{parties[1]}>{to_tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {sequence} {method}",
        ]

    def branch(self) -> str:
        self.branches += 1
        return f"z9hG4bK-{self.branches}"


def _written(start_line: str, fields: list[str], body: bytes = b"") -> bytes:
    content = ["Content-Type: application/sdp"] if body else []
    return "\r\n".join([start_line, *fields, *content, f"Content-Length: {len(body)}", "", ""]).encode() + body


@st.composite
def calls(draw: st.DrawFn) -> list[Passage]:
    """Draw the messages of one call in order: INVITE, what answers it, perhaps its CANCEL, requests within, BYE.

    All of them are valid and belong together: tags, CSeq numbers, branches and route sets agree.
    """
    draft = _CallDraft(
        call_id=draw(header_values("Call-ID")),
        caller=draw(sip_uris()),
        callee=draw(sip_uris()),
        tags=(draw(tokens()), draw(tokens())),
        contacts=(draw(sip_uris()), draw(sip_uris())),
        route=draw(
            st.lists(sip_uris().map(lambda uri: f"<{uri};lr>" if ";lr" not in uri.lower() else f"<{uri}>"), max_size=2)
        ),
        via_host=draw(st.sampled_from(["192.0.2.1:5060", "client.example.com"])),
    )
    passages: list[Passage] = []

    def exchange(method: str, codes: list[int], *, by_caller: bool, within: bool, body: bytes = b"") -> tuple[str, int]:
        sequence = draft.sequences[not by_caller]
        draft.sequences[not by_caller] += 1
        branch = draft.branch()
        uri = draft.contacts[by_caller] if within else draft.callee
        fields = draft.fields(method, sequence, branch, by_caller=by_caller, with_to_tag=within)
        contact = f"Contact: <{draft.contacts[not by_caller]}>"
        routes = [f"Route: {one}" for one in (draft.route if by_caller else draft.route[::-1])] if within else []
        request = _written(f"{method} {uri} SIP/2.0", [*fields, contact, *routes], body)
        passages.append(Passage(by_caller, request))
        for code in codes:
            answer = draft.fields(method, sequence, branch, by_caller=by_caller, with_to_tag=within or code > 100)
            if method == "INVITE" and 100 < code < 300:
                answer += [f"Record-Route: {one}" for one in draft.route]
                answer.append(f"Contact: <{draft.contacts[by_caller]}>")
            sdp = draw(session_descriptions()) if method == "INVITE" and 200 <= code < 300 else b""
            passages.append(Passage(not by_caller, _written(f"SIP/2.0 {code} {REASON_PHRASES[code]}", answer, sdp)))
        return branch, sequence

    def acknowledge(branch: str, sequence: int, *, by_caller: bool, final: int, within: bool) -> None:
        is_success = final < 300
        fields = draft.fields(
            "ACK", sequence, draft.branch() if is_success else branch, by_caller=by_caller, with_to_tag=True
        )
        uri = draft.contacts[by_caller] if is_success or within else draft.callee
        routes = [f"Route: {one}" for one in (draft.route if by_caller else draft.route[::-1])] if is_success else []
        passages.append(Passage(by_caller, _written(f"ACK {uri} SIP/2.0", [*fields, *routes])))

    provisional = draw(st.lists(st.sampled_from([100, 180, 183]), max_size=2))
    final = draw(st.sampled_from([200, 200, 200, 486, 487, 302, 600]))
    branch, sequence = exchange(
        "INVITE", [*provisional, *([] if final == 487 else [final])], by_caller=True, within=False,
        body=draw(st.one_of(session_descriptions(), st.just(b""))),
    )  # fmt: skip
    if final == 487:
        cancel = draft.fields("CANCEL", sequence, branch, by_caller=True, with_to_tag=False)
        passages.append(Passage(True, _written(f"CANCEL {draft.callee} SIP/2.0", cancel)))
        answer = draft.fields("CANCEL", sequence, branch, by_caller=True, with_to_tag=True)
        passages.append(Passage(False, _written("SIP/2.0 200 OK", answer)))
        answer = draft.fields("INVITE", sequence, branch, by_caller=True, with_to_tag=True)
        passages.append(Passage(False, _written("SIP/2.0 487 Request Terminated", answer)))
    acknowledge(branch, sequence, by_caller=True, final=final, within=False)
    if final >= 300:
        return passages
    for by_caller, method in draw(
        st.lists(
            st.tuples(st.booleans(), st.sampled_from(["INVITE", "INFO", "UPDATE", "OPTIONS", "MESSAGE"])), max_size=3
        )
    ):
        code = draw(st.sampled_from([200, 200, 488, 500]))
        branch, sequence = exchange(method, [code], by_caller=by_caller, within=True)
        if method == "INVITE":
            acknowledge(branch, sequence, by_caller=by_caller, final=code, within=True)
    exchange("BYE", [200], by_caller=draw(st.booleans()), within=True)
    return passages
