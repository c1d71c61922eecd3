"""What can go wrong in training; each error says what happened, the numbers, and what to do.

::

    PulseError
    └── TrainError
        ├── BadNetwork       layers that do not fit together, or a setting out of its range
        ├── BadRows          features, targets or weights that nothing can be trained on
        ├── NotFinite        the loss, a gradient or a parameter became NaN or infinite; says where
        ├── CheckpointError  a checkpoint or weights file that is not there, damaged, or of another run
        ├── ExportError      a layer that has no ONNX form here
        └── LibrariesMissing  JAX, Flax or Optax is not installed
"""

__all__ = (
    "BadNetwork",
    "BadRows",
    "CheckpointError",
    "ExportError",
    "LibrariesMissing",
    "NotFinite",
    "TrainError",
)

from typing import Any

from pulse_ai.core import PulseError


class TrainError(PulseError):
    """The root of what training raises."""


class BadNetwork(TrainError, ValueError):
    """The layers do not fit together, or a setting is out of its range; nothing was trained."""


class BadRows(TrainError, ValueError):
    """The features, targets or weights cannot be trained on; nothing was trained."""


class NotFinite(TrainError):
    """A number became NaN or infinite, and training stopped.

    Attributes:
        epoch: In which epoch, from 0.
        step: In which step of that epoch, from 0.
        what: ``"loss"``, ``"gradient"`` or ``"parameter"``: the first of them that was not finite.
        where: The parameter's path, such as ``"dense_0/kernel"``; empty for the loss.
        outcome: The run until then, with its best weights; None before it has one.
    """

    outcome: Any = None

    def __init__(self, *, epoch: int, step: int, what: str, where: str = "") -> None:
        self.epoch, self.step, self.what, self.where = epoch, step, what, where
        of = f" of {where}" if where else ""
        super().__init__(
            f"the {what}{of} is not finite in epoch {epoch}, step {step}; "
            "use a smaller learning rate, clip the gradients, or look for huge values in the features"
        )


class CheckpointError(TrainError):
    """A file of weights cannot be used: not there, damaged, or made by another network or run."""


class ExportError(TrainError):
    """The network has a layer that cannot be written as ONNX here; nothing was written."""


class LibrariesMissing(TrainError, ImportError):
    """A library that training stands on is not installed; raised where ``pulse_ai.train`` is imported."""

    def __init__(self, name: str) -> None:
        super().__init__(f"training needs {name}, which is not installed: pip install 'pulse-ai[train]'")
