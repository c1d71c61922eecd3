"""``pulse serve``: wires targets, settings, workers and the web service, and shows how they come up."""

__all__ = ("serve",)

import logging
import sys
import time
from collections.abc import Sequence
from logging.handlers import MemoryHandler
from typing import Any, get_args

import typer

from pulse_ai.cli import serve_options as opt
from pulse_ai.cli.last_words import EXIT_INTERRUPTED
from pulse_ai.cli.screen import StartScreen
from pulse_ai.cli.targets import EMBEDDED_NAME, Target, parse_target
from pulse_ai.cli.worker_command import WorkerTarget, parse_command, parse_worker_target
from pulse_ai.core import (
    BatchMode,
    GiveUp,
    LoadFailed,
    PulseError,
    SchedulerSettings,
    TargetError,
    WebSettings,
    WorkerSettings,
)
from pulse_ai.serving import Serving, ServingOptions

EXIT_LOAD = 3
"""A task could not be built or loaded."""
EXIT_GAVE_UP = 4
"""Workers ended too often, and ``--on-give-up`` is ``exit``."""

_HELD_LINES = 1000  # of the log while models load; more are shown

_SCHEDULER = SchedulerSettings()
_WORKER = WorkerSettings()
_WEB = WebSettings()
_SPIN_US = opt.in_us(_WORKER.spin_s)


def serve(  # noqa: PLR0913 - an option is an argument
    targets: opt.Targets = None,
    *,
    host: opt.Host = _WEB.host,
    port: opt.Port = _WEB.port,
    batch_size: opt.BatchSize = _SCHEDULER.batch_size,
    batch_mode: opt.BatchMode = _SCHEDULER.batch_mode,
    batch_timeout_ms: opt.BatchTimeoutMs = _SCHEDULER.batch_timeout_s * 1000,
    queue_limit: opt.QueueLimit = _SCHEDULER.queue_limit_items,
    deadline_ms: opt.DeadlineMs = _SCHEDULER.deadline_s * 1000,
    max_body_bytes: opt.MaxBodyBytes = _WEB.max_body_bytes,
    grace_s: opt.GraceS = _WEB.grace_s,
    workers: opt.Workers = _WORKER.workers,
    worker_command: opt.WorkerCommand = None,
    overdue_s: opt.OverdueS = _SCHEDULER.overdue_s,
    start_timeout_s: opt.StartTimeoutS = _WORKER.start_timeout_s,
    on_give_up: opt.OnGiveUp = _WORKER.on_give_up,
    worker_memory_bytes: opt.WorkerMemoryBytes = _WORKER.worker_memory_bytes,
    spin_us: opt.SpinUs = _SPIN_US,
    log_errors: opt.LogErrors = _WORKER.log_errors,
    precision: opt.Precision = None,
    scores: opt.Scores = None,
    top_k: opt.TopK = None,
    threads: opt.Threads = None,
    offline: opt.Offline = False,
    trust_type: opt.TrustType = None,
    trust_pickle: opt.TrustPickle = False,
    json: opt.Json = False,
    verbose: opt.Verbose = False,
) -> None:
    r"""Serve models over HTTP, each in supervised worker processes, batched and bounded.

    Start it with no argument; the line that it prints when it is ready has a curl to try.

    Exit code: 0 after a clean stop, 2 for a wrong command line or a port in use, 3 when a model cannot be
    loaded, 4 when workers keep ending and --on-give-up is exit, 130 when a second Ctrl-C cut the drain short.
    """
    hub_options = {
        "precision": precision,
        "scores_function": scores,
        "top_k": top_k,
        "threads": threads,
        "offline": offline or None,
        "trust_types": trust_type or None,
        "trust_pickle": trust_pickle or None,
    }
    options: ServingOptions = {
        "batch_size": batch_size,
        "batch_mode": _choice(batch_mode, "--batch-mode", BatchMode),
        "batch_timeout_s": batch_timeout_ms / 1000,
        "queue_limit_items": queue_limit,
        "deadline_s": deadline_ms / 1000,
        "overdue_s": overdue_s,
        "workers": workers,
        "start_timeout_s": start_timeout_s,
        "on_give_up": _choice(on_give_up, "--on-give-up", GiveUp),
        "worker_memory_bytes": worker_memory_bytes,
        "spin_s": spin_us / 1e6,
        "log_errors": log_errors,
    }
    chosen = {name: value for name, value in hub_options.items() if value is not None}
    command = () if worker_command is None else parse_command(worker_command)
    options["command"] = command
    found = _parse(targets or ["" if command else EMBEDDED_NAME], command, chosen)
    try:
        web = WebSettings(host=host, port=port, max_body_bytes=max_body_bytes, grace_s=grace_s)
        servings = [Serving(to.spec, name=to.name, **options) for to in found]
    except ValueError as error:  # a number that is in no range, like nan
        raise typer.BadParameter(str(error)) from error
    _warn_of_unused(chosen, found)
    if trust_pickle:
        sys.stderr.write("pulse: --trust-pickle: whatever code is in a pickle file runs as it is opened\n")
    raise typer.Exit(_run(servings, web, machine_readable=json, verbose=verbose))


def _choice(value: str, option: str, kind: Any) -> Any:
    choices = get_args(kind)
    if value not in choices:
        raise typer.BadParameter(f"must be one of {', '.join(choices)}, got {value!r}", param_hint=option)
    return value


def _parse(
    texts: Sequence[str], command: Sequence[str], hub_options: dict[str, Any]
) -> Sequence[Target | WorkerTarget]:
    if command and hub_options:
        option = _option(next(iter(hub_options)))
        raise TargetError(
            f"{option} is for pretrained models, and a worker of another program serves; leave it out"
        )
    targets = [
        parse_worker_target(text, command) if command else parse_target(text, hub_options) for text in texts
    ]
    names = [target.name for target in targets]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise TargetError(f"the name {doubled[0]!r} is used twice; write NAME=TARGET to name a model")
    return targets


def _option(argument: str) -> str:
    """Return the option that sets an argument of the hub's tasks."""
    return "--" + argument.removesuffix("_function").replace("_", "-").replace("types", "type")


def _warn_of_unused(chosen: dict[str, Any], found: Sequence[Target | WorkerTarget]) -> None:
    """Say which options nothing takes that is served."""
    taken = {argument for target in found if target.spec for argument in target.spec.kwargs}
    for argument in chosen.keys() - taken:
        sys.stderr.write(f"pulse: {_option(argument)}: no model that is served here takes it\n")


def _run(servings: list[Serving], web: WebSettings, *, machine_readable: bool, verbose: bool) -> int:
    """Serve and return the exit code."""
    began_s = time.monotonic()
    from pulse_ai.web import bind, run_event_loop, run_service

    sock = bind(web)
    address = f"[{web.host}]" if ":" in web.host else web.host
    url = f"http://{address}:{sock.getsockname()[1]}"
    screen = StartScreen(url=url, began_s=began_s, machine_readable=machine_readable)
    log = _Log(verbose=verbose)

    def ready() -> None:
        log.show()
        screen.ready()

    try:
        with screen:
            run_event_loop(run_service(servings, web, sock, on_open=screen.opened, on_ready=ready))
    except LoadFailed as error:
        log.drop()
        return screen.failed(f"cannot load{screen.model_of(error)}: {error}", EXIT_LOAD)
    except PulseError as error:
        return screen.failed(f"gave up{screen.model_of(error)}: {error}", EXIT_GAVE_UP)
    except KeyboardInterrupt:
        return screen.failed("stopped before the accepted work was done", EXIT_INTERRUPTED)
    screen.stopped()
    return 0


class _Log:
    """Sends the log to stderr, a line an event; inputs are never in it.

    What is no warning is held back until the first warning or until ``show``: where a model cannot be loaded
    its error is one line, and its worker's traceback would bury it.
    """

    def __init__(self, *, verbose: bool) -> None:
        self._logger = logging.getLogger("pulse_ai")
        self._shown = logging.StreamHandler(sys.stderr)
        self._shown.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
        self._held = MemoryHandler(_HELD_LINES, flushLevel=logging.WARNING, target=self._shown)
        self._logger.addHandler(self._shown if verbose else self._held)
        self._logger.setLevel(logging.INFO)

    def show(self) -> None:
        """Show what was held back, and hold nothing back any more."""
        self._held.flush()
        self._logger.removeHandler(self._held)
        self._logger.addHandler(self._shown)

    def drop(self) -> None:
        """Forget what was held back."""
        self._held.setTarget(None)
