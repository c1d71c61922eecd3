"""Checkpoints: the last place of a run, to go on from, and the best weights so far.

``last.safetensors`` holds all of the state: weights, optimiser, running means, the key, the position in the
rows, what the rules remember and the history. A run that goes on from it ends with the same weights, bit for
bit, as one that was never interrupted. ``best.safetensors`` is a file of weights. Both are written whole or
not at all, and hold no code.
"""

__all__ = ("Checkpoints", "load_checkpoint", "save_checkpoint")

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pulse_ai.train.errors import CheckpointError
from pulse_ai.train.events import Event, Filter, Moment
from pulse_ai.train.history import History
from pulse_ai.train.loop import Loop
from pulse_ai.train.place import Resume
from pulse_ai.train.program import Plan
from pulse_ai.train.run import best_of, variables_of
from pulse_ai.train.weights import flattened, read_tree, save_weights, unflattened, write_atomically
from pulse_ai.train.xla import jax

_FORMAT = "pulse-checkpoint-1"


@dataclass(slots=True, kw_only=True)
class Checkpoints:
    """Keeps ``last.safetensors`` and, where a rule remembers the best, ``best.safetensors`` in a folder.

    Attributes:
        folder: Made where it is not there.
        event: When they are written, besides at the end of the run. ``PROGRESS`` is a few times a second at
            most, and leaves small runs as fast as they are.
        wanted: Which of these events; None: all.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from pulse_ai.train import Rows, Settings, fit, mlp
        >>> rows = Rows(np.array([[-1.0], [1.0]], np.float32), np.array([0, 1]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kept = Checkpoints(folder=Path(folder))
        ...     _ = fit(mlp(1, 2, hidden=()), rows, settings=Settings(epochs=2), handlers=[kept])
        ...     [file.name for file in Path(folder).iterdir()]
        ['last.safetensors']
    """

    folder: Path
    event: Event = Event.PROGRESS
    wanted: Filter | None = None
    _best_epoch: int = -1

    def attach(self, loop: Loop) -> None:
        """Ask a loop for the events."""

        def write(moment: Moment) -> None:
            self._write(loop.plan, moment)

        loop.on(self.event, write, self.wanted)
        loop.on(Event.COMPLETED, write)

    def _write(self, plan: Plan, moment: Moment) -> None:
        best = best_of(moment.place.memories)
        if best is not None and int(best.epoch) != self._best_epoch:
            weights = variables_of(plan.network, best)
            save_weights(self.folder / "best.safetensors", plan.network, weights)
            self._best_epoch = int(best.epoch)
        save_checkpoint(self.folder / "last.safetensors", plan, moment.place)


def save_checkpoint(path: str | Path, plan: Plan, place: Resume) -> None:
    """Write where a run is; the file is whole or as it was.

    Args:
        path: A ``.safetensors`` file; one that is there is replaced.
        plan: What the run trains and how.
        place: Where it is.

    Raises:
        OSError: It cannot be written; a file that was there is as it was.
    """
    from safetensors.numpy import save

    metadata = {
        "format": _FORMAT,
        "plan": _words_of(plan),
        "history": json.dumps([dict(row) for row in place.history.rows]),
    }
    tree = {"state": place.state, "memories": place.memories}
    write_atomically(Path(path), save(flattened(jax.device_get(tree)), metadata))


def load_checkpoint(path: str | Path, loop: Loop) -> Resume:
    """Return where a run goes on: give it to ``Loop.run`` as ``resume``, with the rows of the first time.

    Args:
        path: What ``save_checkpoint`` wrote.
        loop: The loop that shall go on; its plan must be the one of the first time.

    Raises:
        CheckpointError: The file is not there, is damaged, or is of another plan.
    """
    arrays, metadata = read_tree(Path(path))
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} is no checkpoint: it says {metadata.get('format')!r}, wanted {_FORMAT!r}"
        )
    plan = metadata.get("plan")
    if plan != _words_of(loop.plan):
        raise CheckpointError(f"{path} is of another plan: {plan}; this one is {_words_of(loop.plan)}")
    start = loop.beginning()
    tree = unflattened({"state": start.state, "memories": start.memories}, arrays, path)
    return Resume(tree["state"], tree["memories"], _history_of(metadata, path))


def _history_of(metadata: Mapping[str, str], path: str | Path) -> History:
    """Return the history; its figures may be infinite or NaN, which Python's own JSON can say."""
    try:
        rows = msgspec.convert(json.loads(metadata["history"]), list[dict[str, float]])
    except (KeyError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: it has no history ({error})") from error
    return History(tuple(rows))


def _words_of(plan: Plan) -> str:
    """Return all that a plan says, as JSON: two plans that train alike say the same."""
    words: Any = {
        "network": plan.network,
        "objective": plan.objective.name,
        "optimiser": plan.optimiser,
        "batch_size": plan.batch_size,
        "accumulate": plan.accumulate,
        "rules": [repr(rule) for rule in plan.rules],
    }
    return msgspec.json.encode(words).decode()
