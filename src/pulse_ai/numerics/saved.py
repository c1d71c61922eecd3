"""Saving a compiled function as bytes, and loading it where its Python is not.

What is saved is StableHLO in JAX's export format, which is made to be read by later versions, with the trees
of the arguments and the answer as plain data. Never pickle: loading runs no Python of the file's. A tree that
holds objects needs their classes to be given to ``load``.
"""

__all__ = ("load", "serialize")

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from pulse_ai.numerics.buckets import Bucketed, Buckets
from pulse_ai.numerics.compilers import load_jax, require_jax
from pulse_ai.numerics.errors import BadArgument, SavedFunctionError
from pulse_ai.numerics.executable import Executable, Job
from pulse_ai.numerics.history import clock_s
from pulse_ai.numerics.products import compiler_options, prefers_eigen
from pulse_ai.numerics.structures import Structure, rebuilt, structure_of
from pulse_ai.numerics.templates import Template, leaves_by_path
from pulse_ai.numerics.trees import leaves_of, map_leaves, register_all

_FORMAT = 1
_MAGIC = b"pulse-fn"


class _Export(msgspec.Struct, frozen=True):
    """The code for one set of sizes, and the answer's tree."""

    leaves: list[tuple[tuple[int, ...], str]]
    answer: Structure
    code: bytes
    prefers_eigen: bool = False


class _Saved(msgspec.Struct, frozen=True):
    format: int
    name: str
    names: tuple[str, ...]
    arguments: Structure
    leaves: list[tuple[tuple[int | str, ...], str]]
    exports: list[_Export]
    buckets: dict[str, tuple[int, ...]] | None
    cuts: list[dict[int, str]]
    made_with: str


def serialize(compiled: Executable | Bucketed, *, platforms: tuple[str, ...] | None = None) -> bytes:
    """Return a compiled function as bytes, with every bucket that it has.

    Args:
        compiled: What ``compile`` gave.
        platforms: Where it shall run: ``"cpu"``, ``"cuda"``, ``"rocm"``, ``"tpu"``; None: on a platform like
            this one.

    Raises:
        CompilerMissing: XLA is not installed.
        BadArgument: It was not made by ``compile`` here, or a tree holds static values that are not plain.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import compile, softmax, template
        >>> data = serialize(compile(softmax, (template(2),)))
        >>> load(data)(np.zeros(2, np.float32))
        Array([0.5, 0.5], dtype=float32)
    """
    require_jax("serialize")
    maker = compiled.maker
    if not isinstance(maker, Job):
        raise BadArgument(f"{maker.name} was loaded from bytes; keep those")
    if isinstance(compiled, Bucketed):
        wanted = [compiled.sized(sizes) for sizes in compiled.buckets]
    else:
        wanted = [compiled.templates]
    body = msgspec.msgpack.encode(
        _Saved(
            format=_FORMAT,
            name=maker.name,
            names=maker.names,
            arguments=structure_of(maker.templates),
            leaves=[(leaf.shape, leaf.dtype.name) for leaf in leaves_of(maker.templates)],
            exports=[_exported(maker, templates, platforms) for templates in wanted],
            buckets=dict(compiled.buckets.sizes) if isinstance(compiled, Bucketed) else None,
            cuts=compiled.cuts() if isinstance(compiled, Bucketed) else [],
            made_with=f"jax {load_jax().__version__}",
        )
    )
    return _MAGIC + hashlib.sha256(body).digest() + body


def _exported(job: Job, templates: tuple[Any, ...], platforms: tuple[str, ...] | None) -> _Export:
    """Export a function of flat lists of arrays, so that no class needs to be known to the reader."""
    jax, answers = load_jax(), list[Any]()
    register_all(templates)

    def flat(*leaves: Any) -> list[Any]:
        given = iter(leaves)
        answer = job.function.staged()(*map_leaves(lambda _: next(given), templates), **job.options)
        answers.append(structure_of(answer))
        return leaves_of(answer)

    kinds = [(leaf.shape, leaf.dtype.name) for leaf in leaves_of(templates)]
    structs = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in kinds]
    staged = jax.jit(flat)
    exported = jax.export.export(staged, platforms=platforms)(*structs)
    return _Export(
        leaves=kinds,
        answer=answers[0],
        code=bytes(exported.serialize()),
        prefers_eigen=prefers_eigen(staged.trace(*structs).jaxpr),
    )


def load(data: bytes, *, types: Sequence[type] = ()) -> Executable | Bucketed:
    """Return the function that ``serialize`` saved, compiled for this machine.

    Args:
        data: What ``serialize`` gave.
        types: The classes of objects in its arguments and answer, if there are any.

    Raises:
        CompilerMissing: XLA is not installed.
        SavedFunctionError: The bytes are damaged, of a newer format, for another platform, or need a class
            that was not given.

    Example:
        >>> load(b"something else")
        Traceback (most recent call last):
        pulse_ai.numerics.errors.SavedFunctionError: these bytes are no saved function: they begin otherwise
    """
    require_jax("load")
    saved = _read(data)
    maker = _Reader(saved, {f"{cls.__module__}:{cls.__qualname__}": cls for cls in types})
    if saved.buckets is None:
        return maker.build(maker.templates)
    return Bucketed(maker, Buckets(**saved.buckets), cuts=saved.cuts)


def _read(data: bytes) -> _Saved:
    start = len(_MAGIC) + 32
    if not data.startswith(_MAGIC):
        raise SavedFunctionError("these bytes are no saved function: they begin otherwise")
    body = data[start:]
    if hashlib.sha256(body).digest() != data[len(_MAGIC) : start]:
        raise SavedFunctionError(
            f"these {len(data)} bytes are damaged: the checksum differs; copy the file again"
        )
    try:
        saved = msgspec.msgpack.decode(body, type=_Saved)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SavedFunctionError(f"this file is of another version of Pulse: {error}") from error
    if saved.format != _FORMAT:
        raise SavedFunctionError(
            f"this file has format {saved.format}, this Pulse reads {_FORMAT}; update Pulse"
        )
    return saved


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    """Makes executables from what was saved."""

    saved: _Saved
    types: dict[str, type]

    @property
    def name(self) -> str:
        return self.saved.name

    @property
    def names(self) -> tuple[str, ...]:
        return self.saved.names

    @property
    def templates(self) -> tuple[Any, ...]:
        leaves = [Template(tuple(shape), _dtype(dtype)) for shape, dtype in self.saved.leaves]
        return rebuilt(self.saved.arguments, leaves, self.types)

    def build(self, templates: tuple[Any, ...]) -> Executable:
        began_s, export = clock_s(), self._find(templates)
        jax, code = load_jax(), _code_of(export)
        try:
            structs = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in export.leaves]
            told = compiler_options(eigen=export.prefers_eigen)
            compiled = jax.jit(code.call).lower(*structs).compile(told)
        except ValueError as error:
            raise SavedFunctionError(
                f"{self.name} (made with {self.saved.made_with}) cannot run here: {error}"
            ) from error

        def run(*arguments: Any) -> Any:
            return rebuilt(export.answer, compiled(*leaves_of(arguments)), self.types)

        return Executable(
            name=self.name,
            expected=tuple(leaves_by_path(templates, self.names)),
            names=self.names,
            compiler="xla",
            compile_s=clock_s() - began_s,
            from_cache=False,
            run=run,
            maker=self,
            templates=templates,
        )

    def answers(self, templates: tuple[Any, ...]) -> Any:
        export = self._find(templates)
        return rebuilt(export.answer, list(_code_of(export).out_avals), self.types)

    def _find(self, templates: tuple[Any, ...]) -> _Export:
        wanted = [(leaf.shape, leaf.dtype.name) for leaf in leaves_of(templates)]
        for export in self.saved.exports:
            if [(tuple(shape), dtype) for shape, dtype in export.leaves] == wanted:
                return export
        raise SavedFunctionError(f"{self.name} was not saved for {wanted}")


def _code_of(export: _Export) -> Any:
    try:
        return load_jax().export.deserialize(bytearray(export.code))
    except Exception as error:  # its exceptions for what is no code of its own share no class but Exception
        raise SavedFunctionError(f"the code in this file cannot be read: {error}") from error


def _dtype(name: str) -> Any:
    try:
        return load_jax().numpy.dtype(name)
    except TypeError as error:
        raise SavedFunctionError(
            f"this file has arrays of a dtype that is not known here: {error}"
        ) from error
