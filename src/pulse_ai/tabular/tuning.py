"""Search for a good network: a genetic search (NSGA-II) over its shape, dropout and learning rate.

Candidates of one shape are trained side by side as one program. The rows that the result is measured on take no
part in the search: what is learned from is split once more for it.

The search is repeatable and can be resumed, by one trick: each generation is drawn with a seed of its own, and
what a candidate reached is written to a file by its genes. To resume is to begin again, and to look up what was
found out already.
"""

__all__ = ("POPULATION", "OnCandidates", "Tuning", "tune")

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pulse_ai.tabular.errors import TableError
from pulse_ai.tabular.genes import DROPOUTS, LEARNING_RATES, SHAPES, WORST, Evaluated, Genes, pareto_front
from pulse_ai.tabular.known import KnownCandidates
from pulse_ai.tabular.latency import served_latency_s
from pulse_ai.tabular.problem import infer_problem
from pulse_ai.tabular.settings import TableSettings
from pulse_ai.tabular.training import Prepared, learning_rows, prepare
from pulse_ai.train import Candidate, Settings, Trained, fit_population, report

if TYPE_CHECKING:
    import optuna
    import polars as pl

OnCandidates = Callable[[int, int, Evaluated], None]
"""Told after each group: how many candidates are done, of how many, and the best of all so far."""

POPULATION = 16
"""Candidates in a generation."""

_SEED_STEP = 7919  # a prime, so that the generations of neighbouring seeds do not meet
_RATE_DIGITS = 6  # of a learning rate: enough to tell candidates apart, and the same after a file
_FIGURE_DIGITS = 9  # of a figure: a population's rounding must not decide who is better


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What a search found.

    Attributes:
        settings: The settings with the best candidate's genes.
        best: The best figure; of equal ones that with the least work.
        front: The candidates that none beats in both figure and work, the least work first.
        latencies_s: For each of the front how long one row takes in the worker that serves it, in seconds.
        evaluated: All candidates, in the order in which they were drawn.
        figure: What was searched for: ``accuracy`` or ``r2``.
    """

    settings: TableSettings
    best: Evaluated
    front: tuple[Evaluated, ...]
    latencies_s: tuple[float, ...]
    evaluated: tuple[Evaluated, ...]
    figure: str


def tune(
    frame: "pl.DataFrame",
    target: str,
    settings: TableSettings | None = None,
    *,
    candidates: int = 50,
    log: Path | None = None,
    on_candidates: OnCandidates | None = None,
) -> Tuning:
    """Search for settings that are better for a table.

    Args:
        frame: The table, whole; the rows that ``train_table`` holds out with these settings are not looked at.
        target: The column to predict.
        settings: What stays as it is: epochs, batch size, patience, seed, split.
        candidates: How many are drawn, at least 2.
        log: Where what was found out is kept; a search of the same table and settings goes on from it.
        on_candidates: Told how far the search is.

    Raises:
        TableError: The table cannot be trained on, ``log`` is of another search, or no candidate could be
            trained.
    """
    settings = settings or TableSettings()
    if candidates < 2:
        raise TableError(f"a search needs at least 2 candidates, got {candidates}")
    kind = infer_problem(frame, target, kind=settings.task).kind  # of all rows; fewer may look otherwise
    prepared = prepare(learning_rows(frame, target, settings), target, replace(settings, task=kind))
    search = _Search(prepared, settings, KnownCandidates.open(log, _digest_of(prepared, settings)))
    drawn: list[Evaluated] = []
    while len(drawn) < candidates:
        size = min(POPULATION, candidates - len(drawn))
        for known in search.run_generation(size):
            if on_candidates is not None:
                on_candidates(min(len(drawn) + known, candidates), candidates, search.best)
        drawn += search.newest
    if search.best.figure <= WORST:
        raise TableError(
            "no candidate could be trained: its loss was not finite; look at the columns' ranges"
        )
    front = pareto_front(drawn)
    latencies_s = {
        hidden: served_latency_s(prepared, hidden) for hidden in {one.genes.hidden for one in front}
    }
    return Tuning(
        settings=replace(
            settings,
            hidden=search.best.genes.hidden,
            dropout=search.best.genes.dropout,
            learning_rate=search.best.genes.learning_rate,
        ),
        best=search.best,
        front=front,
        latencies_s=tuple(latencies_s[one.genes.hidden] for one in front),
        evaluated=tuple(drawn),
        figure=_figure_name(prepared),
    )


class _Search:
    """A genetic search, a generation at a time.

    Attributes:
        newest: The candidates of the newest generation, in the order in which they were drawn.
        best: The best of all.
    """

    def __init__(self, prepared: Prepared, settings: TableSettings, known: KnownCandidates) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._prepared, self._settings, self._known = prepared, settings, known
        self._study = optuna.create_study(directions=["maximize", "minimize"], sampler=self._sampler(0))
        self._generation = 0
        self.newest: list[Evaluated] = []
        self.best = Evaluated(Genes("linear", 0.0, LEARNING_RATES[0]), WORST, 0)

    def run_generation(self, size: int) -> Iterator[int]:
        """Draw and evaluate candidates; give how many of them are known, each time that some more are."""
        self._study.sampler = self._sampler(self._generation)
        self._generation += 1
        trials = [self._study.ask() for _ in range(size)]
        before = self.best
        genes = [_drawn(trial) for trial in trials]
        for group in _groups(one for one in dict.fromkeys(genes) if one not in self._known):
            found = _evaluate(self._prepared, self._settings, group)
            self._known.add(found)
            self.best = max((self.best, *found), key=_order)
            yield sum(one in self._known for one in genes)
        self.newest = [self._known[one] for one in genes]
        for trial, one in zip(trials, self.newest, strict=True):
            self._study.tell(trial, (one.figure, one.work))
        # Of equal ones the first that was drawn: which were found out in this call must not matter.
        self.best = max((before, *self.newest), key=_order)
        yield size

    def _sampler(self, generation: int) -> Any:
        """Return NSGA-II with a seed of this generation's own, so that a search can be taken up anywhere.

        Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II" (2002).
        """
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(population_size=POPULATION, seed=self._settings.seed + _SEED_STEP * generation)


def _order(one: Evaluated) -> tuple[float, int]:
    return one.figure, -one.work


def _drawn(trial: "optuna.Trial") -> Genes:
    shape = trial.suggest_categorical("shape", list(SHAPES))
    dropout = trial.suggest_categorical("dropout", list(DROPOUTS))
    rate = trial.suggest_float("learning_rate", *LEARNING_RATES, log=True)
    return Genes(shape, dropout if SHAPES[shape] else 0.0, float(f"{rate:.{_RATE_DIGITS}g}"))


def _groups(genes: Iterable[Genes]) -> list[list[Genes]]:
    """Return candidates that can be trained as one program: those of one shape and dropout."""
    by_network: dict[tuple[str, float], list[Genes]] = {}
    for one in genes:
        by_network.setdefault((one.shape, one.dropout), []).append(one)
    return list(by_network.values())


def _evaluate(prepared: Prepared, settings: TableSettings, group: Sequence[Genes]) -> list[Evaluated]:
    """Train candidates side by side; what they reach does not depend on who their neighbours are."""
    network = prepared.network(group[0].hidden, dropout=group[0].dropout)
    rows = len(prepared.training)
    trained = fit_population(
        network,
        prepared.rows(prepared.training),
        prepared.rows(prepared.validation),
        candidates=[Candidate(seed=settings.seed, learning_rate=one.learning_rate) for one in group],
        settings=Settings(
            objective=prepared.problem.kind,
            epochs=settings.most_epochs(rows),
            batch_size=settings.batch_rows(rows),
            patience=settings.patience,
            class_weights=settings.class_weights(prepared.problem.kind),
        ),
    )
    widths = (prepared.recipe.width, *group[0].hidden, *network.output_shape)
    work = sum(first * second for first, second in itertools.pairwise(widths))
    return [Evaluated(genes, _figure(prepared, one), work) for genes, one in zip(group, trained, strict=True)]


def _figure(prepared: Prepared, trained: Trained) -> float:
    said = prepared.predictions(trained, prepared.validation.features)
    if not np.isfinite(said).all():
        return WORST
    found = report(prepared.problem.kind, said, prepared.validation.targets)
    figure = found.r2 if prepared.problem.kind == "regression" else found.accuracy
    return WORST if figure is None or not math.isfinite(figure) else round(figure, _FIGURE_DIGITS)


def _figure_name(prepared: Prepared) -> str:
    return "r2" if prepared.problem.kind == "regression" else "accuracy"


def _digest_of(prepared: Prepared, settings: TableSettings) -> str:
    """Return what a search is of: its rows and what stays as it is."""
    found = hashlib.sha256(repr(settings).encode())
    for data in (prepared.training, prepared.validation):
        found.update(data.features.tobytes())
        found.update(data.targets.tobytes())
    return found.hexdigest()
