import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message._cseq import CSeq
from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._rack import RAck


@given(st.integers(0, 2**31 - 1), st.text("abcXYZ019-.!%*_+`'~", min_size=1))
def test_a_round_trip_keeps_all(sequence, method):
    cseq = CSeq(sequence, method)
    assert CSeq.parse(str(cseq)) == cseq
    assert hash(CSeq.parse(str(cseq))) == hash(cseq)
    rack = RAck(sequence, sequence, method)
    assert RAck.parse(str(rack)) == rack


@pytest.mark.parametrize(
    ("text", "sequence", "method"),
    [
        ("314159 INVITE", 314159, "INVITE"),
        ("0009 INVITE", 9, "INVITE"),
        (" 0\t\tinvite ", 0, "invite"),
        ("2147483647 ACK", 2**31 - 1, "ACK"),
        ("1 RE%47IST%45R", 1, "RE%47IST%45R"),
        ("0" * 5000 + "1 BYE", 1, "BYE"),
    ],
)
def test_a_cseq_is_read_and_its_text_kept(text, sequence, method):
    cseq = CSeq.parse(text)
    assert (cseq.sequence, cseq.method, str(cseq)) == (sequence, method, text)
    assert isinstance(cseq, sipmessage.CSeq)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "INVITE",
        "1INVITE",
        "+1 ACK",
        "-1 ACK",
        "1_0 ACK",
        "\u0661 ACK",
        "1 A CK",
        "1 A/K",
        "1,2 ACK",
        "1 ACK\r",
    ],
)
def test_what_is_no_cseq_is_malformed(text):
    with pytest.raises(MalformedMessage):
        CSeq.parse(text)


@pytest.mark.parametrize("number", ["2147483648", "4294967296", "36893488147419103232", "9" * 5000])
@pytest.mark.rfc("R3261-20.16-1")
def test_a_cseq_out_of_range_is_malformed(number):
    with pytest.raises(MalformedMessage):
        CSeq.parse(f"{number} INVITE")
    with pytest.raises(MalformedMessage):
        RAck.parse(f"1 {number} INVITE")


@pytest.mark.parametrize(("sequence", "method"), [(-1, "A"), (2**31, "A"), (1, ""), (1, "A B"), (1, "A\r\n")])
def test_what_makes_no_cseq_is_refused(sequence, method):
    with pytest.raises(LocalProtocolError):
        CSeq(sequence, method)
    with pytest.raises(LocalProtocolError):
        RAck(1, sequence, method)
