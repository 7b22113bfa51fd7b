"""What all commands share: signals, files, errors as sentences, and the exit code."""

from __future__ import annotations

import argparse
import gc
import math
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
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


_ENDING = (signal.SIGINT, signal.SIGTERM)

Command: TypeAlias = Callable[[Job], Awaitable[int]]
"Do the work and return the exit code; it may raise SipError and OSError, which end it with one sentence and 1."


def run(command: Command, arguments: argparse.Namespace) -> int:
    """Run a command to its end, or to the first signal, and return the exit code."""
    output = Output(f"sipstack {arguments.command}", is_json=getattr(arguments, "json", False))
    pcap: BinaryIO | None = None
    if arguments.pcap is not None:
        try:
            pcap = open(arguments.pcap, "wb")  # noqa: SIM115  (closing it may fail too, see below)
        except OSError as error:
            output.error(f"{arguments.pcap} cannot be written: {error.strerror or error}.")
            return FAILURE
    try:
        gc.freeze()  # what is loaded stays: the collector need not look at it for every few thousand calls
        gc.set_threshold(20_000, 50, 100)  # calls leave no cycles; looking as often as by default costs 8 %
        code = trio.run(_supervise, command, arguments, output, pcap)
    except* KeyboardInterrupt:  # before our own handler stood
        code = exit_code_of_signal(signal.SIGINT)
    finally:
        if pcap is not None:
            with suppress(OSError):  # a full disk: the trace has told of it when it first failed
                pcap.close()
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
    with trio.open_signal_receiver(*_ENDING) as signals:
        task_status.started()
        async for number in signals:
            caught.append(number)
            break
    # Hanging up may take some seconds; whoever sends a second signal does not want to wait for it.
    for each in _ENDING:
        signal.signal(each, signal.SIG_DFL)
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
