"""ONNX Runtime behind one narrow class: arrays in, logits out."""

__all__ = ("Engine", "open_session")

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import LoadFailed, available_cores

_KNOWN_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
# On a CPU the fused operator is slower than its two parts: 15 % of a DistilBERT's int8 time against 2 %.
_SLOWER_TOGETHER = ["SkipLayerNormFusion"]
_DTYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class Engine:
    """One classifier graph, ready to run.

    Args:
        path: An ONNX file with inputs ``input_ids``, ``attention_mask`` and maybe ``token_type_ids``.
        threads: Threads for one call; 0 means one for each core that this process may use.

    Raises:
        LoadFailed: The file is not an ONNX graph that this engine runs, or wants other inputs.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.threads = threads or available_cores()
        self._session = open_session(path, self.threads)
        self._inputs = _input_types(self._session, path)
        self._output = _logits_name(self._session)
        self._run_options = _shrinking_options()

    @property
    def name(self) -> str:
        """The engine's name and version, for people."""
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__} (CPU)"

    def logits(self, feeds: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return raw scores of shape (rows, labels).

        Args:
            feeds: ``input_ids``, ``attention_mask`` and ``token_type_ids`` of shape (rows, length) each;
                those that the graph does not want are left out.

        Raises:
            LoadFailed: The graph does not run on this many rows or tokens, or its answer does not have one row of
                numbers for each row of input.
        """
        wanted = {name: feeds[name].astype(kind, copy=False) for name, kind in self._inputs.items()}
        rows, length = feeds["input_ids"].shape
        try:
            (found,) = self._session.run([self._output], wanted, self._run_options)
        except Exception as error:  # its exceptions share no class but Exception
            said = " ".join(str(error).split())
            raise LoadFailed(
                f"the graph does not run on {rows} texts of {length} tokens: {said}; export it with axes that may "
                "have any size"
            ) from error
        answer = np.asarray(found, dtype=np.float32)
        if answer.ndim != 2 or answer.shape[0] != rows:
            raise LoadFailed(
                f"the graph answers {rows} rows with shape {answer.shape}, not (rows, labels); "
                "is it a sequence classifier?"
            )
        return answer


def open_session(path: Path, threads: int) -> Any:
    """Return an ONNX Runtime session on the CPU.

    Args:
        path: An ONNX file.
        threads: Threads of one call, at least 1.

    Raises:
        LoadFailed: The file is not a graph that this runtime runs.
    """
    import onnxruntime

    runtime: Any = onnxruntime
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A spinning thread takes the core from the process that holds the sockets: beside a busy process, calls
    # took 15 to 40 % longer with it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER_TOGETHER
        )
    except Exception as error:  # its exceptions share no class but Exception
        raise LoadFailed(f"{path} cannot be run: {error}") from error


def _shrinking_options() -> Any:
    """Return options that give memory back after each call.

    Without them the arena keeps a block for every odd shape: 150 shapes took a MiniLM from 93 to 328 MB, with
    them to 123 MB. The time of a call did not change measurably.
    """
    import onnxruntime

    runtime: Any = onnxruntime
    options = runtime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _input_types(session: Any, path: Path) -> dict[str, type[np.signedinteger[Any]]]:
    types = {str(slot.name): str(slot.type) for slot in session.get_inputs()}
    unknown = set(types) - _KNOWN_INPUTS
    if unknown or "input_ids" not in types:
        raise LoadFailed(
            f"{path} wants the inputs {', '.join(sorted(types))}; a text classifier takes input_ids, "
            "attention_mask and token_type_ids"
        )
    wrong = sorted(name for name, kind in types.items() if kind not in _DTYPES)
    if wrong:
        raise LoadFailed(f"{path} wants {wrong[0]} as {types[wrong[0]]}; token numbers are int64 or int32")
    return {name: _DTYPES[kind] for name, kind in types.items()}


def _logits_name(session: Any) -> str:
    names = [str(slot.name) for slot in session.get_outputs()]
    return "logits" if "logits" in names else names[0]
