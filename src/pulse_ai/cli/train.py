"""``pulse train``: from a table to a folder that ``pulse serve`` takes."""

__all__ = ("train",)

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import typer

from pulse_ai.cli import train_options as option
from pulse_ai.cli.interrupts import Interrupts
from pulse_ai.core import TargetError

if TYPE_CHECKING:
    from pathlib import Path

    from pulse_ai.frame import Read
    from pulse_ai.tabular import TaskKind

_TASKS = ("binary", "multiclass", "regression")
_READING = {"separator": "--separator", "encoding": "--encoding", "nulls": "--null", "types": "--type"}


def train(  # noqa: PLR0913 - an option is an argument
    data: option.Source,
    *,
    target: option.Target,
    out: option.Out,
    name: option.Name = "",
    task: option.Task = None,
    drop: option.DropColumns = None,
    separator: option.Separator = None,
    encoding: option.Encoding = "utf-8",
    null: option.Null = None,
    column_type: option.ColumnType = None,
    validation: option.Validation = 0.2,
    stratify: option.Stratify = True,
    hidden: option.Hidden = "64,64",
    epochs: option.Epochs = None,
    batch_size: option.BatchSize = None,
    lr: option.LearningRate = None,
    dropout: option.Dropout = 0.0,
    patience: option.Patience = 20,
    balance: option.Balance = False,
    seed: option.Seed = 0,
    tune: option.Tune = None,
    json: option.Json = False,
) -> None:
    """Train a model that predicts one column of a table from the others, and write a folder that serves.

    Reads the table, says what it found odd, prepares the columns, trains a network, and measures it on rows that
    it has not seen, beside a model that always says the same and a linear one. The folder has the recipe, the
    weights, an ONNX graph, the metrics, pictures and a model card. [bold]pulse serve DIR[/] answers with it.
    """
    began_s = time.monotonic()
    _require("train", "jax", "flax", "optax", "polars")
    if tune is not None:
        _require("tune", "optuna")
    from pulse_ai.cli.train_view import TrainView
    from pulse_ai.tabular import TUNING_LOG, TableSettings, require_free, train_table
    from pulse_ai.tabular import tune as search

    settings = TableSettings(
        task=_task(task),
        hidden=_widths(hidden),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=lr,
        dropout=dropout,
        patience=patience,
        validation=validation,
        stratify=stratify,
        balance=balance,
        seed=seed,
        drop=tuple(drop or ()),
    )
    reading = _reading(separator=separator, encoding=encoding, nulls=null, types=column_type)
    require_free(out)
    with Interrupts("nothing was written") as stop, TrainView(machine_readable=json) as view:
        frame, found = _read(data, reading)
        stop.before(view.read)(found)
        if tune is not None:
            log = out / TUNING_LOG
            tell = stop.before(view.candidates)
            with view.searching(log):
                tuning = search(frame, target, settings, candidates=tune, log=log, on_candidates=tell)
            view.tuned(tuning)
            settings = tuning.settings
        trained = train_table(
            frame,
            target,
            settings,
            on_prepared=stop.before(view.prepared),
            on_epochs=stop.before(view.epochs),
        )
        stop.check()  # from here on the folder is written
        trained.save(out, name=name, source=data)
    view.done(trained, out, took_s=time.monotonic() - began_s)


def _reading(
    *, separator: str | None, encoding: str, nulls: list[str] | None, types: list[str] | None
) -> dict[str, Any]:
    """Return the options of ``read_csv`` that were given."""
    from pulse_ai.frame import NULLS

    pairs = [pair.rpartition("=") for pair in types or ()]
    wrong = next((kind for column, _, kind in pairs if not column or not kind), None)
    if wrong is not None:
        raise typer.BadParameter(f"{wrong!r} is not COLUMN=KIND, such as price=number", param_hint="--type")
    return {
        **({} if separator is None else {"separator": separator.replace("\\t", "\t")}),
        **({} if encoding == "utf-8" else {"encoding": encoding}),
        **({"nulls": (*NULLS, *nulls)} if nulls else {}),
        **({"types": {column: kind for column, _, kind in pairs}} if pairs else {}),
    }


def _read(data: "Path", reading: dict[str, Any]) -> "Read":
    """Read the table; an error speaks of this command's options."""
    from pulse_ai.frame import ReadFailed, read_file

    try:
        return read_file(data, **reading)
    except ReadFailed as error:
        if error.option is None:
            raise
        name, value = error.option
        raise error.spelling(f"{_READING[name]} {value}".rstrip()) from error


def _require(extra: str, *libraries: str) -> None:
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise TargetError(f"this needs {', '.join(missing)}: pip install 'pulse-ai[{extra}]'")


def _task(text: str | None) -> "TaskKind | None":
    match text:
        case None | "binary" | "multiclass" | "regression":
            return text
        case _:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(_TASKS)}", param_hint="--task")


def _widths(text: str) -> tuple[int, ...]:
    """Read ``64,64``; ``0`` means no hidden layer."""
    try:
        widths = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of widths such as 64,64", param_hint="--hidden"
        ) from None
    return () if widths == (0,) else widths
