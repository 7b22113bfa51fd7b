import attrs
import pytest

from sipstack.sdp import Fault, Rule, SessionDescription, check_answer, check_next_offer

HEAD = "v=0\r\no={origin}\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
PLAIN = "m=audio 9 RTP/AVP 0 8\r\n"
GROUP = PLAIN + "c=IN IP4 224.2.1.1/9\r\nb=AS:64\r\na=ptime:20\r\n"


def parse(media: str = "", origin: str = "- 1 1 IN IP4 192.0.2.9", **lines: str) -> SessionDescription:
    head = HEAD.format(origin=origin)
    for letter, line in lines.items():
        old = next(one for one in head.split("\r\n") if one.startswith(f"{letter}="))
        head = head.replace(f"{old}\r\n", f"{letter}={line}\r\n" if line else "")
    return SessionDescription.parse(head + media)


def answer(media: str = "", **lines: str) -> SessionDescription:
    return parse(media, lines.pop("origin", "- 2 1 IN IP4 192.0.2.1"), **lines)


def rules(faults: list[Fault]) -> list[str]:
    return [fault.rule.name for fault in faults]


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("", ""),
        (PLAIN, PLAIN),
        (PLAIN, "m=audio 0 RTP/AVP 18\r\n"),
        (PLAIN, "m=audio 9 RTP/AVP 8 0 18 95 128 1000\r\n"),
        (PLAIN + "a=sendonly\r\n", PLAIN + "a=recvonly\r\n"),
        (PLAIN + "a=sendonly\r\n", PLAIN + "a=inactive\r\n"),
        (PLAIN + "a=inactive\r\n", "a=inactive\r\n" + PLAIN),
        ("m=audio 0 RTP/AVP 0\r\n", "m=audio 0 RTP/AVP 0\r\n"),
        # the same codec under another number
        (
            "m=audio 9 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n",
            "m=audio 9 RTP/AVP 97\r\na=rtpmap:97 OPUS/48000/2\r\n",
        ),
        ("m=audio 9 RTP/AVP 50\r\n", "m=audio 9 RTP/AVP 50\r\n"),
        ("m=image 9 udptl t38\r\n", "m=image 9 UDPTL t38\r\n"),
        (PLAIN + "a=rtcp-mux\r\na=ptime:20\r\n", PLAIN + "a=rtcp-mux\r\na=ptime:2.5\r\n"),
        (
            "m=audio 9 RTP/AVP 0 8\r\nc=IN IP4 224.2.1.1/9\r\n",
            "m=audio 9 RTP/AVP 0 8\r\nc=IN IP4 224.2.1.1/9\r\nb=AS:64\r\na=ptime:20\r\n",
        ),
        (GROUP, GROUP),
        ("m=audio 9 RTP/AVP 0 8\r\nc=IN IP4 224.2.1.1/9\r\n", "m=audio 9 RTP/AVP 8\r\nc=IN IP4 224.2.1.1/9\r\n"),
    ],
)
def test_answers_that_are_right(offered: str, answered: str) -> None:
    assert check_answer(parse(offered), answer(answered)) == []


@pytest.mark.parametrize(
    ("offered", "answered", "expected"),
    [
        (PLAIN, "", "MEDIA_COUNT"),
        ("", PLAIN, "MEDIA_COUNT"),
        (PLAIN, PLAIN * 2, "MEDIA_COUNT"),
        (PLAIN, "m=video 9 RTP/AVP 0\r\n", "MEDIA_TYPE"),
        (PLAIN, "m=video 0 RTP/AVP 0\r\n", "MEDIA_TYPE"),
        (PLAIN, "m=audio 9 RTP/SAVP 0\r\n", "PROTOCOL"),
        ("m=audio 0 RTP/AVP 0\r\n", "m=audio 9 RTP/AVP 0\r\n", "REFUSED_STREAM"),
        (PLAIN, "m=audio 9 RTP/AVP 18\r\n", "FORMAT"),
        ("m=audio 9 RTP/AVP 50\r\n", "m=audio 9 RTP/AVP 51\r\n", "FORMAT"),
        ("m=image 9 udptl t38\r\n", "m=image 9 udptl t37\r\n", "FORMAT"),
        (PLAIN, "m=audio 9 RTP/AVP 0 96\r\n", "RTPMAP"),
        (PLAIN, "m=audio 9 RTP/AVP 0 127\r\n", "RTPMAP"),
        (PLAIN, PLAIN + "a=rtcp-mux\r\n", "RTCP_MUX"),
        (PLAIN, PLAIN + "a=ptime:0\r\n", "PTIME"),
        (PLAIN, PLAIN + "a=ptime\r\n", "PTIME"),
        (PLAIN, PLAIN + "c=IN IP4 224.2.1.1/9\r\n", "UNICAST"),
        (PLAIN + "a=sendonly\r\n", PLAIN, "DIRECTION"),
        (PLAIN + "a=sendonly\r\n", PLAIN + "a=sendonly\r\n", "DIRECTION"),
        (PLAIN + "a=recvonly\r\n", PLAIN + "a=sendrecv\r\n", "DIRECTION"),
        (PLAIN + "a=recvonly\r\n", PLAIN + "a=recvonly\r\n", "DIRECTION"),
        ("a=inactive\r\n" + PLAIN, PLAIN, "DIRECTION"),
        (GROUP, PLAIN, "MULTICAST MULTICAST MULTICAST"),
        (GROUP, GROUP.replace("9 RTP", "7 RTP"), "MULTICAST"),
        (GROUP, GROUP.replace("0 8", "0 18"), "MULTICAST"),
        (GROUP, GROUP + "a=recvonly\r\n", "MULTICAST"),
        (GROUP, GROUP.replace("ptime:20", "ptime:30"), "MULTICAST"),
        (GROUP, GROUP.replace("AS:64", "AS:32"), "MULTICAST"),
        (GROUP, GROUP.replace("1.1/9", "1.2/9"), "MULTICAST"),
        (
            "m=audio 9 RTP/AVP 96 0\r\na=rtpmap:96 opus/48000/2\r\n",
            "m=audio 9 RTP/AVP 96 0\r\na=rtpmap:96 iLBC/8000\r\n",
            "PAYLOAD_TYPE",
        ),
    ],
)
def test_answers_that_are_wrong(offered: str, answered: str, expected: str) -> None:
    faults = check_answer(parse(offered), answer(answered))
    assert " ".join(rules(faults)) == expected


def test_the_session_part_of_an_answer() -> None:
    assert rules(check_answer(parse(), answer(t="1 2"))) == ["TIME"]
    assert rules(check_answer(parse(t=""), answer())) == []
    assert rules(check_answer(parse(PLAIN), answer(PLAIN, c=""))) == ["CONNECTION"]
    assert rules(check_answer(parse(PLAIN), answer("m=audio 0 RTP/AVP 0\r\n", c=""))) == []
    assert rules(check_answer(parse(), answer(origin=f"- {2**63} 1 IN IP4 x"))) == ["NUMBER_RANGE"]
    assert rules(check_answer(parse(), answer(origin=f"- 1 {2**63} IN IP4 x"))) == ["NUMBER_RANGE"]
    assert rules(check_answer(parse(), answer(origin=f"- {2**63 - 1} {2**63 - 1} IN IP4 x"))) == []
    assert rules(check_answer(parse(PLAIN), parse(PLAIN + "a=recvonly\r\n"))) == ["COPIED_ORIGIN"]
    assert check_answer(parse(PLAIN), parse(PLAIN)) == []


def test_a_fault_says_what_where_and_by_which_rule() -> None:
    (fault,) = check_answer(parse(PLAIN + PLAIN), answer(PLAIN + "m=audio 9 RTP/AVP 18\r\n"))
    assert fault == Fault(Rule.FORMAT, "of 18, none was offered", 1)
    assert (fault.rule.rfc, fault.rule.section) == (3264, "6.1")
    assert str(fault).startswith("m= line 2: of 18, none was offered (RFC 3264, section 6.1: ")
    assert not str(Fault(Rule.MEDIA_COUNT, "x")).startswith("m=")
    assert len(Rule) == 20  # none is another's alias


def following(media: str, version: int = 2, origin: str = "- 1 {} IN IP4 192.0.2.9") -> SessionDescription:
    return parse(media, origin.format(version))


VIDEO = "m=video 7 RTP/AVP 34\r\n"
DYNAMIC = "m=audio 9 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"


@pytest.mark.rfc("R3264-8-4", "R3264-8-5", "R3264-8-8", "R3264-8-9", "R3264-8-10", "R3264-8.1-1", "R3264-8.3.2-3")
@pytest.mark.parametrize(
    ("previous", "new", "expected"),
    [
        (PLAIN, following(PLAIN, 1), []),
        (PLAIN, following(PLAIN, 2), []),
        (PLAIN, following(PLAIN + VIDEO), []),
        (PLAIN, following("m=audio 0 RTP/AVP 0\r\n"), []),
        (PLAIN, following("m=image 9 udptl t38\r\n"), []),
        ("m=audio 0 RTP/AVP 0\r\n", following(VIDEO), []),
        (PLAIN, following(VIDEO, 1), ["VERSION"]),
        (PLAIN, following(VIDEO, 3), ["VERSION"]),
        (PLAIN, following(PLAIN, 3), ["VERSION"]),
        (PLAIN, following(PLAIN, 0), ["VERSION"]),
        (PLAIN, following(PLAIN + "a=ptime:0\r\n"), ["PTIME"]),
        (PLAIN, following(PLAIN, 2, "x 1 {} IN IP4 192.0.2.9"), ["ORIGIN"]),
        (PLAIN, following(PLAIN, 2, "- 2 {} IN IP4 192.0.2.9"), ["ORIGIN"]),
        (PLAIN, following(PLAIN, 2, "- 1 {} XX IP4 192.0.2.9"), ["ORIGIN"]),
        (PLAIN, following(PLAIN, 2, "- 1 {} IN IP6 192.0.2.9"), ["ORIGIN"]),
        (PLAIN, following(PLAIN, 2, "- 1 {} IN IP4 192.0.2.8"), ["ORIGIN"]),
        (PLAIN + VIDEO, following(PLAIN), ["FEWER_MEDIA"]),
        (PLAIN + VIDEO, following(VIDEO + PLAIN), ["MEDIA_ORDER"]),
        (PLAIN + VIDEO, following(VIDEO + PLAIN + PLAIN), ["MEDIA_ORDER"]),
        (PLAIN + VIDEO.replace("7", "0"), following(VIDEO + PLAIN), []),
        (DYNAMIC, following(DYNAMIC.replace("opus/48000/2", "opus/48000")), ["PAYLOAD_TYPE"]),
        (DYNAMIC, following(DYNAMIC.replace("96", "97")), []),
        (DYNAMIC.replace(" 9 ", " 0 "), following(DYNAMIC.replace("opus", "x")), []),
        (PLAIN, following(PLAIN + "a=rtpmap:0 x/8000\r\n"), []),
        ("m=image 9 udptl 96\r\n", following("m=image 9 udptl 96\r\na=rtpmap:96 x/1\r\n"), []),
    ],
)
def test_one_description_after_another(previous: str, new: SessionDescription, expected: list[str]) -> None:
    assert rules(check_next_offer(parse(previous), new)) == expected


def test_faults_come_together() -> None:
    old = parse(PLAIN + VIDEO)
    new = attrs.evolve(parse(PLAIN, origin=f"- 5 {2**64} IN IP4 192.0.2.9"), connection=None)
    assert rules(check_next_offer(old, new)) == ["NUMBER_RANGE", "CONNECTION", "ORIGIN", "VERSION", "FEWER_MEDIA"]
