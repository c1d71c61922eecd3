"""Which of a checkpoint's files to use: a pure choice among names, the same for a folder and for the Hub."""

__all__ = ("WeightFiles", "WeightKind", "choose_weights")

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from pulse_ai.core import TargetError
from pulse_ai.hub.settings import Precision

WeightKind = Literal["onnx-fp32", "onnx-int8", "safetensors"]

_CHOICES: dict[WeightKind, tuple[str, ...]] = {
    "onnx-int8": (
        "onnx/model_quantized.onnx",
        "model_quantized.onnx",
        "onnx/model_int8.onnx",
        "model_int8.onnx",
        "onnx/model_uint8.onnx",
    ),
    "onnx-fp32": ("onnx/model.onnx", "model.onnx"),
    "safetensors": ("model.safetensors", "model.safetensors.index.json"),
}
_ORDER: dict[Precision, tuple[WeightKind, ...]] = {
    "int8": ("onnx-int8", "onnx-fp32", "safetensors"),
    "fp32": ("onnx-fp32", "safetensors"),
}
_SHARDS = "model-*-of-*.safetensors"
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


class WeightFiles(NamedTuple):
    """The weights to use.

    Attributes:
        kind: What they are.
        main: The file to open, relative to the checkpoint's folder.
        others: Files that it refers to.
    """

    kind: WeightKind
    main: str
    others: tuple[str, ...] = ()


def choose_weights(names: Collection[str], precision: Precision) -> WeightFiles:
    """Choose among a checkpoint's file names: ONNX in the precision wanted, else what can become it.

    Args:
        names: Paths relative to the checkpoint's folder, with ``/``.
        precision: What will be run.

    Raises:
        TargetError: None of the files can be used.

    Example:
        >>> choose_weights(["config.json", "model.safetensors", "onnx/model.onnx"], "int8").main
        'onnx/model.onnx'
    """
    for kind in _ORDER[precision]:
        for name in _CHOICES[kind]:
            if name in names:
                return WeightFiles(kind, name, _companions(name, names))
    raise TargetError(_why_none(names))


def _companions(main: str, names: Collection[str]) -> tuple[str, ...]:
    """Return the shards of an index, or the files with an ONNX graph's larger constants."""
    if main.endswith(".index.json"):
        return tuple(sorted(name for name in names if fnmatchcase(name, _SHARDS)))
    if main.endswith(".onnx"):
        return tuple(sorted(name for name in names if name.startswith((f"{main}_data", f"{main}.data"))))
    return ()


def _why_none(names: Collection[str]) -> str:
    if any(name in names for name in _CHOICES["onnx-int8"]):
        return "this checkpoint has int8 weights only; ask for precision int8"
    pickled = [name for name in sorted(names) if any(fnmatchcase(name, kind) for kind in _PICKLES)]
    if pickled:
        return (
            f"the only weights here are {pickled[0]}, a format that Pulse does not open, because opening a "
            "pickle runs code; save the model once as safetensors (pip install 'pulse_ai[torch]', then "
            "from_pretrained(...).save_pretrained(...)) or export it to ONNX with optimum"
        )
    return (
        "no usable weights: looked for model.safetensors, onnx/model.onnx, model.onnx and "
        "onnx/model_quantized.onnx; is this a whole checkpoint?"
    )
