import pytest
import sipmessage

from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._media_type import MediaType
from sipstack.message._parameters import Parameters


@pytest.mark.parametrize(
    ("text", "mime_type"),
    [
        ("application/sdp", "application/sdp"),
        ('multipart/mixed;boundary="a;b"', "multipart/mixed"),
        ("text / plain ; charset = UTF-8", "text/plain"),
        ("*/*;q=0.3", "*/*"),
        ("text/*", "text/*"),
    ],
)
def test_a_media_type_is_read_and_its_text_kept(text, mime_type):
    media_type = MediaType.parse(text)
    assert media_type.mime_type == mime_type
    assert str(media_type) == text
    assert MediaType.parse_many(f"{text}, {text}") == [media_type, media_type]
    assert isinstance(media_type, sipmessage.MediaType)
    made = MediaType(mime_type, media_type.parameters)
    assert MediaType.parse(str(made)) == made == media_type
    assert hash(made) == hash(media_type)


@pytest.mark.parametrize("text", ["", "a", "a/", "/b", "a/b/c", "a/b;", "a/b;c;c", "a b/c", "AAAA", "a/b,c/d"])
def test_what_is_no_media_type_is_malformed(text):
    with pytest.raises(MalformedMessage):
        MediaType.parse(text)


def test_types_compare_without_case_and_have_a_preference():
    assert MediaType.parse("Application/SDP") == MediaType("application/sdp")
    assert MediaType.parse("application/sdp;x=y") != MediaType("application/sdp")
    assert MediaType("a/b") != "a/b"
    assert MediaType.parse("a/b;q=0.3").q == 0.3
    assert MediaType.parse("a/b").q is None
    with pytest.raises(MalformedMessage):
        _ = MediaType.parse("a/b;q=3").q


@pytest.mark.parametrize("mime_type", ["", "a", "a/", "a/b c", "a/b\r\n", "a/b/c"])
def test_what_makes_no_media_type_is_refused(mime_type):
    with pytest.raises(LocalProtocolError):
        MediaType(mime_type)
    with pytest.raises(LocalProtocolError):
        MediaType("a/b", Parameters({"a b": "c"}))


def test_sipmessage_parameters_are_taken():
    assert str(MediaType("a/b", sipmessage.Parameters(c="d e"))) == 'a/b;c="d e"'
