"""Hostile and merely unusual messages, one or more of every class that :rfc:`4475`, :rfc:`5118` and advisories name.

The messages are our own; those that the RFCs print are read in ``test_reference_messages``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sipstack.message import Framer, MalformedMessage, Request, Response, parse_message

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def made(
    start: bytes = b"OPTIONS sip:desk@mill.test SIP/2.0", *changes: bytes, without: str = "", body: bytes = b""
) -> bytes:
    """Return a message; a line in `changes` stands in for the field of its name, or is added."""
    method = b"OPTIONS" if start.startswith(b"SIP/") else start.partition(b" ")[0]
    fields = {
        b"via": b"Via: SIP/2.0/UDP lathe.test:5062;branch=z9hG4bKmill1",
        b"max-forwards": b"Max-Forwards: 70",
        b"from": b"From: <sip:smith@lathe.test>;tag=fr1",
        b"to": b"To: <sip:desk@mill.test>",
        b"call-id": b"Call-ID: t1@lathe.test",
        b"cseq": b"CSeq: 3 " + method,
        b"content-length": b"Content-Length: %d" % len(body),
    }
    for gone in without.lower().split():
        del fields[gone.encode()]
    extra: list[bytes] = []
    for line in changes:
        name = line.partition(b":")[0].strip().lower()
        if name in fields:
            fields[name] = line
        else:
            extra.append(line)
    return b"\r\n".join([start, *fields.values(), *extra]) + b"\r\n\r\n" + body


def request(data: bytes) -> Request:
    message = parse_message(data)
    message.validate()
    assert isinstance(message, Request)
    return message


Check = Callable[[Request], bool]

INVITE = b"INVITE sip:desk@mill.test SIP/2.0"
REGISTER = b"REGISTER sip:mill.test SIP/2.0"

ACCEPTED: dict[str, tuple[bytes, Check]] = {
    # RFC 4475, 3.1.1: syntactically right
    "folds and odd space everywhere": (
        made(
            b"INVITE sip:saw@mill.test;ownparam SIP/2.0",
            b"Via  : SIP  /\t2.0\r\n  /UDP\r\n    lathe.test ; branch\r\n =\r\n z9hG4bKodd  ,"
            b"\r\n SIP/ 2.0 /TCP  hop.test",
            b"mAx-FORwards:\t0042",
            b'from  :"Al \\"Ace\\" Smith \\\\"\r\n\t<sip:smith@lathe.test>\r\n ;\r\n  tag =\r\n fr2',
            b"TO :\r\n sip:saw@mill.test ;   own    = 1",
            b"cseq:\r\n   00031\r\n\tINVITE",
            b"s :",
            b"X-Own:   first\r\n second",
            b"X-Separators: ,,;;=;,",
            b"Route:\r\n <sip:hop.test;lr;x=y>",
            b'm:"A \\"\\"" <sip:smith@lathe.test> ; p =\r\n   v ;\r\n  q = 0.25',
        ),
        lambda m: (
            [v.host for v in m.via] == ["lathe.test", "hop.test"]
            and m.top_via.branch == "z9hG4bKodd"
            and (m.max_forwards, m.cseq.sequence, m.from_tag) == (42, 31, "fr2")
            and m.from_address.name == 'Al "Ace" Smith \\'
            and m.to_address.parameters["own"] == "1"
            and m.headers["X-Own"] == "first second"
            and m.headers["x-separators"] == ",,;;=;,"
            and m.subject == ""
            and m.contact[0].q == 0.25
        ),
    ),
    "every character a token may hold": (
        made(
            b"aZ09-.!%*_+`'~ sip:x-_.!~*'()&=+$,;?/y:z@mill.test SIP/2.0",
            b"Via: SIP/2.0/-.!%*_+`'~ lathe.test;branch=z9hG4bK-.!%*_+`'~",
            b"From: one-.!%*_+`'~ two <sip:smith@lathe.test>;p-.!%*_+`'~=\"\xd0\xb6\";tag=-.!%*_+`'~",
            b'To: "BEL:\\\x07 NUL:\\\0 DEL:\\\x7f" <sip:desk@mill.test>',
            b'Call-ID: a(b)<c>@d\\"e/[f]?{g}~',
            b"own-.!%*_+`'~:\xe2\x9c\x93",
        ),
        lambda m: (
            m.method == "aZ09-.!%*_+`'~"
            and m.top_via.branch == "z9hG4bK-.!%*_+`'~"
            and m.from_tag == "-.!%*_+`'~"
            and m.to_address.name == "BEL:\x07 NUL:\0 DEL:\x7f"
            and m.headers["OWN-.!%*_+`'~"] == "\u2713"
        ),
    ),
    "escapes in users and parameters": (
        made(
            b"INVITE sip:sip%3Ainner%40x.test@mill.test SIP/2.0",
            b"To: sip:d%65sk@mill.test",
            b"From: <sip:with%20space@lathe.test>;tag=1",
            b"Contact:\r\n <sip:sm%69th@lathe.test;%6Cr;x%3Dy=%3B%25>",
        ),
        lambda m: (
            m.uri.host == "mill.test"
            and m.uri.user == "sip:inner@x.test"
            and m.from_address.uri.user == "with space"
            and m.to_address.uri.user == "desk"
        ),
    ),
    "escaped NUL in users": (
        made(REGISTER, b"Contact: <sip:a%00b@lathe.test>", b"m: <sip:a%00@lathe.test>", b"m: <sip:a@lathe.test>"),
        lambda m: len({c.uri for c in m.contact}) == 3 and len({c.uri.user for c in m.contact}) == 3,
    ),
    "percent that is no escape": (
        made(
            b"OP%54IONS sip:mill.test SIP/2.0",
            b'From: "%4Z%" <sip:smith@lathe.test>;tag=%41',
            b"Via: SIP/2.0/TCP lathe.test;branch=z9hG4bK%zz",
            b"Contact: <sip:one@lathe.test>",
            b"C%6Fntact: <sip:two@lathe.test>",
        ),
        lambda m: (
            m.method == "OP%54IONS"
            and m.from_address.name == "%4Z%"
            and m.from_tag == "%41"
            and [c.uri.user for c in m.contact] == ["one"]
            and m.headers["C%6Fntact"] == "<sip:two@lathe.test>"
        ),
    ),
    "no space between a name and its angle bracket": (
        made(b"OPTIONS sip:desk@mill.test SIP/2.0", b"From: smith<sip:smith@lathe.test>;tag=1"),
        lambda m: m.from_address.name == "smith" and m.from_tag == "1",
    ),
    "long values": (
        made(
            INVITE,
            b'To: "' + b"very " * 200 + b'long"<sip:desk@mill.test;' + b"n" * 300 + b"=" + b"v" * 300 + b">",
            b"From: sip:" + b"s" * 500 + b"@lathe.test;tag=" + b"7" * 400 + b";" + b"x" * 300,
            b"Via: SIP/2.0/UDP a.test;branch=z9hG4bK" + b"b" * 400,
            b"v: " + b", ".join(b"SIP/2.0/TCP h%d.test;branch=z9hG4bK%d" % (n, n) for n in range(60)),
            b"Call-ID: " + b"c" * 400,
        ),
        lambda m: len(m.via) == 61 and len(m.call_id) == 400 and len(m.from_tag or "") == 400,
    ),
    "a second request after the first": (
        made(REGISTER, body=b"") + made(INVITE, body=SDP),
        lambda m: m.method == "REGISTER" and m.body == b"",
    ),
    "semicolons in the user": (
        made(b"OPTIONS sip:desk;p=1%40x.test;lr@mill.test SIP/2.0"),
        lambda m: m.uri.host == "mill.test" and m.uri.user == "desk;p=1@x.test;lr" and not m.uri.parameters,
    ),
    "transports known and unknown": (
        made(
            b"OPTIONS sip:desk@mill.test SIP/2.0",
            b"Via: SIP/2.0/SCTP a.test;branch=z9hG4bK1",
            b"v: SIP/2.0/TLS b.test, SIP/2.0/OWN c.test",
            b"v: SIP/2.0/ws d.test",
        ),
        lambda m: [v.transport for v in m.via] == ["SCTP", "TLS", "OWN", "WS"],
    ),
    "a binary body of several parts": (
        made(
            b"MESSAGE sip:desk@mill.test SIP/2.0",
            b"Content-Type: multipart/mixed;boundary=cut",
            body=b"--cut\r\n\r\nHi\r\n--cut\r\nContent-Type: a/b\r\n\r\n\0\xff\r\n\r\n\x80\r\n--cut--",
        ),
        lambda m: (
            m.content_type is not None
            and b"\0\xff\r\n\r\n\x80" in m.body
            and m.content_type.parameters["boundary"] == "cut"
        ),
    ),
    # 3.1.2: what may be refused or mended; we mend what can mean one thing only
    "space inside angle brackets": (
        made(b"OPTIONS sip:desk@mill.test SIP/2.0", b'To: "Desk" < sip:desk@mill.test >'),
        lambda m: str(m.to_address.uri) == "sip:desk@mill.test",
    ),
    # 3.2, 3.3: for those above
    "a branch that is the cookie alone": (
        made(b"OPTIONS sip:desk@mill.test SIP/2.0", b"Via: SIP/2.0/UDP lathe.test;branch=z9hG4bK"),
        lambda m: m.top_via.branch == "z9hG4bK",
    ),
    "a scheme nobody knows": (
        made(b"OPTIONS millspeak:anything/at?all SIP/2.0"),
        lambda m: m.uri.scheme == "millspeak" and not m.uri.is_secure,
    ),
    "a scheme that is known but odd here": (
        made(b"OPTIONS http://192.0.2.77:3000/x SIP/2.0"),
        lambda m: m.uri.scheme == "http",
    ),
    "odd schemes in fields": (
        made(REGISTER, b"To: urn:mill:1", b"From: <http://mill.test>;tag=1", b"Contact: <name:Smith_A>"),
        lambda m: (
            [m.to_address.uri.scheme, m.from_address.uri.scheme, m.contact[0].uri.scheme] == ["urn", "http", "name"]
        ),
    ),
    "unknown extensions asked for": (
        made(b"OPTIONS sip:desk@mill.test SIP/2.0", b"Require: own1, own2", b"Proxy-Require: own3,own4"),
        lambda m: m.require == ["own1", "own2"] and m.proxy_require == ["own3", "own4"],
    ),
    "an unknown content type": (
        made(INVITE, b"Content-Type: application/x-mill", body=b"<x/>"),
        lambda m: m.content_type is not None and m.content_type.mime_type == "application/x-mill",
    ),
    "an unknown authorization scheme": (
        made(REGISTER, b"Authorization: MillAuth grain=coarse"),
        lambda m: m.authorization is not None and m.authorization.scheme == "MillAuth",
    ),
    "no hops left": (
        made(b"OPTIONS sip:desk@mill.test SIP/2.0", b"Max-Forwards: 0"),
        lambda m: m.max_forwards == 0,
    ),
    "a contact parameter": (
        made(REGISTER, b"Contact: sip:+15550123@gate.test;own"),
        lambda m: "own" in m.contact[0].parameters and not m.contact[0].uri.parameters,
    ),
    "a uri parameter": (
        made(REGISTER, b"Contact: <sip:+15550123@gate.test;own>"),
        lambda m: "own" in m.contact[0].uri.parameters and not m.contact[0].parameters,
    ),
    "escaped header fields in a contact": (
        made(REGISTER, b"M: <sip:smith@lathe.test?Route=%3Csip:hop.test%3E>"),
        lambda m: m.contact[0].uri.headers == (("Route", "<sip:hop.test>"),),
    ),
    "an offer of types nobody takes": (
        made(INVITE, b"Accept: text/x-nobody", b"Content-Type: application/sdp", body=SDP),
        lambda m: m.accept is not None and m.accept[0].mime_type == "text/x-nobody",
    ),
    "an INVITE of RFC 2543": (
        made(
            INVITE,
            b"Via: SIP/2.0/UDP old.test",
            b"From: <sip:+15550123@old.test;user=phone>",
            b"To: sip:+15550124@mill.test;user=phone",
            b"Record-Route: <sip:desk@mill.test;maddr=hop.test>",
            without="Max-Forwards Content-Length",
            body=SDP,
        ),
        lambda m: (m.top_via.branch, m.from_tag, m.to_tag, m.max_forwards, m.body) == (None, None, None, None, SDP),
    ),
    # RFC 5118
    "an IPv6 reference": (
        made(
            b"REGISTER sip:[2001:db8::77] SIP/2.0",
            b"Via: SIP/2.0/UDP [2001:db8::7:1];branch=z9hG4bK6",
            b"Contact: <sip:smith@[2001:db8::7]>",
        ),
        lambda m: (m.uri.host, m.uri.port, m.top_via.host_address) == ("[2001:db8::77]", None, "2001:db8::7:1"),
    ),
    "what looks like a port and is part of the address": (
        made(b"REGISTER sip:[2001:db8::77:5062] SIP/2.0"),
        lambda m: (m.uri.host_address, m.uri.port) == ("2001:db8::77:5062", None),
    ),
    "a port after an IPv6 reference": (
        made(b"REGISTER sip:[2001:db8::77]:5062 SIP/2.0"),
        lambda m: (m.uri.host_address, m.uri.port) == ("2001:db8::77", 5062),
    ),
    "received in brackets": (
        made(b"BYE sip:mill.test SIP/2.0", b"Via: SIP/2.0/UDP [2001:db8::1];received=[2001:db8::7:ff];branch=z9hG4bK1"),
        lambda m: m.top_via.received == "2001:db8::7:ff",
    ),
    "received without brackets": (
        made(b"BYE sip:mill.test SIP/2.0", b"Via: SIP/2.0/UDP [2001:db8::1];received=2001:db8::7:ff;branch=z9hG4bK1"),
        lambda m: m.top_via.received == "2001:db8::7:ff",
    ),
    "addresses of both families": (
        made(
            b"BYE sip:desk@mill.test SIP/2.0",
            b"Via: SIP/2.0/UDP [2001:db8::1]:6062;branch=z9hG4bK1",
            b"v: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK2",
            b"v: SIP/2.0/TCP [2001:db8::2];received=192.0.2.78",
        ),
        lambda m: [v.sent_by for v in m.via] == ["[2001:db8::1]:6062", "192.0.2.77", "[2001:db8::2]"],
    ),
    "IPv6 and IPv4 in a session": (
        made(
            INVITE,
            b"Content-Type: application/sdp",
            body=SDP + b"c=IN IP6 2001:db8::77\r\nm=video 4002 RTP/AVP 31\r\n",
        ),
        lambda m: b"IP6 2001:db8::77" in m.body,
    ),
    "an IPv4 address in an IPv6 one": (
        made(INVITE, b"Via: SIP/2.0/UDP [::ffff:192.0.2.77]:9000;branch=z9hG4bK1", b"m: <sip:x@[::ffff:192.0.2.77]>"),
        lambda m: (m.top_via.host_address, m.top_via.port) == ("::ffff:192.0.2.77", 9000),
    ),
    "an embedded IPv4 address after three colons": (
        made(b"OPTIONS sip:desk@[2001:db8:::192.0.2.77] SIP/2.0"),
        lambda m: m.uri.host_address == "2001:db8::192.0.2.77",
    ),
    "an embedded IPv4 address after two colons": (
        made(b"OPTIONS sip:desk@[2001:db8::192.0.2.77] SIP/2.0"),
        lambda m: m.uri.host_address == "2001:db8::192.0.2.77",
    ),
    # What advisories name
    "blank lines first": (b"\r\n" * 3 + made(), lambda m: m.call_id == "t1@lathe.test"),
    "a request in a body": (
        made(b"MESSAGE sip:desk@mill.test SIP/2.0", b"Content-Type: message/sip", body=made(INVITE)),
        lambda m: m.method == "MESSAGE" and m.body.startswith(b"INVITE "),
    ),
    "a datagram without Content-Length": (
        made(without="Content-Length", body=made(INVITE)),
        lambda m: m.method == "OPTIONS" and m.body.startswith(b"INVITE "),
    ),
    "space before a colon": (
        made(b"OPTIONS sip:desk@mill.test SIP/2.0", b"Max-Forwards : 0", b"X-Door\t: open"),
        lambda m: m.max_forwards == 0 and m.headers["x-door"] == "open" and m.headers.keys()[-1] == "X-Door",
    ),
    "a fold that looks like a field": (
        made(b"OPTIONS sip:desk@mill.test SIP/2.0", b"Subject: note\r\n P-Asserted-Identity: <sip:boss@mill.test>"),
        lambda m: (
            m.subject == "note P-Asserted-Identity: <sip:boss@mill.test>" and "P-Asserted-Identity" not in m.headers
        ),
    ),
    "a parameter called self": (
        made(
            b"OPTIONS sip:desk@mill.test;self=1 SIP/2.0",
            b"Via: SIP/2.0/UDP lathe.test;self=1;branch=z9hG4bK1",
            b"From: <sip:smith@lathe.test>;self=1;tag=1",
        ),
        lambda m: m.top_via.parameters["self"] == m.from_address.parameters["self"] == m.uri.parameters["self"] == "1",
    ),
    "no Max-Forwards": (made(without="Max-Forwards"), lambda m: m.max_forwards is None),
    "an empty body of many parts": (
        made(INVITE, b"Content-Type: multipart/mixed;boundary=e", body=b"--e--\r\n"),
        lambda m: m.body == b"--e--\r\n",
    ),
    "a body of parts in parts in parts": (
        made(
            INVITE,
            b"Content-Type: multipart/mixed;boundary=b0",
            body=b"".join(
                b"--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(900)
            ),
        ),
        lambda m: m.body.startswith(b"--b0\r\n"),
    ),
    "a contact of many": (
        made(b"SUBSCRIBE sip:desk@mill.test SIP/2.0", b"Event: presence", *[b"Accept: x/" + b"A" * 90] * 60),
        lambda m: m.accept is not None and len(m.accept) == 60,
    ),
    "a field of 60 kB": (made(INVITE, b"Subject: " + b"y" * 60_000), lambda m: len(m.subject or "") == 60_000),
    "received and rport made up": (
        made(
            b"OPTIONS sip:desk@mill.test SIP/2.0", b"Via: SIP/2.0/UDP lathe.test;received=198.51.100.9;rport=7;branch=z"
        ),
        lambda m: (m.top_via.received, m.top_via.rport) == ("198.51.100.9", 7),
    ),
    "a CANCEL of nothing": (made(b"CANCEL sip:desk@mill.test SIP/2.0"), lambda m: m.method == "CANCEL"),
    "a BYE for no dialog": (
        made(b"BYE sip:desk@mill.test SIP/2.0", b"To: <sip:desk@mill.test>;tag=none"),
        lambda m: m.to_tag == "none",
    ),
    "a session interval too small": (
        made(INVITE, b"Supported: timer", b"Session-Expires: 2", b"Min-SE: 2"),
        lambda m: m.session_expires is not None and m.min_se == 2,
    ),
    "a number that costs money, and a tag without value": (
        made(b"INVITE sip:00319001234@mill.test SIP/2.0", b"To: <sip:desk@mill.test>;tag"),
        lambda m: m.uri.user == "00319001234" and m.to_tag is None,
    ),
    "a quoted name of backslashes and quotes": (
        made(b"OPTIONS sip:desk@mill.test SIP/2.0", b'From: "' + b'\\"' * 20_000 + b'" <sip:smith@lathe.test>;tag=1'),
        lambda m: m.from_address.name == '"' * 20_000,
    ),
    "a realm of spaces": (
        made(REGISTER, b'Authorization: Digest username="' + b" " * 8000 + b'", realm=""'),
        lambda m: m.authorization is not None and dict(m.authorization.parameters or ())["username"] == " " * 8000,
    ),
}


@pytest.mark.rfc("R3261-20-10", "R3261-8.1.1.2-1", "R3261-8.1.1.2-2", "R3261-8.1.1.2-3")
@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    data, check = ACCEPTED[name]
    message = request(data)
    assert check(message)
    again = request(message.serialise())
    message.headers.set("Content-Length", str(len(message.body)))
    assert again == message
    assert check(again)
    response = parse_message(message.create_response(200, to_tag="ours").serialise())
    assert (response.via, response.call_id, response.cseq) == (message.via, message.call_id, message.cseq)


@pytest.mark.parametrize(
    ("data", "phrase"),
    [
        (made("SIP/2.0 200 3*7 = 21, \u0434\u0430 \u2713".encode()), "3*7 = 21, \u0434\u0430 \u2713"),
        (made(b"SIP/2.0 100 "), ""),
        (made(b"SIP/2.0 200 OK", b"v: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKall"), "OK"),
        (made(b"SIP/2.0 200 OK", b"Via: SIP/2.0/UDP 203.0.113.77;branch=z9hG4bKother"), "OK"),
    ],
    ids=["a phrase of any words", "no phrase", "a broadcast Via", "a foreign Via"],
)
def test_accepted_response(data: bytes, phrase: str) -> None:
    message = parse_message(data)
    message.validate()
    assert isinstance(message, Response)
    assert message.phrase == phrase
    assert message.serialise() == data


OPTIONS = b"OPTIONS sip:desk@mill.test SIP/2.0"

REFUSED: dict[str, tuple[bytes, int, str]] = {
    # RFC 4475, 3.1.2
    "separators with nothing between them in Via": (made(INVITE, b"Via: SIP/2.0/UDP lathe.test;;,;,,"), 400, "Via"),
    "separators with nothing between them in Contact": (made(INVITE, b"Contact: <sip:a@b.test>;;;"), 400, "Contact"),
    "a length beyond the datagram": (made(INVITE, b"Content-Length: 7000", body=SDP), 400, "Content-Length"),
    "a negative length": (made(INVITE, b"Content-Length: -700", body=SDP), 400, "Content-Length"),
    "CSeq too large": (made(REGISTER, b"CSeq: 73786976294838206464 REGISTER"), 400, "CSeq"),
    "Max-Forwards too large": (made(REGISTER, b"Max-Forwards: 400"), 400, "Max-Forwards"),
    "Expires too large": (made(REGISTER, b"Expires: " + b"8" * 90), 400, "Expires"),
    "CSeq too large in a response": (made(b"SIP/2.0 503 No", b"CSeq: 8888888888888888 OPTIONS"), 400, "CSeq"),
    "Retry-After too large": (made(b"SIP/2.0 503 No", b"Retry-After: 888888888888888888888"), 400, "Retry-After"),
    "a warning code of four digits": (made(b"SIP/2.0 503 No", b'Warning: 3999 mill "x"'), 400, "Warning"),
    "a name whose quote does not end": (made(INVITE, b'To: "Desk <sip:desk@mill.test>'), 400, "To"),
    "a Request-URI in angle brackets": (made(b"INVITE <sip:desk@mill.test> SIP/2.0"), 400, "Request-URI"),
    "space in the Request-URI": (made(b"INVITE sip:desk@mill.test; lr SIP/2.0"), 400, "Request-URI"),
    "two spaces in the request line": (made(b"INVITE  sip:desk@mill.test  SIP/2.0"), 400, "Request-URI"),
    "space after the request line": (made(OPTIONS + b"  "), 400, "SIP/2.0"),
    "header fields in the Request-URI": (
        made(b"INVITE sip:desk@mill.test?Route=%3Csip:x%3E SIP/2.0"),
        400,
        "Request-URI",
    ),
    "a time zone that is not GMT": (made(INVITE, b"Date: Sat, 13 Nov 2010 23:29:00 CET"), 400, "Date"),
    "a contact with header fields without brackets": (made(REGISTER, b"Contact: sip:a@b.test?Route=x"), 400, "Contact"),
    "a comma in a name without quotes": (made(OPTIONS, b"From: Smith, Al <sip:smith@lathe.test>;tag=1"), 400, "From"),
    "a version nobody speaks": (made(b"OPTIONS sip:desk@mill.test SIP/8.0"), 505, "SIP/8.0"),
    "a CSeq of another method": (made(OPTIONS, b"CSeq: 3 INVITE"), 400, "CSeq"),
    "a CSeq of another method than an unknown one": (
        made(b"MILL sip:desk@mill.test SIP/2.0", b"CSeq: 3 INVITE"),
        400,
        "CSeq",
    ),
    "a status code too large": (made(b"SIP/2.0 8589934592 wraps round"), 400, "status line"),
    # 3.3
    "mandatory fields missing": (made(INVITE, without="Call-ID From To"), 400, "missing"),
    "single fields twice": (
        made(INVITE, b"f: <sip:x@y.test>;tag=2", b"t: <sip:z@y.test>", b"i: other"),
        400,
        "more than one",
    ),
    "lengths that differ": (made(OPTIONS, b"Content-Length: 9", b"l: 4", body=b"How much?"), 400, "more than one"),
    # RFC 5118
    "an IPv6 address without brackets": (made(b"REGISTER sip:2001:db8::77 SIP/2.0"), 400, "Request-URI"),
    # What advisories name
    "a length with a plus sign": (made(OPTIONS, b"Content-Length: +5", body=b"helloINVITE"), 400, "Content-Length"),
    "a length with an underscore": (made(OPTIONS, b"Content-Length: 1_0", body=b"hello12345"), 400, "Content-Length"),
    "a length that is a list": (made(OPTIONS, b"Content-Length: 5, 5", body=b"hello"), 400, "Content-Length"),
    "a length with a fraction": (made(OPTIONS, b"Content-Length: 5.0", body=b"hello"), 400, "Content-Length"),
    "a length that wraps round 32 bits": (
        made(OPTIONS, b"Content-Length: 4294967301", body=b"hello"),
        400,
        "Content-Length",
    ),
    "a length of thousands of digits": (made(OPTIONS, b"Content-Length: " + b"7" * 5000), 400, "Content-Length"),
    "LF inside a field": (
        made(OPTIONS, b"Subject: x\nP-Asserted-Identity: <sip:boss@mill.test>"),
        400,
        "CR or LF alone",
    ),
    "LF at the end of every line": (made().replace(b"\r\n", b"\n"), 400, "CR or LF alone"),
    "control characters in a name": (made(OPTIONS, b'From: "Boss\x1b[2J\x07" <sip:s@lathe.test>;tag=1'), 400, "From"),
    "NUL in a name": (made(OPTIONS, b'From: "Boss\0" <sip:s@lathe.test>;tag=1'), 400, "NUL"),
    "NUL in a field": (made(OPTIONS, b"Subject: a\0b"), 400, "NUL"),
    "space in a field's name": (made(OPTIONS, b"Own Field: x"), 400, "not a header field"),
    "two branches": (made(OPTIONS, b"Via: SIP/2.0/UDP lathe.test;branch=z9hG4bKa;Branch=z9hG4bKb"), 400, "Via"),
    "junk in Via": (made(OPTIONS, b"Via: SIP/2.0/\x16UD\x90To ::]", b"v: SIP/2.0/UD\x90 :"), 400, "Via"),
    "a CSeq that wraps round 32 bits": (made(OPTIONS, b"CSeq: 4294967297 OPTIONS"), 400, "CSeq"),
    "a status code with underscores": (made(b"SIP/2.0 2_0_0 OK"), 400, "status line"),
    "a status code below 100": (made(b"SIP/2.0 099 X"), 400, "status line"),
    "From once in long and once in short": (
        made(OPTIONS, b"f: <sip:boss@mill.test>;tag=2"),
        400,
        "From: more than one",
    ),
    "junk in Authorization": (made(REGISTER, b'Authorization: Digest x x="",real'), 400, "Authorization"),
    "six thousand fields": (made(OPTIONS, *[b"Y-%d: n" % n for n in range(6000)]), 513, "header fields"),
    "Expires that wraps round 32 bits": (made(REGISTER, b"Expires: 4294967296"), 400, "Expires"),
    "a parameter of Digest again and again": (
        made(REGISTER, b"Authorization: Digest " + b'n="y",' * 40),
        400,
        "Authorization",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, hint, reason = REFUSED[name]
    with pytest.raises(MalformedMessage) as caught:
        parse_message(data).validate()
    assert caught.value.status_hint == hint
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("name", "hint", "lost"),
    [
        ("a length with a plus sign", 400, True),
        ("a negative length", 400, True),
        ("lengths that differ", 400, True),
        ("a length that wraps round 32 bits", 413, True),
        ("LF inside a field", 400, True),
        ("a version nobody speaks", 505, True),
        ("From once in long and once in short", 400, False),
        ("a CSeq of another method", 400, False),
        ("junk in Via", 400, False),
    ],
)
def test_refused_on_a_stream_without_reading_on_at_a_wrong_place(name: str, hint: int, lost: bool) -> None:
    framer = Framer()
    framer.feed(REFUSED[name][0] + made(INVITE))
    with pytest.raises(MalformedMessage) as caught:
        framer.next_message()
    assert caught.value.status_hint == hint
    assert framer.is_broken is lost
    following = framer.next_message()
    assert following is None if lost else isinstance(following, Request) and following.method == "INVITE"


def test_a_stream_without_length_is_lost_and_what_follows_is_never_a_request() -> None:
    framer = Framer()
    framer.feed(made(without="Content-Length") + made(INVITE))
    with pytest.raises(MalformedMessage, match="Content-Length is missing"):
        framer.next_message()
    assert framer.is_broken
    assert framer.next_message() is None


def test_a_stream_waits_for_a_length_larger_than_what_is_there() -> None:
    framer = Framer()
    framer.feed(REFUSED["a length beyond the datagram"][0])
    assert framer.next_message() is None
    assert framer.has_partial
