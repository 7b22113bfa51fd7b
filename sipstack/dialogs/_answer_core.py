"""How received requests are answered: responses of ours, and the descriptions and Contacts in them.

:rfc:`3261#section-8.2.6`, 12.1.1, 13.3.1; :rfc:`3262#section-3`; :rfc:`3311#section-5.2`.
"""

from __future__ import annotations

from sipstack.message import SDP, Address, LocalProtocolError, Request, Response
from sipstack.transactions import ServerTransaction

from ._contact import contact_of
from ._dialog import TARGET_REFRESH_METHODS, check_own_contact, check_own_contact_uri
from ._invite_usage import InviteUsage, UsageInput, UsageState
from ._reliable import ReliableState
from ._reliable_core import ReliableCore
from ._server_invite import TRANSITIONS, ServerInvite, ServerInviteInput, ServerInviteState
from ._session_core import own_session
from ._usage_core import DialogTimer, HeaderFields, _set_body

__all__ = ["AnswerCore"]

RELIABLE_REFRESH_SECONDS = 150.0
"How often a provisional that is sent reliably is sent again, under a new number (:rfc:`3262#section-3`)."


class AnswerCore(ReliableCore):
    """Answer requests: by itself, or as our user says."""

    def _answer(
        self,
        transaction: ServerTransaction,
        code: int,
        now: float,
        headers: HeaderFields = (),
        *,
        phrase: str | None = None,
    ) -> None:
        request = transaction.request
        tag = self._tokens.tag() if request.to_tag is None else None
        response = request.create_response(code, phrase, to_tag=tag)
        for name, value in headers:
            response.headers.add(name, value)
        self._add_server(response)
        self.transactions.respond(transaction, response, now)

    def _add_server(self, response: Response) -> None:
        if self.capabilities.server:
            response.headers.add("Server", self.capabilities.server)

    # What our user answers.

    def _build_response(
        self,
        request: Request,
        code: int,
        to_tag: str,
        phrase: str | None,
        body: bytes,
        content_type: str | None,
        headers: HeaderFields,
    ) -> Response:
        response = request.create_response(code, phrase, to_tag=to_tag)
        fields = response.headers
        has_more = False
        for name, value in headers:
            fields.add(name, value)
            has_more = True
        self._add_server(response)
        if body and content_type is not None and not has_more:
            fields.add("Content-Type", content_type)
            response.body = body
        else:
            _set_body(response, body, content_type)
        if 200 <= code < 300:
            method = request.method
            if method in ("INVITE", "OPTIONS", "UPDATE"):
                self._add_capabilities(response, method, has_more=has_more)
        return response

    def _add_capabilities(self, response: Response, method: str, *, has_more: bool) -> None:
        capabilities, fields = self.capabilities, response.headers
        wanted = [("Allow", capabilities.allow_text), ("Supported", capabilities.supported_text)]
        if method == "INVITE" and capabilities.info_packages:
            wanted.append(("Recv-Info", ", ".join(capabilities.info_packages)))
        if method == "OPTIONS":
            # 11.2: what would have been taken, were it an INVITE. An empty Supported says that nothing is.
            wanted += [
                ("Accept", capabilities.accept_text),
                ("Accept-Encoding", ", ".join(capabilities.accept_encoding)),
                ("Accept-Language", ", ".join(capabilities.accept_language)),
            ]
        for name, value in wanted:
            # Only where fields beyond the copied ones are there: asking costs an index of them all.
            if (value or name == "Supported") and not (has_more and name in fields):
                fields.add(name, value)

    def _respond(
        self,
        invite: ServerInvite,
        code: int,
        now: float,
        phrase: str | None,
        body: bytes,
        content_type: str | None,
        headers: HeaderFields,
        contact: Address | None,
        reliable: bool | None = None,
    ) -> Response:
        if code < 200:
            event = ServerInviteInput.PROVISIONAL
        elif code < 300:
            event = ServerInviteInput.HOLD if invite.is_held_back else ServerInviteInput.SUCCESS
        else:
            event = ServerInviteInput.FAILURE
        if (invite.state, event) not in TRANSITIONS:
            raise LocalProtocolError(f"a {code} cannot be sent: the INVITE is {invite.state.value} already")
        usage = invite.usage
        request = invite.transaction.request
        response = self._build_response(request, code, usage.dialog.local_tag, phrase, body, content_type, headers)
        if code == 100:
            if reliable:
                raise LocalProtocolError("a 100 is not sent reliably: it goes no further than the next hop")
            self.transactions.respond(invite.transaction, response, now)
            return response
        if code < 300:
            is_reliable = code < 200 and self._is_sent_reliably(invite, reliable)
            self._add_dialog_fields(response, request, invite, contact)
            if is_reliable:
                self._require_room(invite)
            has_session = self._put_session(invite, response, body, content_type, is_reliable=is_reliable)
            if is_reliable:
                self._respond_reliably(invite, response, now, has_session=has_session)
                return response
        elif contact is not None:
            response.headers.add("Contact", str(contact))
        if 200 <= code < 300:
            self._agree_as_uas(usage, request, response, now)
        invite.response = response
        self._step_server_invite(invite, event, now)
        return response

    def _is_sent_reliably(self, invite: ServerInvite, reliable: bool | None) -> bool:
        """Decide whether a provisional response is sent reliably (:rfc:`3262#section-3`).

        :raises LocalProtocolError: it may not be what our user wants it to be.
        """
        if reliable is None:
            return invite.requires_reliable
        if reliable and not invite.takes_reliable:
            raise LocalProtocolError("the caller does not support 100rel: send this response unreliably")
        if not reliable and invite.requires_reliable:
            raise LocalProtocolError("the caller requires 100rel: send this response reliably")
        return reliable

    def _respond_reliably(self, invite: ServerInvite, response: Response, now: float, *, has_session: bool) -> None:
        self._begin_reliable(invite, response, has_session=has_session)
        if invite.is_reinvite:
            invite.usage.dialog.refresh_target(invite.request, "INVITE")  # RFC 6141, section 4.6
        if "Allow" not in response.headers and has_session:
            response.headers.add("Allow", self.capabilities.allow_text)  # RFC 3311, section 4
        invite.response = response
        self._send_waiting(invite, now)
        self._queue.start(invite, DialogTimer.REFRESH, now + RELIABLE_REFRESH_SECONDS)

    def _put_session(
        self, invite: ServerInvite, response: Response, body: bytes, content_type: str | None, *, is_reliable: bool
    ) -> bool:
        """Note the description in a provisional or 2xx response of ours; True when it has one that counts.

        :raises LocalProtocolError: it has one where it may have none, or none where it must.
        """
        session = invite.usage.session
        description = body or None if content_type == SDP else own_session(response)
        is_final = response.code >= 200
        carrier = invite.carrier
        if session.has_remote_offer and session.carrier == carrier:
            if description is None:
                if is_final and session.preview is not None:
                    _set_body(response, session.preview, SDP)
                    session.send_answer(session.preview)
                    return True
                if is_final and not response.body:
                    raise LocalProtocolError("the INVITE made an offer: the 2xx must answer it, so pass the SDP")
                return False
            if session.preview not in (None, description):
                raise LocalProtocolError("the answer differs from the one that an earlier response gave ahead of time")
            if is_final or is_reliable:
                session.send_answer(description)
            else:
                session.preview = description
            return True
        if invite.is_negotiated:
            if description is None:
                return False
            if description != session.local:
                raise LocalProtocolError(
                    "the INVITE's offer has its answer already; change it by update() or reinvite()"
                )
            # A second time would be one time too many (RFC 6337, 3.1.1).
            response.body = b""
            response.headers.remove("Content-Type")
            return False
        if description is None:
            if is_reliable and not invite.is_reinvite:
                raise LocalProtocolError("the INVITE has no offer: the first reliable response must make one")
            return False
        if not is_final and not is_reliable:
            raise LocalProtocolError(
                "the INVITE has no offer: ours goes in a 2xx or in a reliable provisional response"
            )
        session.send_offer(description, carrier)
        invite.is_negotiated = True
        return True

    def _end_unanswered(self, usage: InviteUsage, now: float) -> None:
        """End a leg that never was more than early: whoever refuses or cancels an INVITE need not be told twice."""
        usage.is_told = True
        if any(one.state is ReliableState.SUPERSEDED for one in (usage.reliables or {}).values()):
            self.superseded[usage.dialog.id] = usage
        self._step_usage(usage, UsageInput.REFUSE, now)

    def _add_dialog_fields(
        self, response: Response, request: Request, invite: ServerInvite, contact: Address | None
    ) -> None:
        """Add what a response that makes or changes a dialog carries (:rfc:`3261#section-12.1.1`)."""
        usage = invite.usage
        fields = response.headers
        if not invite.is_reinvite and "Record-Route" in request.headers:
            fields.copy_from(request.headers, "Record-Route")
        is_secure = invite.wants_secure_contact
        if "Contact" in fields:
            check_own_contact(response, is_secure=is_secure)
            usage.local_contact = fields["Contact"]
            return
        if contact is not None:
            check_own_contact_uri(contact.uri, is_secure=is_secure)
            usage.local_contact = str(contact)
        elif usage.local_contact is None:
            usage.local_contact = contact_of(
                invite.transaction.flow, request.uri, user=request.uri.user, is_secure=is_secure
            )
        fields.add("Contact", usage.local_contact)

    def _respond_request(
        self,
        transaction: ServerTransaction,
        code: int,
        now: float,
        phrase: str | None,
        body: bytes,
        content_type: str | None,
        headers: HeaderFields,
        contact: Address | None,
    ) -> Response:
        request = transaction.request
        method = request.method
        usage = self.dialogs.get((request.call_id, request.to_tag or "", request.from_tag or ""))
        # One tag for one response: 100 has none, and RFC 4320 allows no other provisional.
        response = self._build_response(request, code, self._tokens.tag(), phrase, body, content_type, headers)
        is_refresh = 200 <= code < 300 and usage is not None and request.method in TARGET_REFRESH_METHODS
        if contact is not None:
            response.headers.add("Contact", str(contact))
        if is_refresh and usage is not None:
            if "Contact" in response.headers:
                check_own_contact(response, is_secure=usage.dialog.is_secure)
                # The same one in all that follows, the 2xx to the INVITE included (RFC 3311, section 5.1).
                usage.local_contact = response.headers["Contact"]
            elif usage.local_contact:
                response.headers.add("Contact", usage.local_contact)
        if usage is not None and code >= 200 and method in ("UPDATE", "PRACK"):
            self._answer_offer(usage, request, response, now)
        self.transactions.respond(transaction, response, now)
        if code >= 200:
            self._settle(transaction)
        if is_refresh and usage is not None:
            usage.dialog.refresh_target(request, request.method)
        if method == "PRACK" and usage is not None and usage.server_invite is not None:
            self._release(usage.server_invite, now)
        return response

    def _answer_offer(self, usage: InviteUsage, request: Request, response: Response, now: float) -> None:
        """Note what our final response to an UPDATE or PRACK says to the offer in it.

        :raises LocalProtocolError: it says nothing to it, or what it must not say.
        """
        session = usage.session
        method = request.method
        carrier = (method, request.cseq.sequence, False)
        description = own_session(response)
        if session.waits(carrier):
            if not response.is_success:
                session.withdraw(carrier)
            elif description is None:
                raise LocalProtocolError(f"the offer in the {method} has no answer: pass the SDP as the body")
            else:
                session.send_answer(description)
        elif description is not None:
            raise LocalProtocolError(f"the {method} made no offer, so that its response carries no description")
        if method == "UPDATE" and response.is_success:
            self._agree_as_uas(usage, request, response, now)

    def _settle(self, transaction: ServerTransaction) -> None:
        """Stop waiting for the user's answer to a request."""
        usage = self.unanswered.pop(transaction, None)
        if usage is not None:
            usage.unanswered.pop(transaction, None)
            if usage.server_update is transaction:
                usage.server_update = None

    def _refuse_unanswered(self, transaction: ServerTransaction, now: float) -> None:
        self._settle(transaction)
        self._answer(transaction, 487, now)
