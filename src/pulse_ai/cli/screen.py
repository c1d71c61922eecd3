"""What a person sees while models load, and the one line when they are ready; or JSON lines for a script."""

__all__ = ("StartScreen",)

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from pulse_ai.cli.last_words import fail
from pulse_ai.core import LoadFailed, PulseError
from pulse_ai.serving import OpenServing, SlotStatus

_TEXT = "A joy from start to finish."


class StartScreen:
    """A live view of the workers that load.

    Args:
        url: Where the service listens.
        began_s: When the command began, on the monotonic clock, in seconds.
        machine_readable: JSON lines on stdout instead.
    """

    def __init__(self, *, url: str, began_s: float, machine_readable: bool) -> None:
        self._url = url
        self._began_s = began_s
        self._machine_readable = machine_readable
        self._console = Console(stderr=True, highlight=False)
        self._servings: dict[str, OpenServing] = {}
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_progress()

    def opened(self, servings: dict[str, OpenServing]) -> None:
        """Show the workers that have been started."""
        self._servings = servings
        self._say("listening", f"listening on {self._url}; loading {', '.join(servings)}")
        if not self._machine_readable and self._console.is_terminal:
            self._progress = _Bars(self, console=self._console, transient=True)
            self._progress.start()

    def ready(self) -> None:
        """Show that every model can serve, and how to try it."""
        self._end_progress()
        took_s = time.monotonic() - self._began_s
        names = ", ".join(self._servings)
        first = next(iter(self._servings), "")
        self._say("ready", f"{names} ready in {took_s:.2f} s on {self._url} · try: {self._example(first)}")

    def stopped(self) -> None:
        """Show that the service has ended and nothing was left behind."""
        answered = sum(s.statistics().counters.settled for s in self._servings.values())
        lost = sum(s.statistics().lost for s in self._servings.values())
        self._say("stopped", f"stopped; {answered} requests answered, {lost} lost")

    def failed(self, text: str, code: int) -> int:
        """Show why the service ends before its time, on stderr and as the last event, and return the exit code."""
        if self._machine_readable:
            self._say("failed", text)
        return fail(text, code)

    def model_of(self, error: PulseError) -> str:
        """Return whose worker ended with this error, quoted after a space; nothing where there is only one model.

        Where several failed in the same instant, the error can be of any of them.
        """
        if isinstance(error, LoadFailed):  # its slot may be starting anew by now
            models = [name for name, one in self._servings.items() if not one.manifest and one.deaths["load"]]
        else:
            models = [name for name, _, slot in self.slots() if slot.text == str(error)]
        return (
            f" {' or '.join(map(repr, dict.fromkeys(models)))}" if models and len(self._servings) > 1 else ""
        )

    def slots(self) -> list[tuple[str, int, SlotStatus]]:
        """Return every worker that is not ready yet: its model, its place, how it is."""
        return [
            (name, number, slot)
            for name, serving in self._servings.items()
            for number, slot in enumerate(serving.slots)
        ]

    def _example(self, name: str) -> str:
        """Return how to try a model: with curl where it takes a text, else on the page, which has an example."""
        manifest = self._servings[name].manifest if name in self._servings else None
        item = _text_item(manifest.input_schema if manifest else {})
        if item is None:
            return f"{self._url}/ in a browser"
        body = json.dumps(item, separators=(",", ":"))
        return f"curl -d '{body}' -H 'content-type: application/json' {self._url}/api/{name}"

    def _say(self, event: str, text: str) -> None:
        if self._machine_readable:
            with contextlib.suppress(BrokenPipeError):  # whoever read it has gone; the service goes on
                sys.stdout.write(json.dumps({"event": event, "url": self._url, "text": text}) + "\n")
                sys.stdout.flush()
        else:
            self._console.print(text, soft_wrap=True, markup=False)

    def _end_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _text_item(schema: Mapping[str, Any]) -> Any:
    """Return an item for a model that takes a text, bare or as ``q``; None for any other.

    Example:
        >>> _text_item({"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]})
        {'q': 'A joy from start to finish.'}
        >>> _text_item({"type": "string"})
        'A joy from start to finish.'
        >>> _text_item({"type": "number"})
    """
    named = str(schema.get("$ref", "")).rpartition("/")[2]
    schema = schema.get("$defs", {}).get(named, schema)
    if schema.get("type") == "string":
        return _TEXT
    takes_q = schema.get("properties", {}).get("q", {}).get("type") == "string"
    return {"q": _TEXT} if takes_q and set(schema.get("required", ())) <= {"q"} else None


class _Bars(Progress):
    """One bar a worker, read from the slots each time that the screen is drawn."""

    def __init__(self, screen: StartScreen, *, console: Console, transient: bool) -> None:
        self._screen = screen
        self._numbers: dict[tuple[str, int], TaskID] = {}
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.fields[worker]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=transient,
            refresh_per_second=8,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Draw the bars as the workers are now."""
        for name, number, slot in self._screen.slots():
            key = (name, number)
            if key not in self._numbers:
                self._numbers[key] = self.add_task(slot.text, total=1.0, worker=f"{name}[{number}]")
            total = 1.0 if slot.fraction is not None else None
            self.update(
                self._numbers[key], description=slot.text, completed=slot.fraction or 0.0, total=total
            )
        yield from super().get_renderables()
