"""Small askers: sipsak, sip-options (Sofia-SIP), and ours to Kamailio."""

import pytest

pytestmark = pytest.mark.interop


def test_sipsak_gets_200(start, need, sipstack_answer):
    program, answering = need("sipsak"), sipstack_answer()
    finished = start(program, "-vv", "-s", f"sip:{answering.target}").wait()
    assert finished.code == 0, finished.output
    assert "SIP/2.0 200 OK" in finished.output


def test_sip_options_gets_200(start, need, sipstack_answer):
    program, answering = need("sip-options"), sipstack_answer()
    finished = start(program, f"sip:{answering.target}").wait()
    assert finished.code == 0, finished.output
    assert "SIP/2.0 200 OK" in finished.output


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_options_to_kamailio(run_sipstack, kamailio, transport):
    finished = run_sipstack("options", f"{kamailio.uri};transport={transport}")
    assert finished.code == 0, finished.output
    assert "200" in finished.output
