"""The command line: what can be asked, and what is refused before anything is opened."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NoReturn

from sipstack.dialogs import SessionTimerPolicy
from sipstack.message import URI, LocalProtocolError, MalformedMessage
from sipstack.transport import ListenURL, TLSConfig, parse_nameserver

from ._exit_codes import USAGE
from ._output import printable

__all__ = ["build_parser", "parse_arguments"]

_DESCRIPTION = "Speak SIP from the command line: make, take, trace and script calls, registrations and requests."

_EPILOG = """\
examples:
  sipstack demo                                    a whole call on this machine, drawn as a ladder
  sipstack answer                                  answer every call to this machine
  sipstack call sip:bob@192.0.2.7 --ladder         call somebody, and watch the messages go
  sipstack options sip:192.0.2.7                   is anybody there?
  sipstack COMMAND --help                          all options of a command, with examples

exit status:
  0  it worked: a 2xx            3 to 6  the class of the final response: 4 for 486 Busy Here
  1  timeout, transport failure  2  wrong usage   130, 143  ended by SIGINT, SIGTERM
"""

_DEMO = """\
examples:
  sipstack demo
  sipstack demo --pcap demo.pcapng                 the same messages, for Wireshark
"""

_ANSWER = """\
The SDP that is answered with fits the offer, and its address is the one the caller can reach; but no RTP is sent or
expected: the ports in it are just valid numbers.

examples:
  sipstack answer                                  on UDP and TCP, port 5060 of all addresses
  sipstack answer --ring 3 --hangup-after 10       180, three seconds later 200, ten seconds later BYE
  sipstack answer --ring 3 --reliable              the same, but wait for the PRACK of the 180
  sipstack answer --status 486                     be busy
  sipstack answer --listen udp://127.0.0.1:0 --max-calls 1 --json
"""

_CALL = """\
The SDP offers audio; but no RTP is sent or expected: the ports in it are just valid numbers.

examples:
  sipstack call sip:bob@192.0.2.7                  until bob hangs up, or Ctrl-C
  sipstack call sip:bob@example.com --user alice --password secret --duration 5
  sipstack call sip:bob@192.0.2.7 --cancel-after 2
  sipstack call sip:bob@192.0.2.7 --require-100rel --offerless
  sipstack call sip:bob@192.0.2.7 --duration 8 --hold-after 2
  sipstack call "sip:bob@192.0.2.7;transport=tcp" --ladder
  sipstack call tel:+15551234 --proxy sip:gateway.example.com

exit status:
  0  answered with 2xx (and not lost afterwards)   3 to 6  the class of the final response: 4 for 486 Busy Here
  1  timeout, transport failure                    130, 143  ended by SIGINT, SIGTERM; the call is hung up
"""

_REGISTER = """\
examples:
  sipstack register sip:alice@example.com --registrar sip:example.com --user alice --password secret
  sipstack register sip:alice@example.com --registrar sip:192.0.2.7 --once
"""

_OPTIONS = """\
examples:
  sipstack options sip:192.0.2.7
  sipstack options "sip:bob@example.com;transport=tcp" --timeout 2
  sipstack options sip:example.com -v              which servers DNS names, and which one is asked
"""

_MESSAGE = """\
examples:
  sipstack message sip:bob@192.0.2.7 "lunch?"
  sipstack message sip:bob@example.com "lunch?" --user alice --password secret --proxy sip:proxy.example.com
"""


_FROM = "who we are (default: U at the proxy or target; without --user, sipstack at our own address)"

_SHORTEST_SESSION = SessionTimerPolicy().least


class _Parser(argparse.ArgumentParser):
    """Refuse with one sentence; the usage is a ``--help`` away."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **keywords)

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(USAGE, f"{self.prog}: {printable(message)}; see {self.prog} --help.\n")


def _uri(*schemes: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        example = f"write it like {schemes[0]}:bob@example.com"
        try:
            uri = URI.parse(text)
            uri.parameters  # noqa: B018  (read when first asked for; a bad one is to be refused here)
        except MalformedMessage as error:
            raise argparse.ArgumentTypeError(f"{error.reason}; {example}") from None
        if uri.scheme not in schemes:
            raise argparse.ArgumentTypeError(
                f"{text!r} has the scheme {uri.scheme}, and only {', '.join(schemes)} will do here; {example}"
            )
        return text

    return check


def _listen_url(text: str) -> str:
    try:
        ListenURL.parse(text)
    except LocalProtocolError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None
    return text


def _nameserver(text: str) -> str:
    try:
        parse_nameserver(text)
    except LocalProtocolError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None
    return text


def _tls(text: str) -> TLSConfig:
    try:
        return TLSConfig.parse(text)
    except LocalProtocolError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def _whole(what: str, least: int, most: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else -1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}; give a number from {least} to {most}")
        return value

    return check


def _status(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) == 3 else -1
    if value != 200 and not 300 <= value <= 699:
        raise argparse.ArgumentTypeError(f"{text!r} is no final code to answer with; give 200, or one from 300 to 699")
    return value


def _common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("watching")
    group.add_argument("--ladder", action="store_true", help="draw the messages as they go, to standard error")
    group.add_argument(
        "--pcap", metavar="FILE", help="write the messages to FILE for Wireshark, credentials and all (pcapng)"
    )
    group.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="log every message with time and direction to standard error, credentials masked, and how names resolve",
    )
    _add_version(parser)


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"sipstack {version('sipstack')}")


def _listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        metavar="URL",
        type=_listen_url,
        help="where to send from and be reached, such as udp://192.0.2.1:5062 (default: any free port)",
    )
    parser.add_argument(
        "--tls",
        metavar="PARAMETERS",
        type=_tls,
        help="what to show to TLS peers and whom to trust, such as 'ca=lab.pem' or 'cert=me.pem&verify=none'",
    )
    parser.add_argument(
        "--websocket-path", metavar="PATH", default="/", help="the path to ask WebSocket servers for (default: /)"
    )
    parser.add_argument(
        "--nameserver",
        metavar="ADDRESS",
        type=_nameserver,
        action="append",
        help="ask this DNS server, such as 127.0.0.1:5353; may be given several times (default: the system's)",
    )


def _session_timer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--session-expires",
        metavar="N",
        type=_whole("session interval", _SHORTEST_SESSION, 2**31 - 1),
        help=f"ask for a session timer of N seconds, at least {_SHORTEST_SESSION} (RFC 4028)",
    )


def _credentials(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("authentication")
    group.add_argument("--user", metavar="U", help="the name to answer a 401 or 407 with, and the user of our own URI")
    group.add_argument("--password", metavar="P", help="the password that belongs to it")


def _client(parser: argparse.ArgumentParser, timeout: str) -> None:
    _listen(parser)
    parser.add_argument("--from", metavar="URI", dest="from_uri", type=_uri("sip", "sips", "tel"), help=_FROM)
    parser.add_argument("--proxy", metavar="URI", type=_uri("sip", "sips"), help="send everything through this proxy")
    parser.add_argument("--timeout", metavar="SECONDS", type=_seconds, help=timeout)
    _credentials(parser)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line; what it returns holds ``command``."""
    parser = _Parser(prog="sipstack", description=_DESCRIPTION, epilog=_EPILOG)
    _add_version(parser)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)

    def add(name: str, summary: str, epilog: str) -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}."
        return commands.add_parser(name, help=summary, description=description, epilog=epilog)

    demo = add("demo", "register, fork a call to two phones, answer, re-INVITE and hang up, all on this machine", _DEMO)
    _common(demo)

    answer = add("answer", "answer every call, until Ctrl-C", _ANSWER)
    answer.add_argument(
        "--listen",
        metavar="URL",
        type=_listen_url,
        action="append",
        help="where to listen, such as 'tls://0.0.0.0:5061?cert=me.pem&key=me.key'; may be given several times "
        "(default: udp://0.0.0.0:5060 and tcp://0.0.0.0:5060)",
    )
    answer.add_argument(
        "--ring",
        metavar="SECONDS",
        type=_seconds,
        default=0.0,
        help="let it ring so long before answering (default: 0)",
    )
    answer.add_argument(
        "--reliable",
        action="store_true",
        help="send the 180 reliably, with our SDP in it, where the caller takes that (RFC 3262)",
    )
    answer.add_argument(
        "--status", metavar="CODE", type=_status, default=200, help="the final code to answer with (default: 200)"
    )
    answer.add_argument(
        "--hangup-after", metavar="SECONDS", type=_seconds, help="hang up so long after answering (default: never)"
    )
    answer.add_argument(
        "--max-calls", metavar="N", type=_whole("number of calls", 1, 10**9), help="exit when N calls have ended"
    )
    _session_timer(answer)
    answer.add_argument("--json", action="store_true", help="print one JSON object per event")
    _common(answer)

    call = add("call", "call a URI, and stay in the call until the peer hangs up or Ctrl-C", _CALL)
    call.add_argument("uri", metavar="URI", type=_uri("sip", "sips", "tel"), help="whom to call")
    _client(call, "give up when there is no final response after so long (default: 180)")
    call.add_argument(
        "--duration", metavar="SECONDS", type=_seconds, help="hang up so long after the answer (default: never)"
    )
    call.add_argument(
        "--cancel-after", metavar="SECONDS", type=_seconds, help="send CANCEL if there is no answer after so long"
    )
    call.add_argument(
        "--hold-after",
        metavar="SECONDS",
        type=_seconds,
        help="put the peer on hold so long after the answer; with --duration, resume halfway from there to the end",
    )
    call.add_argument(
        "--offerless",
        action="store_true",
        help="send no SDP in the INVITE: the callee makes the offer, and the ACK or PRACK answers it",
    )
    call.add_argument(
        "--require-100rel",
        action="store_true",
        help="require reliable provisional responses (RFC 3262); who refuses that with 420 is called again without",
    )
    _session_timer(call)
    call.add_argument("--json", action="store_true", help="print one JSON object per event")
    _common(call)

    register = add("register", "register an address-of-record, and keep it registered until Ctrl-C", _REGISTER)
    register.add_argument(
        "aor", metavar="AOR", type=_uri("sip", "sips"), help="the address-of-record: sip:alice@example.com"
    )
    register.add_argument(
        "--registrar", metavar="URI", type=_uri("sip", "sips"), required=True, help="where to register"
    )
    register.add_argument(
        "--expires",
        metavar="N",
        type=_whole("number of seconds", 1, 2**32 - 1),
        default=3_600,
        help="ask for so many seconds (default: 3600)",
    )
    register.add_argument(
        "--once", action="store_true", help="register, print the bindings, remove the registration again and exit"
    )
    _listen(register)
    _credentials(register)
    _common(register)

    options = add("options", "ask somebody what they can do, or whether they are there", _OPTIONS)
    options.add_argument("uri", metavar="URI", type=_uri("sip", "sips", "tel"), help="whom to ask")
    _client(options, "give up after so long (default: 32)")
    _common(options)

    message = add("message", "send an instant message", _MESSAGE)
    message.add_argument("uri", metavar="URI", type=_uri("sip", "sips", "tel"), help="whom to write to")
    message.add_argument("text", metavar="TEXT", help="what to write")
    _client(message, "give up after so long (default: 32)")
    _common(message)
    return parser


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse a command line; exit with 2 and a sentence if it is wrong.

    :param arguments: all after the program's name; those of the process if None.
    """
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if (getattr(parsed, "user", None) is None) != (getattr(parsed, "password", None) is None):
        parser.prog = f"sipstack {parsed.command}"
        parser.error("--user and --password go together, and one of them is missing")
    hold, duration = getattr(parsed, "hold_after", None), getattr(parsed, "duration", None)
    if hold is not None and duration is not None and hold >= duration:
        parser.prog = f"sipstack {parsed.command}"
        parser.error(f"--hold-after {hold:g} is not before the end of the call, --duration {duration:g}")
    return parsed
