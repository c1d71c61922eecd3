"""Tensors of a checkpoint in safetensors, one file or many, as fp32 arrays."""

__all__ = ("Weights", "read_weights")

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import LoadFailed

INDEX = "model.safetensors.index.json"
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


class Weights:
    """A checkpoint's tensors by name.

    Args:
        tensors: Each tensor under its name in the checkpoint.
    """

    def __init__(self, tensors: dict[str, NDArray[np.float32]]) -> None:
        self._tensors = tensors

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def get(self, name: str, *shape: int | None) -> NDArray[np.float32]:
        """Return a tensor of a known shape; None stands for any size.

        Raises:
            LoadFailed: The checkpoint has no such tensor, or has it in another shape.

        Example:
            >>> weights = Weights({"classifier.bias": np.zeros(2, np.float32)})
            >>> weights.get("classifier.bias", 2).shape
            (2,)
            >>> weights.get("classifier.bias", 3)
            Traceback (most recent call last):
            pulse_ai.core.errors.LoadFailed: classifier.bias has shape (2,), the config asks for (3,)
        """
        if name not in self._tensors:
            raise LoadFailed(
                f"the checkpoint has no {name}; it is not a sequence classifier of this family, or not whole"
            )
        found = self._tensors[name]
        fits = len(shape) == found.ndim and all(
            want in (None, have) for want, have in zip(shape, found.shape, strict=True)
        )
        if not fits:
            raise LoadFailed(f"{name} has shape {found.shape}, the config asks for {shape}")
        return found


def read_weights(folder: Path) -> Weights:
    """Read ``model.safetensors``, or all files that its index names.

    Raises:
        LoadFailed: A file is missing, cut short, or holds something else than floating-point tensors.
    """
    tensors: dict[str, NDArray[np.float32]] = {}
    for path in _files(folder):
        tensors.update(_read_file(path))
    return Weights(tensors)


def _files(folder: Path) -> list[Path]:
    index = folder / INDEX
    if not index.is_file():
        return [folder / "model.safetensors"]
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise LoadFailed(f"{index} has no weight_map of file names: {error!r}") from error
    outside = [
        name
        for name in names
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors")
    ]
    if outside:
        raise LoadFailed(f"{index} names {outside[0]!r}, which is no safetensors file in its folder")
    return [folder / name for name in names]


def _read_file(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    import safetensors

    library: Any = safetensors
    try:
        entries = library.deserialize(path.read_bytes())
    except OSError as error:
        raise LoadFailed(f"{path} cannot be read: {error}; fetch the checkpoint again") from error
    except library.SafetensorError as error:
        raise LoadFailed(f"{path} is damaged or cut short: {error}; fetch it again") from error
    for name, entry in entries:
        if entry["dtype"] in _DTYPES:
            yield _new_name(name), _as_fp32(entry)


def _new_name(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _as_fp32(entry: dict[str, Any]) -> NDArray[np.float32]:
    values = np.frombuffer(entry["data"], dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    if entry["dtype"] == "BF16":  # the upper half of an fp32
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)
