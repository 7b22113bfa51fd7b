"""Requests of ours outside of dialogs: on whose behalf, by which way, and where we are reached.

:rfc:`3261#section-8.1.1`; what a user gives that cannot be sent is a `LocalProtocolError` here.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from sipstack.dialogs import contact_of
from sipstack.message import URI, Address, LocalProtocolError, MalformedMessage, Request, Tokens
from sipstack.transactions import Flow
from sipstack.transport import ListenURL, Transport

__all__ = ["Originator", "own_uri"]

_CONTACTS = 1000  # flows whose Contact is remembered


@attrs.define
class Originator:
    """Make the requests of one user agent.

    :param user: the user part of our Contact, and of From where none is given.
    :param user_agent: the User-Agent header field; empty for none.
    :param proxy: the URI of an outbound proxy for all requests.
    """

    transport: Transport
    tokens: Tokens
    user: str
    user_agent: str
    proxy: str | None
    _contacts: dict[tuple[Flow, str | None, bool], Address] = attrs.field(factory=dict, init=False)

    def create_request(
        self, method: str, uri: str, *, from_uri: str | None, proxy: str | None, headers: Iterable[tuple[str, str]]
    ) -> tuple[Request, str | None]:
        """Make a request outside of dialogs (:rfc:`3261#section-8.1.1`) and say by which URI it goes."""
        target = own_uri(uri)
        proxy = proxy or self.proxy
        if target.scheme not in ("sip", "sips") and proxy is None:
            raise LocalProtocolError(f"a {target.scheme}: URI names no host to send to; give a proxy")
        sender = _address_of(from_uri) if from_uri is not None else self._own_address()
        request = Request(
            method,
            target,
            headers=(
                ("Max-Forwards", "70"),
                ("From", f"{sender.replace(parameters=sender.parameters.without('tag'))};tag={self.tokens.tag()}"),
                ("To", f"<{target}>"),
                ("Call-ID", self.tokens.call_id()),
                ("CSeq", f"1 {method}"),
            ),
        )
        if self.user_agent:
            request.headers.add("User-Agent", self.user_agent)
        _add_own(request, headers)
        if proxy is not None:
            # 8.1.1.1: a configured outbound proxy is a route set of one.
            route = own_uri(proxy)
            if "lr" not in route.parameters:
                route = own_uri(f"{route};lr")
            request.headers.prepend("Route", f"<{route}>")
            proxy = str(route)
        return request, proxy

    def _own_address(self) -> Address:
        host = next(
            (url.host for url in map(ListenURL.parse, self.transport.urls) if not url.is_wildcard), "anonymous.invalid"
        )
        return Address(URI("sip", f"[{host}]" if ":" in host else host, user=self.user))

    def contact(self, flow: Flow, way: URI, *, is_secure: bool) -> Address:
        """Return where requests reach us by the way of a flow.

        :param way: the URI that led to it.
        """
        key = flow, way.parameters.get("transport"), is_secure
        contact = self._contacts.get(key)
        if contact is None:
            if len(self._contacts) >= _CONTACTS:  # flows of long ago: they are made anew when needed
                self._contacts.clear()
            contact = self._contacts[key] = Address.parse(contact_of(flow, way, user=self.user, is_secure=is_secure))
        return contact


def _add_own(request: Request, headers: Iterable[tuple[str, str]]) -> None:
    """Add the header fields that our own user gave; one that we have given already is replaced."""
    own = tuple(headers)
    if not own:
        return
    replaced = request.copy().headers
    for name, value in own:
        if name in replaced:
            request.headers.set(name, value)
        else:
            request.headers.add(name, value)
    try:
        request.from_address, request.to_address, request.cseq, request.call_id  # noqa: B018  (what all floors read)
    except MalformedMessage as error:
        raise LocalProtocolError(f"The {request.method} cannot be sent so: {error.reason}.") from None


def own_uri(text: str) -> URI:
    """Read a URI that our own user gave."""
    try:
        return URI.parse(text)
    except MalformedMessage as error:
        raise LocalProtocolError(
            f"{text!r} is no URI to use: {error.reason}; write it like sip:bob@example.com"
        ) from None


def _address_of(text: str) -> Address:
    """Read a URI or name-addr that our own user gave."""
    try:
        return Address.parse(text)
    except MalformedMessage as error:
        raise LocalProtocolError(
            f'{text!r} is no address: {error.reason}; write it like sip:bob@example.com or "Bob" <sip:bob@example.com>'
        ) from None
