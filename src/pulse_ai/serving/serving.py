"""One definition of a served task, used two ways: inline in this process, or supervised in workers."""

__all__ = ("OpenServing", "Serving", "ServingOptions")

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypedDict, Unpack

import msgspec

from pulse_ai.core import (
    BatchMode,
    DeathReason,
    GiveUp,
    InvalidInput,
    Manifest,
    ModelError,
    RequestError,
    SchedulerSettings,
    TargetError,
    Task,
    TaskSpec,
    WorkerSettings,
    build_task,
    item_types,
    refuse_during_import,
    spec_of,
)
from pulse_ai.port import OK, Answer, BatchAnswerer, Item, encode_value, value_decoder
from pulse_ai.serving.engine import Engine
from pulse_ai.serving.failures import failure_of, value_of
from pulse_ai.serving.pool import SlotStatus, WorkerPool
from pulse_ai.serving.scheduler import Scheduler
from pulse_ai.serving.statistics import Statistics

_BATCH_HEAD_BYTES = 32  # of a batch's frame, besides its items: at most
_BATCH_ITEM_BYTES = 32  # and round each item: its id, and where it is in the shared area
_WINDOW_BATCHES = 4  # of a long input, so many batches are under way for each worker


class ServingOptions(TypedDict, total=False):
    """The settings that ``Serving`` takes by name; core/settings.py says what each means."""

    batch_size: int
    batch_mode: BatchMode
    batch_timeout_s: float
    queue_limit_items: int
    queue_limit_bytes: int
    batch_limit_bytes: int
    deadline_s: float
    overdue_s: float
    workers: int
    start_timeout_s: float
    stop_timeout_s: float
    max_frame_bytes: int
    restart_intensity: int
    restart_window_s: float
    backoff_first_s: float
    backoff_longest_s: float
    on_give_up: GiveUp
    warm_up_items: int
    spin_s: float
    log_errors: bool
    worker_memory_bytes: int
    command: tuple[str, ...]


class Serving:
    """A task with its batching and its workers.

    Args:
        task: A ``Task`` class or instance, or the spec of one that only the workers can import. Where
            ``command`` names another program, the spec is what HELLO tells it; None tells it nothing.
        name: The name it is served under; the class's name in lower case where none is given.
        options: Settings; see ``ServingOptions``.

    Raises:
        ValueError: A setting is out of its range.
        TypeError: There is no setting of that name.
        TargetError: What is given is no task, or there is neither a task nor a command, or no name for a command.

    Example:
        >>> class Double(Task):
        ...     def predict(self, items: list[int]) -> list[int]:
        ...         return [2 * item for item in items]
        >>> serving = Serving(Double(), batch_size=2)
        >>> serving.run(21)
        42
        >>> serving.run_all([1, 2, 3, "four", 5])
        [2, 4, 6, InvalidInput('Expected `int`, got `str`'), 10]
    """

    def __init__(
        self,
        task: Task | type[Task] | TaskSpec | None,
        *,
        name: str | None = None,
        **options: Unpack[ServingOptions],
    ) -> None:
        _require_known(options)
        _require_task(task)
        self._task = task
        self.name = name or _default_name(task)
        scheduler_settings: SchedulerSettings = _settings(SchedulerSettings, options)
        warm_up: ServingOptions = {"warm_up_items": scheduler_settings.batch_size}
        self.worker_settings: WorkerSettings = _settings(WorkerSettings, warm_up | options)
        self.scheduler_settings = _within_frames(scheduler_settings, self.worker_settings.max_frame_bytes)
        self._inline: BatchAnswerer | None = None
        if task is None and not self.worker_settings.command:
            raise TargetError(
                f"{self.name} has no task; give one, or the command of a worker that has its own"
            )

    def run(self, item: Any) -> Any:
        """Answer one item in this process; the task is built and loaded here on the first call.

        Raises:
            RequestError: The item was not what the task takes, or the task failed on it.
        """
        (answer,) = self.run_all([item])
        if isinstance(answer, RequestError):
            raise answer
        return answer

    def run_all(self, items: Iterable[Any]) -> list[Any]:
        """Answer items in this process, in order, in batches of at most ``batch_size``.

        Returns:
            An answer, or a ``RequestError``, for each item.
        """
        answerer = self._load_inline()
        decoder = value_decoder(self.answer_type())
        size = self.scheduler_settings.batch_size
        limit_bytes = self.worker_settings.max_frame_bytes
        encoded = [Item(number, msgspec.Raw(encode_item(item))) for number, item in enumerate(items)]
        answers: dict[int, Answer] = {}
        for start in range(0, len(encoded), size):
            batch = encoded[start : start + size]
            answers |= {answer.id: answer for answer in answerer.answer(batch, max_answer_bytes=limit_bytes)}
        return [_outcome(answers[item.id], decoder) for item in encoded]

    @contextlib.asynccontextmanager
    async def open(self, *, wait: bool = True) -> AsyncGenerator["OpenServing"]:
        """Serve with supervised workers for as long as the block lasts.

        Args:
            wait: Return only when a worker is ready; otherwise at once, and requests are refused until then.

        Raises:
            LoadFailed: The task cannot be built or loaded (with ``wait``).
            WorkerError: Before any was ready, a worker took longer than ``start_timeout_s``, or each died
                more than ``restart_intensity`` times within ``restart_window_s`` (with ``wait``).
            TargetError: The task cannot be built in another process, or this is called while a worker imports the
                module that calls it.
        """
        refuse_during_import()
        settings = self.scheduler_settings
        pool = WorkerPool(name=self.name, task=self.spec(), settings=self.worker_settings)
        engine = Engine(Scheduler(settings), pool, deadline_s=settings.deadline_s)
        keeping = asyncio.create_task(pool.run(engine), name=f"pool-{self.name}")
        try:
            if wait:
                await _first_of(pool.wait_ready_or_failed(), keeping)
            yield OpenServing(self, engine, pool, keeping)
        finally:
            engine.close()
            keeping.cancel()
            await asyncio.wait({keeping})

    def spec(self) -> TaskSpec | None:
        """Return what the workers build the task from."""
        return self._task if isinstance(self._task, TaskSpec | None) else spec_of(self._task)

    def answer_type(self) -> Any:
        """Return the type of an answer, or ``typing.Any`` where only the workers know it."""
        return Any if isinstance(self._task, TaskSpec | None) else item_types(self._task).output

    def _load_inline(self) -> BatchAnswerer:
        if self.worker_settings.command or self._task is None:
            raise TargetError(
                f"{self.name} is served by another program; open it, it cannot run in this process"
            )
        if self._inline is None:
            task = build_task(self._task) if isinstance(self._task, TaskSpec) else self._task
            task = task() if isinstance(task, type) else task
            task.load()
            self._inline = BatchAnswerer(task, log_errors=self.worker_settings.log_errors)
        return self._inline


class OpenServing:
    """A serving whose workers run. Made by ``Serving.open`` only.

    Attributes:
        name: The name it is served under.
        engine: The shell that ``web`` hands encoded items to.
    """

    def __init__(
        self, serving: Serving, engine: Engine, pool: WorkerPool, keeping: asyncio.Task[None]
    ) -> None:
        self.name = serving.name
        self.engine = engine
        self.settings = serving.scheduler_settings
        self._pool = pool
        self._keeping = keeping
        self._decoder = value_decoder(serving.answer_type())
        self._window = _WINDOW_BATCHES * serving.worker_settings.workers * self.settings.batch_size

    async def infer(self, item: Any, *, timeout_s: float | None = None) -> Any:
        """Have one item answered by a worker, batched with what else waits.

        Args:
            item: What the task takes.
            timeout_s: Time limit, in seconds; None: the serving's ``deadline_s``.

        Raises:
            RequestError: Refused, failed or out of time; the class says which.
        """
        return value_of(await self.engine.infer(encode_item(item), timeout_s=timeout_s), self._decoder)

    async def infer_all(self, items: Iterable[Any], *, timeout_s: float | None = None) -> list[Any]:
        """Have items answered, in order, however many; a few batches' worth are under way at a time.

        Args:
            items: What the task takes.
            timeout_s: Time limit of each item from its own start, in seconds.

        Returns:
            An answer, or a ``RequestError``, for each item.
        """
        places = asyncio.Semaphore(min(self._window, self.settings.queue_limit_items))

        async def infer_one(item: Any) -> Any:
            async with places:
                try:
                    return await self.infer(item, timeout_s=timeout_s)
                except RequestError as error:
                    return error

        return list(await asyncio.gather(*map(infer_one, items)))

    async def wait_ready(self) -> Manifest:
        """Wait until a worker has been ready once.

        Raises:
            LoadFailed: The task cannot be built or loaded, and never was.
        """
        return await _first_of(self._pool.wait_ready(), self._keeping)

    async def wait_given_up(self) -> None:
        """Wait for ever, unless the pool gives up and ``on_give_up`` is ``exit``.

        Raises:
            WorkerError: What the last worker ended with.
        """
        await asyncio.shield(self._keeping)

    async def drain(self, *, grace_s: float) -> None:
        """Refuse new requests, let the accepted ones finish within ``grace_s`` seconds, answer the rest."""
        await self.engine.drain(grace_s=grace_s)

    def roll(self) -> None:
        """Begin a rolling restart: each worker is replaced by a new one that has loaded before the old one goes.

        No request is refused for it. It needs room for one worker more. Where a new worker does not load, or its
        model takes or answers something else, the old ones stay and the log says so.
        """
        self._pool.roll()

    def statistics(self) -> Statistics:
        """Return how things stand now."""
        return self.engine.statistics()

    @property
    def manifest(self) -> Manifest | None:
        """What the model says of itself; None until a worker has been ready."""
        return self._pool.manifest

    @property
    def slots(self) -> list[SlotStatus]:
        """How each worker is."""
        return list(self._pool.slots.values())

    @property
    def restarts(self) -> int:
        """How many workers were started because one had ended."""
        return self._pool.restarts

    @property
    def deaths(self) -> Mapping[DeathReason, int]:
        """How many workers ended, by the reason; those that were let go are not among them."""
        return self._pool.deaths


async def _first_of(ready: Any, keeping: asyncio.Task[None]) -> Manifest:
    """Wait for a worker to be ready, or for the pool to end, which it only does by failing."""
    waiting = asyncio.ensure_future(ready)
    try:
        await asyncio.wait({waiting, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            keeping.result()
        return await waiting
    finally:
        waiting.cancel()


def _default_name(task: Task | type[Task] | TaskSpec | None) -> str:
    if task is None:
        raise TargetError("a model without a task needs a name, and the command of a worker")
    if isinstance(task, TaskSpec):
        return task.target.rpartition(":")[2].rpartition(".")[2].lower()
    return (task if isinstance(task, type) else type(task)).__name__.lower()


def _require_known(options: Mapping[str, Any]) -> None:
    known = ServingOptions.__annotations__
    for name in options.keys() - known.keys():
        from difflib import get_close_matches  # only where something is wrong: every start pays for an import

        nearest = get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else "docs/serving.md lists those there are"
        raise TypeError(f"Serving has no setting {name!r}; {hint}")


def _require_task(task: object) -> None:
    if isinstance(task, type):
        if not issubclass(task, Task):
            raise TargetError(f"{task.__name__} is not a Task: derive it from pulse_ai.Task")
    elif not isinstance(task, Task | TaskSpec | None):
        raise TargetError(f"{task!r} is not a Task: derive it from pulse_ai.Task")


def _settings(kind: Any, options: ServingOptions) -> Any:
    """Pick from the options those that one settings class has."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in options.items() if name in names})


def _within_frames(settings: SchedulerSettings, max_frame_bytes: int) -> SchedulerSettings:
    """Return the settings with batches bounded so that each fits into a frame.

    Raises:
        ValueError: There is no room for any item.
    """
    round_bytes = _BATCH_HEAD_BYTES + _BATCH_ITEM_BYTES * settings.batch_size
    if max_frame_bytes <= round_bytes:
        raise ValueError(
            f"max_frame_bytes must be over {round_bytes} for a batch_size of {settings.batch_size}, "
            f"got {max_frame_bytes}"
        )
    limit_bytes = min(settings.batch_limit_bytes, max_frame_bytes - round_bytes)
    return replace(settings, batch_limit_bytes=limit_bytes)


def encode_item(item: Any) -> bytes:
    """Encode an item.

    Raises:
        InvalidInput: It holds something that cannot travel.
    """
    try:
        return encode_value(item)
    except TypeError as error:
        raise InvalidInput(str(error)) from error


def _outcome(answer: Answer, decoder: Any) -> Any:
    if answer.code != OK:
        return failure_of(answer.code, answer.value)
    try:
        return value_of(answer.value, decoder)
    except ModelError as error:
        return error
