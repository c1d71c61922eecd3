"""Trees of arrays in safetensors files: weights, and the arrays of a checkpoint. Never pickle."""

__all__ = (
    "flattened",
    "load_weights",
    "paths_of",
    "read_tree",
    "save_weights",
    "unflattened",
    "weights_content",
    "write_atomically",
)

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pulse_ai.train.errors import BadNetwork, CheckpointError
from pulse_ai.train.network import Network, Variables, variable_shapes
from pulse_ai.train.xla import jax

Array = np.ndarray[Any, Any]
_FORMAT = "pulse-weights"


def save_weights(path: str | Path, network: Network, variables: Variables) -> None:
    """Write weights, with their network in the file's metadata; the file is whole or not there.

    Args:
        path: A ``.safetensors`` file; one that is there is replaced.
        network: What they are for.
        variables: The weights.

    Raises:
        OSError: It cannot be written; a file that was there is as it was.
    """
    write_atomically(Path(path), weights_content(network, variables))


def weights_content(network: Network, variables: Variables) -> bytes:
    """Return what ``save_weights`` writes: a safetensors file, with the network in its metadata."""
    from safetensors.numpy import save

    return save(flattened(variables), {"format": _FORMAT, "network": network.to_json().decode()})


def load_weights(path: str | Path, network: Network | None = None) -> tuple[Network, Variables]:
    """Return the network and the weights of a file.

    Args:
        path: What ``save_weights`` wrote.
        network: The network that is expected; None: whichever is in the file.

    Raises:
        CheckpointError: The file is not there, is damaged, or is for another network.
    """
    arrays, metadata = read_tree(Path(path))
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} holds no weights of a network: its format is {metadata.get('format')!r}"
        )
    try:
        found = Network.from_json(metadata.get("network", ""))
    except BadNetwork as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if network is not None and found != network:
        raise CheckpointError(
            f"{path} is for another network: it has {found.layers}, wanted {network.layers}"
        )
    return found, unflattened(variable_shapes(found), arrays, path)


def flattened(tree: Any) -> dict[str, Array]:
    """Return the arrays of a tree by their paths: ``params/dense_0/kernel``."""
    leaves = jax.tree.leaves(tree)
    return {name: np.asarray(leaf, order="C") for name, leaf in zip(paths_of(tree), leaves, strict=True)}


def paths_of(tree: Any) -> list[str]:
    """Return the path of each leaf, its parts joined by slashes."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]


def unflattened(wanted: Any, arrays: Mapping[str, Array], source: Any) -> Any:
    """Return the tree of ``flattened``.

    Args:
        wanted: A tree of the same structure; its leaves have shapes and dtypes.
        arrays: What ``flattened`` gave.
        source: Where they are from, for an error.

    Raises:
        CheckpointError: An array is missing, is too much, or has another shape or dtype.
    """
    leaves, structure = jax.tree.flatten(wanted)
    names = paths_of(wanted)
    if set(names) != set(arrays):
        different = sorted(set(names) ^ set(arrays))
        raise CheckpointError(
            f"{source} is not of this network or run: {len(different)} arrays differ: {different[:5]}"
        )
    for name, leaf in zip(names, leaves, strict=True):
        given = arrays[name]
        if tuple(leaf.shape) != given.shape or np.dtype(leaf.dtype) != given.dtype:
            raise CheckpointError(
                f"{source}: {name} is {given.dtype}{given.shape}, wanted {leaf.dtype}{tuple(leaf.shape)}"
            )
    return jax.tree.unflatten(structure, [arrays[name] for name in names])


def read_tree(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the metadata of a safetensors file.

    Raises:
        CheckpointError: The file is not there, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        opened: Any = safe_open(path, framework="numpy")
        with opened as file:
            arrays: dict[str, Array] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, dict(file.metadata() or {})
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file {path}") from error
    except (
        SafetensorError,
        OSError,
        AttributeError,
    ) as error:  # the last: numbers of a kind that NumPy lacks
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a power cut.

    Raises:
        OSError: It cannot be written; a file that was there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
