"""``pulse port TARGET``: one model behind a port, for a parent that is not Pulse."""

__all__ = ("EXIT_LOAD", "EXIT_WIRE", "run")

import sys
from collections.abc import Collection
from typing import Annotated, TypeVar

import typer

from pulse_ai.cli.last_words import fail
from pulse_ai.cli.limits import MOST_BATCH
from pulse_ai.cli.serve_options import in_us
from pulse_ai.cli.targets import parse_target
from pulse_ai.core import MOST_SPIN_S, LoadFailed, SchedulerSettings, WireError, WorkerSettings
from pulse_ai.port import (
    ENVELOPES,
    PACKET_BYTES,
    ForeignConnection,
    end_process,
    serve_foreign,
    take_wire,
)

EXIT_LOAD = 3
"""The task could not be built or loaded."""
EXIT_WIRE = 4
"""The parent sent what is no frame of the codec."""

_T = TypeVar("_T")

_FDS = {"0,1": (0, 1), "3,4": (3, 4)}


def run(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="As for pulse serve: sentiment, hf:owner/name, a folder, module:Task, file.py:task.",
            show_default=False,
        ),
    ],
    *,
    codec: Annotated[
        str, typer.Option(metavar="etf|msgpack", help="etf: Erlang's External Term Format. Or msgpack.")
    ] = "etf",
    packet: Annotated[
        int, typer.Option(min=1, max=4, metavar="1|2|4", help="Bytes of the length in front of each frame.")
    ] = 4,
    fds: Annotated[
        str,
        typer.Option(
            metavar="0,1|3,4",
            help="The descriptors to read and to write: 3,4 for a port opened with :nouse_stdio.",
        ),
    ] = "0,1",
    batch_size: Annotated[
        int, typer.Option(min=1, max=MOST_BATCH, help="Most requests that are predicted together.")
    ] = SchedulerSettings().batch_size,
    spin_us: Annotated[
        int,
        typer.Option(
            min=0,
            max=in_us(MOST_SPIN_S),
            help="Stay awake between requests that come close together, up to so many microseconds; 0: never.",
        ),
    ] = in_us(WorkerSettings().spin_s),
) -> None:
    """Answer requests that a parent in another language sends over two descriptors, until it closes them.

    Exit code: 0 when the input is closed, 2 for a wrong command line, 3 when the model cannot be loaded, 4 when
    what came is no frame of the codec.
    """
    envelope = ENVELOPES[_one_of(codec, ENVELOPES, "--codec")]
    _one_of(packet, PACKET_BYTES, "--packet")
    reading, writing = _FDS[_one_of(fds, _FDS, "--fds")]
    try:
        wire = take_wire(reading, writing)
    except OSError as error:
        raise typer.BadParameter(f"they are not open: {error}", param_hint="--fds") from error
    connection = ForeignConnection(envelope, packet_bytes=packet)
    sys.path.insert(
        0, ""
    )  # the task is looked up here first; what a script is started from stands there instead
    try:
        serve_foreign(
            parse_target(target, {}).spec, connection, wire, batch_size=batch_size, spin_s=spin_us / 1e6
        )
    except LoadFailed as error:
        code = fail(f"cannot load: {error}", EXIT_LOAD)
    except WireError as error:
        code = fail(f"the parent does not speak {codec} with --packet {packet}: {error}", EXIT_WIRE)
    else:
        code = 0
    end_process(code)


def _one_of(value: _T, choices: Collection[_T], option: str) -> _T:
    if value not in choices:
        shown = " or ".join(str(choice) for choice in choices)
        raise typer.BadParameter(f"must be {shown}, got {value}", param_hint=option)
    return value
