"""Other people's SIP programs, started on loopback for one test each, and ours next to them.

A test is skipped, with the name of what is missing, where a program is not installed. Every wait has a deadline, every
program that was started is ended by its process id, and every port is a free one of the moment.

Debian packages of the programs: sip-tester (sipp), baresip-core, linphone-cli (with linphone-common), kamailio, sipsak,
sofia-sip-bin (sip-options), tshark.
"""

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
POLL = 0.02


def _program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _free_port(host: str, neighbours: int = 0) -> int:
    """Return a port free for UDP and TCP, and so many after it as well."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(50):
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            try:
                first.bind((host, 0))
            except OSError as problem:
                pytest.skip(f"{host} is not there: {problem}")
            port = int(first.getsockname()[1])
            try:
                for number in range(port, port + neighbours + 1):
                    if number != port:
                        stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)).bind((host, number))
                    stack.enter_context(socket.socket(family, socket.SOCK_STREAM)).bind((host, number))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port on {host}")


@dataclass
class Finished:
    """A program that ended by itself."""

    code: int
    output: str


class Running:
    """A program started for one test; what it prints goes to a file."""

    def __init__(
        self, command: Sequence[str], folder: Path, *, home: Path | None = None, has_input: bool = False
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = folder / f"{Path(self.command[0]).name}-{time.monotonic_ns()}.log"
        environment = {**os.environ, "PATH": PATH, "PYTHONUNBUFFERED": "1", **({"HOME": str(home)} if home else {})}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def wait_for(self, pattern: str, seconds: float = 10.0) -> re.Match[str]:
        """Return where the output first matches; fail when it does not in time or the program ends before."""
        deadline = time.monotonic() + seconds
        while True:
            has_ended = self.process.poll() is not None
            found = re.search(pattern, self.output)
            if found:
                return found
            if has_ended or time.monotonic() > deadline:
                why = f"ended with {self.process.returncode}" if has_ended else f"took more than {seconds} s"
                pytest.fail(f"{self.command} {why} before {pattern!r}:\n{self.output[-4000:]}")
            time.sleep(POLL)

    def wait(self, seconds: float = 10.0) -> Finished:
        """Return when the program has ended by itself; fail when it does not in time."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            pytest.fail(f"{self.command} did not end within {seconds} s:\n{self.output[-4000:]}")
        return Finished(code, self.output)

    def end(self) -> None:
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)


Start = Callable[..., Running]


@pytest.fixture
def need() -> Callable[[str], str]:
    """Return the path of a program, or skip the test."""
    return _program


@pytest.fixture
def free_port() -> Callable[..., int]:
    return _free_port


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program; it is ended after the test."""
    running: list[Running] = []

    def begin(*command: str, home: Path | None = None, has_input: bool = False) -> Running:
        program = Running(command, tmp_path, home=home, has_input=has_input)
        running.append(program)
        return program

    yield begin
    for program in reversed(running):
        program.end()
    for program in running:  # pytest shows it when the test failed
        print(f"--- {' '.join(program.command)}\n{program.output[-6000:]}")


# --- ours -----------------------------------------------------------------------------------------------------------

_COMMAND = (sys.executable, "-c", "import sys; from sipstack.cli import main; sys.exit(main())")


@pytest.fixture
def sipstack(start: Start) -> Start:
    """Start the sipstack command with these arguments."""

    def begin(*arguments: str) -> Running:
        return start(*_COMMAND, *arguments)

    return begin


@pytest.fixture
def run_sipstack(sipstack: Start) -> Callable[..., Finished]:
    """Run the sipstack command until it ends by itself."""

    def run(*arguments: str, seconds: float = 15.0) -> Finished:
        return sipstack(*arguments).wait(seconds)

    return run


@dataclass
class Answering:
    """A `sipstack answer` that listens."""

    running: Running
    host: str
    port: int

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    def finish(self, seconds: float = 10.0) -> str:
        """Wait for the end that `--max-calls` brings, and return what was printed."""
        finished = self.running.wait(seconds)
        assert finished.code == 0, finished.output
        return finished.output


@pytest.fixture
def sipstack_answer(sipstack: Start) -> Callable[..., Answering]:
    """Start `sipstack answer` and return when it listens."""

    def begin(*options: str, listen: str = "udp://127.0.0.1:0") -> Answering:
        running = sipstack("answer", "--listen", listen, *options)
        found = running.wait_for(r"listening on \w+://(\[[^]]+\]|[0-9.]+):(\d+)")
        return Answering(running, found[1], int(found[2]))

    return begin


# --- SIPp -----------------------------------------------------------------------------------------------------------


@dataclass
class Statistics:
    """What SIPp counted, from its -trace_stat file."""

    code: int
    calls: int
    succeeded: int
    failed: int
    retransmissions: int
    strays: int
    output: str


class SIPp:
    """One run of SIPp in a folder of its own."""

    def __init__(self, start: Start, program: str, folder: Path, options: Sequence[str]) -> None:
        self._statistics = folder / "statistics.csv"
        common = ["-nostdin", "-trace_stat", "-stf", str(self._statistics), "-fd", "1", "-timeout_error"]
        self.running = start(program, *options, *common)

    def finish(self, seconds: float) -> Statistics:
        finished = self.running.wait(seconds)
        rows = list(csv.DictReader(self._statistics.read_text().splitlines(), delimiter=";"))
        last = rows[-1]
        return Statistics(
            code=finished.code,
            calls=int(last["TotalCallCreated"]),
            succeeded=int(last["SuccessfulCall(C)"]),
            failed=int(last["FailedCall(C)"]),
            retransmissions=int(last["Retransmissions(C)"]),
            strays=int(last["OutOfCallMsgs(C)"]) + int(last["DeadCallMsgs(C)"]),
            output=finished.output,
        )


def _scenario(name: str, folder: Path, code: int | None = None) -> list[str]:
    """Return the options for a scenario of SIPp's own or of ours, with another code in place of its 486."""
    file = HERE / "sipp" / f"{name}.xml"
    if not file.exists():
        return ["-sn", name]
    if code is not None:
        text = file.read_text()
        file = folder / file.name
        file.write_text(text.replace("486", str(code)))
    return ["-sf", str(file)]


@pytest.fixture
def sipp_uac(start: Start, need: Callable[[str], str], tmp_path: Path) -> Callable[..., Statistics]:
    """Run a SIPp caller to its end: a scenario of its own or one of sipp/*.xml, towards `host:port`."""

    def run(
        target: str,
        *options: str,
        scenario: str = "uac",
        transport: str = "u1",
        calls: int = 1,
        rate: int = 10,
        seconds: float = 20,
    ) -> Statistics:
        host = "::1" if "[" in target else "127.0.0.1"
        command = [*_scenario(scenario, tmp_path), target, "-t", transport, "-i", host, "-p", str(_free_port(host))]
        command += [
            "-m",
            str(calls),
            "-r",
            str(rate),
            "-l",
            "10000",
            "-timeout",
            str(int(seconds)),
            "-buff_size",
            "1000000",
        ]
        return SIPp(start, need("sipp"), tmp_path, [*command, *options]).finish(seconds + 5)

    return run


@dataclass
class Callee:
    """A SIPp that waits for calls."""

    run: SIPp
    port: int

    @property
    def uri(self) -> str:
        return f"sip:service@127.0.0.1:{self.port}"

    def finish(self, seconds: float = 10.0) -> Statistics:
        return self.run.finish(seconds)


def _is_bound(port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> bool:
    """Tell whether somebody holds a port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _wait_until(is_true: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} took more than {seconds} s")
        time.sleep(POLL)


@pytest.fixture
def sipp_uas(start: Start, need: Callable[[str], str], tmp_path: Path) -> Callable[..., Callee]:
    """Start a SIPp that takes so many calls and ends."""

    def begin(
        *options: str, scenario: str = "uas", code: int | None = None, calls: int = 1, seconds: int = 20
    ) -> Callee:
        port, media = _free_port("127.0.0.1"), _free_port("127.0.0.1", neighbours=3)
        command = [*_scenario(scenario, tmp_path, code), "-i", "127.0.0.1", "-p", str(port)]
        command += ["-m", str(calls), "-timeout", str(seconds), "-mi", "127.0.0.1", "-mp", str(media)]
        run = SIPp(start, need("sipp"), tmp_path, [*command, *options])
        kind = socket.SOCK_STREAM if "t1" in options else socket.SOCK_DGRAM
        _wait_until(lambda: _is_bound(port, kind), "the socket of SIPp")
        return Callee(run, port)

    return begin


# --- baresip --------------------------------------------------------------------------------------------------------


class Baresip:
    """A baresip without a sound card, steered over its TCP console (JSON in netstrings)."""

    def __init__(self, running: Running, port: int, console: int) -> None:
        self.running = running
        self.uri = f"sip:bare@127.0.0.1:{port}"
        self.tls_uri = f"sip:bare@127.0.0.1:{port + 1};transport=tls"
        self._console = socket.create_connection(("127.0.0.1", console), 5)
        self._received = b""

    def command(self, name: str, parameters: str = "") -> None:
        text = json.dumps({"command": name, "params": parameters, "token": "test"}).encode()
        self._console.sendall(b"%d:%s," % (len(text), text))

    def wait_for_event(self, kind: str, seconds: float = 10.0) -> dict[str, str]:
        """Return the next event of a kind, such as CALL_ESTABLISHED; those before it are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            length, colon, rest = self._received.partition(b":")
            if colon and len(rest) > int(length):
                message = json.loads(rest[: int(length)])
                self._received = rest[int(length) + 1 :]
                if message.get("type") == kind:
                    return dict(message)
                continue
            self._console.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                more = self._console.recv(65_536)
            except TimeoutError:
                more = b""
            if not more:
                pytest.fail(f"no {kind} from baresip within {seconds} s:\n{self.running.output[-4000:]}")
            self._received += more

    def close(self) -> None:
        self._console.close()


_BARESIP = """\
poll_method epoll
sip_listen 127.0.0.1:{port}
sip_trans_def udp
call_local_timeout 30
call_max_calls 4
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
rtp_ports {rtp}-{rtp_end}
ctrl_tcp_listen 127.0.0.1:{console}
module_path {modules}
module aubridge.so
module g711.so
module account.so
module_app menu.so
module_app ctrl_tcp.so
module_app contact.so
sip_certificate {cert}
sip_cafile {ca}
"""


def _has_other_interface() -> bool:
    """Tell whether there is a route off this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return False
    return True


@pytest.fixture
def baresip(start: Start, need: Callable[[str], str], tmp_path: Path, authority: Any) -> Iterator[Baresip]:
    """Start baresip: one account without a registrar that answers every call, by UDP and by TLS."""
    program = need("baresip")
    places = [Path("/usr/lib/baresip/modules"), *Path("/usr/lib").glob("*/baresip/modules")]
    modules = next((place for place in places if (place / "ctrl_tcp.so").exists()), None)
    if modules is None:
        pytest.skip("baresip is installed without its ctrl_tcp module")
    if not _has_other_interface():
        pytest.skip("baresip opens no SIP socket where loopback is the only interface")
    # It takes the next port for TLS.
    port, console, rtp = _free_port("127.0.0.1", 1), _free_port("127.0.0.1"), _free_port("127.0.0.1", 7)
    folder = tmp_path / "baresip"
    folder.mkdir()
    cert = authority.issue("127.0.0.1")
    text = _BARESIP.format(
        port=port, console=console, rtp=rtp, rtp_end=rtp + 7, modules=modules, cert=cert, ca=authority.file
    )
    (folder / "config").write_text(text)
    (folder / "accounts").write_text(f"<sip:bare@127.0.0.1:{port}>;regint=0;answermode=auto\n")
    (folder / "contacts").write_text("")
    running = start(program, "-f", str(folder), "-s", home=tmp_path)
    running.wait_for(r"baresip is ready|All \d+ useragent|Populated \d+ account")
    _wait_until(lambda: _is_bound(port), "the socket of baresip")
    _wait_until(lambda: _is_bound(console, socket.SOCK_STREAM), "the console of baresip")
    phone = Baresip(running, port, console)
    yield phone
    phone.close()


# --- linphone -------------------------------------------------------------------------------------------------------


@dataclass
class Linphone:
    """A linphonec that reads its commands from us and uses files in place of a sound card."""

    running: Running
    uri: str

    def command(self, line: str) -> None:
        self.running.type(line)


_LINPHONE = """\
[sip]
sip_port={port}
sip_tcp_port=0
sip_tls_port=0
use_ipv6=0
bind_address=127.0.0.1
100rel_support_level=1
session_expires_enabled=1
session_expires_value=90
session_expires_min_value=90

[rtp]
audio_rtp_port=-1

[sound]
use_files=1
"""


@pytest.fixture
def linphone(start: Start, need: Callable[[str], str], tmp_path: Path) -> Linphone:
    """Start linphonec, answering every call."""
    program = need("linphonec")
    home, port = tmp_path / "linphone", _free_port("127.0.0.1")
    # Without this folder it gets no database, and without that it opens no SIP port and says nothing.
    (home / ".local/share/linphone").mkdir(parents=True)
    settings = home / "linphonerc"
    settings.write_text(_LINPHONE.format(port=port))
    running = start(program, "-c", str(settings), "-a", home=home, has_input=True)
    _wait_until(lambda: _is_bound(port), "the socket of linphonec")
    return Linphone(running, f"sip:linphone@127.0.0.1:{port}")


# --- JsSIP and SIP.js -----------------------------------------------------------------------------------------------


@pytest.fixture
def node(start: Start, need: Callable[[str], str], authority: Any, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start one of the programs in `node`, which need the npm packages jssip, sip.js and ws on NODE_PATH."""
    program = need("node")
    looked_up = subprocess.run(
        [program, "-e", "for (const name of ['jssip', 'sip.js', 'ws']) require.resolve(name)"],
        capture_output=True,
        check=False,
    )
    if looked_up.returncode:
        pytest.skip("the npm packages jssip, sip.js and ws are not on NODE_PATH")
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", authority.file)

    def begin(script: str, *arguments: str) -> Running:
        return start(program, str(HERE / "node" / script), *arguments)

    return begin


# --- Kamailio -------------------------------------------------------------------------------------------------------


@dataclass
class Kamailio:
    """A registrar and record-routing proxy for sip.test, with the users of kamailio.cfg."""

    running: Running
    port: int
    tls_port: int = 0

    @property
    def uri(self) -> str:
        return f"sip:127.0.0.1:{self.port}"


@pytest.fixture
def kamailio(start: Start, need: Callable[[str], str], tmp_path: Path) -> Kamailio:
    """Start Kamailio without a database."""
    return _start_kamailio(start, need, tmp_path)


@pytest.fixture
def secure_kamailio(start: Start, need: Callable[[str], str], tmp_path: Path, authority: Any) -> Kamailio:
    """Start the same with TLS and WebSocket."""
    return _start_kamailio(start, need, tmp_path, authority)


def _start_kamailio(start: Start, need: Callable[[str], str], folder: Path, authority: Any = None) -> Kamailio:
    program = need("kamailio")
    modules = next(Path("/usr/lib").glob("*/kamailio/modules"), None)
    if modules is None:
        pytest.skip("the modules of Kamailio are not under /usr/lib")
    port = _free_port("127.0.0.1", 1)
    text = (HERE / "kamailio.cfg").read_text()
    values = {"PORT": str(port), "MODULES": f"{modules}/"}
    options = []
    if authority is not None:
        for package in ("tls", "websocket"):
            if not (modules / f"{package}.so").exists():
                pytest.skip(f"kamailio-{package}-modules is not installed")
        options = ["-A", "SECURE"]
        values |= {"TLS_PORT": str(port + 1), "CERT": authority.issue("127.0.0.1", "sip.test"), "CA": authority.file}
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    settings = folder / "kamailio.cfg"
    settings.write_text(text)
    place = str(folder)
    running = start(
        program, "-f", str(settings), "-DD", "-E", "-m", "64", "-M", "8", "-w", place, "-Y", place, *options
    )
    _wait_until(lambda: _is_bound(port), "the socket of Kamailio")
    running.wait_for(r"probe_max_receive_buffer\(\): SO_RCVBUF is finally|\(processes|processes \(at least\)")
    return Kamailio(running, port, port + 1)
