"""What all commands share: signals, files, errors as sentences, and the exit code."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, TypeAlias

import attrs
import trio

from sipstack.auth import Credentials
from sipstack.message import SipError
from sipstack.trace import LadderWriter, PcapWriter, RichLadderWriter, Trace

from ._exit_codes import BROKEN_PIPE, FAILURE, exit_code_of_signal
from ._message_log import MessageLog
from ._output import Output, abandon_broken_streams, sentence

__all__ = ["Command", "Job", "run"]


@attrs.frozen
class Job:
    """Hand a command what it works with.

    :param trace: records every message; the command gives it to each endpoint it opens.
    """

    arguments: argparse.Namespace
    output: Output
    trace: Trace

    @property
    def credentials(self) -> Credentials | None:
        """Return what to answer a challenge with, if anything."""
        if self.arguments.user is None:
            return None
        return Credentials(self.arguments.user, self.arguments.password)


Command: TypeAlias = Callable[[Job], Awaitable[int]]
"Do the work and return the exit code; it may raise SipError and OSError, which end it with one sentence and 1."


def run(command: Command, arguments: argparse.Namespace) -> int:
    """Run a command to its end, or to the first signal, and return the exit code."""
    output = Output(f"sipstack {arguments.command}", is_json=getattr(arguments, "json", False))
    try:
        with ExitStack() as files:
            pcap: BinaryIO | None = None
            if arguments.pcap is not None:
                try:
                    pcap = files.enter_context(open(arguments.pcap, "wb"))
                except OSError as error:
                    output.error(f"{arguments.pcap} cannot be written: {error.strerror or error}.")
                    return FAILURE
            code = trio.run(_supervise, command, arguments, output, pcap)
    except KeyboardInterrupt:  # a second one, while calls were being hung up: whoever sends it wants out
        code = exit_code_of_signal(signal.SIGINT)
    if isinstance(output.failure, BrokenPipeError):
        code = BROKEN_PIPE
    elif output.failure is not None:
        output.error(f"standard output cannot be written: {sentence(output.failure)}")
        code = FAILURE
    abandon_broken_streams()
    return code


async def _supervise(command: Command, arguments: argparse.Namespace, output: Output, pcap: BinaryIO | None) -> int:
    """Run a command until it ends or a signal comes; cancelling it hangs up and un-registers what it holds."""
    code = FAILURE
    caught: list[int] = []
    async with trio.open_nursery() as nursery:
        output.scope = nursery.cancel_scope
        await nursery.start(_watch_signals, caught, nursery.cancel_scope)
        with _tracing(arguments, output, pcap) as trace:
            try:
                code = await command(Job(arguments, output, trace))
            except (SipError, OSError) as error:
                output.error(sentence(error))
        nursery.cancel_scope.cancel()
    return exit_code_of_signal(caught[0]) if caught else code


async def _watch_signals(
    caught: list[int], scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    # Left after the first, so that the second does what it would have done without us.
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            caught.append(number)
            break
    scope.cancel()


@contextmanager
def _tracing(arguments: argparse.Namespace, output: Output, pcap: BinaryIO | None) -> Iterator[Trace]:
    """Make the trace with the writers that were asked for, and tell at the end which of them failed."""
    trace = Trace()
    epoch = time.time() - trio.current_time()
    if pcap is not None:
        trace.subscribe(PcapWriter(pcap, epoch=epoch))
    if arguments.verbose:
        trace.subscribe(MessageLog(sys.stderr, epoch=epoch))
    if arguments.ladder:
        trace.subscribe(_ladder_writer(trace))
    try:
        yield trace
    finally:
        for writer, error in trace.failures:
            what = arguments.pcap if isinstance(writer, PcapWriter) else "standard error"
            output.error(f"{what} could not be written to the end: {sentence(error)}")


def _ladder_writer(trace: Trace) -> LadderWriter | RichLadderWriter:
    try:
        from rich.console import Console
    except ImportError:
        return LadderWriter(sys.stderr, names=trace.names)
    return RichLadderWriter(Console(stderr=True), names=trace.names)


def seconds(value: float | None) -> float:
    """Return a number of seconds where None means for ever."""
    return math.inf if value is None else value
