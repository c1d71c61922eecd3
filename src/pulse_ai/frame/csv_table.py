"""A CSV file on its way to a frame: text turns into values by each column's plan while the file is read."""

__all__ = ("CsvTable",)

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulse_ai.frame.csv_faults import explain, line_of_row, short_lines
from pulse_ai.frame.csv_kinds import Plan, declared_plan, guess_plan
from pulse_ai.frame.csv_layout import Layout, decoded, sniff_layout
from pulse_ai.frame.errors import Option, ReadFailed, RecipeError

if TYPE_CHECKING:
    import polars as pl

_SAMPLE_ROWS = 500
_CHECKED_ROWS = 50_000
_MOST_SHOWN = 40
_IS_THERE = "\0"  # no name of a column: a file with zero bytes is turned down


@dataclass(slots=True)
class _Seen:
    """Values of a column that have been looked at, and plans that did not fit the others."""

    values: list[str]
    tried: list[Plan] = field(default_factory=list[Plan])


@dataclass(slots=True)
class CsvTable:
    """One file being read.

    Attributes:
        path: The file.
        layout: How it is laid out.
        nulls: Texts that mean null.
        oddities: What was unusual so far, a sentence each.
    """

    path: Path
    layout: Layout
    nulls: tuple[str, ...]
    oddities: list[str] = field(default_factory=list[str])

    @classmethod
    def open(cls, path: Path, *, nulls: Sequence[str], separator: str | None, encoding: str) -> "CsvTable":
        """Look at a file's beginning.

        Raises:
            ReadFailed: It is no table.
        """
        layout = sniff_layout(path, separator=separator, encoding=encoding)
        return cls(path, layout, tuple(nulls), list(layout.oddities))

    def read(self, types: Mapping[str, str]) -> "pl.DataFrame":
        """Return all rows. Goes through the file once, and again for columns whose values do not fit.

        Raises:
            ReadFailed: The file is broken, or a value does not fit a declared type.
        """
        import polars as pl

        records = self._records()
        text = _without_empty_lines(records)
        values: dict[str, pl.Series] = {}

        def nulls_made(plans: Mapping[str, Plan]) -> dict[str, int]:
            """Keep the values, and count what became null beside them."""
            doubts = _not_text(plans)
            wanted = [*self._expressions(plans), *self._absent(doubts)]
            found = self._collect(text.select(each.alias(str(place)) for place, each in enumerate(wanted)))
            series = iter(found)
            values.update({name: next(series).alias(name) for name in plans})
            return {
                name: values[name].null_count() - int(before.sum())
                for name, before in zip(doubts, series, strict=True)
            }

        plans = self._settle(records, types, nulls_made)
        frame = pl.DataFrame([values[name] for name in plans])
        self._note_missing(frame, records)
        return frame

    def scan(self, types: Mapping[str, str]) -> "pl.LazyFrame":
        """Return a lazy frame. Goes through the file once, or more often where values do not fit.

        Raises:
            ReadFailed: See ``read``; also where the file is not UTF-8.
        """
        if self.layout.encoding != "utf-8":
            raise ReadFailed(
                f"only UTF-8 can be streamed, this is {self.layout.encoding}; use read_csv, or convert it",
                file=str(self.path),
            )
        records = self._records()
        text = _without_empty_lines(records)

        def nulls_made(plans: Mapping[str, Plan]) -> dict[str, int]:
            """Count what would become null."""
            doubts = _not_text(plans)
            after = [expression.null_count() for expression in self._expressions(doubts)]
            more = [made - none.sum() for made, none in zip(after, self._absent(doubts), strict=True)]
            return self._collect(text.select(more)).row(0, named=True) if doubts else {}

        return text.select(self._expressions(self._settle(records, types, nulls_made)))

    def _records(self) -> "pl.LazyFrame":
        """Return the file as text columns, under the layout's names."""
        import polars as pl

        encoding = self.layout.encoding
        source: Any = self.path if encoding == "utf-8" else io.BytesIO(decoded(self.path, encoding))
        return pl.scan_csv(
            source,
            separator=self.layout.separator,
            eol_char=self.layout.line_end,
            has_header=False,
            skip_lines=self.layout.header_lines,
            schema=dict.fromkeys(self.layout.names, pl.String),
            raise_if_empty=False,
            glob=False,
        )

    def _collect(self, frame: "pl.LazyFrame") -> "pl.DataFrame":
        import polars as pl

        try:
            return frame.collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError) as error:
            raise explain(self.path, self.layout, error) from error

    def _plans(self, seen: Mapping[str, Sequence[str]], types: Mapping[str, str]) -> dict[str, Plan]:
        """Return a plan for each column by its first values."""
        unknown = [name for name in types if name not in seen]
        if unknown:
            there = ", ".join(map(repr, list(seen)[:20]))
            raise ReadFailed(f"types names the column {unknown[0]!r}; there are {there}", file=str(self.path))
        plans: dict[str, Plan] = {}
        for name, values in seen.items():
            guess = self._guess(values)
            try:
                plans[name] = declared_plan(types[name], guess) if name in types else guess or Plan("integer")
            except RecipeError as error:
                raise ReadFailed(str(error), file=str(self.path), column=name) from error
        return plans

    def _guess(self, values: Sequence[str]) -> Plan | None:
        return guess_plan(values, nulls=self.nulls, comma=self.layout.separator != ",")

    def _settle(
        self,
        records: "pl.LazyFrame",
        types: Mapping[str, str],
        nulls_made: Callable[[Mapping[str, Plan]], dict[str, int]],
    ) -> dict[str, Plan]:
        """Guess plans from the first rows, and widen them until every value of the file fits.

        Args:
            records: The columns as text, empty lines among them.
            types: What was declared.
            nulls_made: Takes plans, and says of those that are not text how many nulls more they give.
        """
        head = self._collect(records.head(_SAMPLE_ROWS))
        columns = {column.name: _Seen(column.drop_nulls().to_list()) for column in head}
        guesses = self._plans({name: seen.values for name, seen in columns.items()}, types)
        text = _without_empty_lines(records)
        settled: dict[str, Plan] = {}
        waiting = dict(guesses)
        while waiting:
            misfits = self._misfits(text, waiting, nulls_made(waiting))
            settled |= {name: plan for name, plan in waiting.items() if not misfits[name]}
            waiting = {
                name: self._next_plan(text, name, plan, misfits[name], columns[name])
                for name, plan in waiting.items()
                if misfits[name]
            }
        self.oddities += [
            f"column {name!r} is text: {plan.why}" for name, plan in settled.items() if plan.why
        ]
        return {name: settled[name] for name in guesses}

    def _misfits(
        self, text: "pl.LazyFrame", plans: Mapping[str, Plan], nulls_made: Mapping[str, int]
    ) -> dict[str, int]:
        """Return how many values of each column are there but do not fit its plan.

        What became null means null or does not fit; telling the two apart is dear, so it is done only here.
        """
        import polars as pl

        doubtful = [name for name, count in nulls_made.items() if count]
        if not doubtful:
            return dict.fromkeys(plans, 0)
        counts = [plans[name].misses(pl.col(name), self.nulls).sum().alias(name) for name in doubtful]
        return dict.fromkeys(plans, 0) | self._collect(text.select(counts)).row(0, named=True)

    def _next_plan(self, text: "pl.LazyFrame", name: str, plan: Plan, misfits: int, seen: "_Seen") -> Plan:
        """Return what to try where a plan does not fit: what fits the values seen so far and the misfits too.

        Where that has been tried, a wider one.
        """
        import polars as pl

        if plan.declared:
            raise self._misfit_error(text, name, plan, misfits)
        seen.tried.append(plan)
        misfits_of = text.select(name).filter(plan.misses(pl.col(name), self.nulls))
        seen.values += self._collect(misfits_of.head(_SAMPLE_ROWS)).to_series().to_list()
        guess = self._guess(seen.values)
        if guess is not None and guess.kind != "text" and guess not in seen.tried:
            return guess
        wider = plan.wider
        if wider.kind == "text":
            first, line = self._first_misfit(text, name, plan)
            self.oddities.append(
                f"column {name!r} is text: {misfits} of its values are no {plan.kind} "
                f"(the first is {first!r}, line {line}); declare its type or more nulls if it should be"
            )
        return wider

    def _misfit_error(self, text: "pl.LazyFrame", name: str, plan: Plan, misfits: int) -> ReadFailed:
        first, line = self._first_misfit(text, name, plan)
        shown = f" in the format {plan.format}" if plan.format else ""
        more = f", nor are {misfits - 1} more values" if misfits > 1 else ""
        return ReadFailed(
            f"{first!r} is no {plan.kind}{shown}{more}; if it means null, add it to nulls",
            file=str(self.path),
            line=line,
            column=name,
            option=Option("nulls"),
        )

    def _first_misfit(self, text: "pl.LazyFrame", name: str, plan: Plan) -> tuple[str, int]:
        """Return the first value that does not fit, and its line."""
        import polars as pl

        misfit = plan.misses(pl.col(name), self.nulls)
        found = text.select(name).with_row_index("row").filter(misfit).head(1)
        row, value = self._collect(found).row(0)
        return value[:_MOST_SHOWN], line_of_row(self.path, self.layout, row)

    def _expressions(self, plans: Mapping[str, Plan]) -> list["pl.Expr"]:
        import polars as pl

        return [plan.expression(pl.col(name), self.nulls).alias(name) for name, plan in plans.items()]

    def _absent(self, plans: Mapping[str, Plan]) -> list["pl.Expr"]:
        import polars as pl

        return [plan.absent(pl.col(name), self.nulls) for name, plan in plans.items()]

    def _note_missing(self, frame: "pl.DataFrame", records: "pl.LazyFrame") -> None:
        """Say how many lines were left out as empty, and where lines were cut short."""
        if frame.width < 2:
            return
        import polars as pl

        empty = self._collect(records.select(pl.len())).item() - frame.height
        if empty:
            self.oddities.append(f"{empty} empty lines were left out")
        if not empty and not frame[:, -1].null_count():
            return
        short = short_lines(self.path, self.layout, most_rows=_CHECKED_ROWS)
        if short:
            self.oddities.append(
                f"{short.records} lines have fewer than {frame.width} fields (the first is line "
                f"{short.first_line}); what they lack is null"
            )


def _not_text(plans: Mapping[str, Plan]) -> dict[str, Plan]:
    return {name: plan for name, plan in plans.items() if plan.kind != "text"}


def _without_empty_lines(records: "pl.LazyFrame") -> "pl.LazyFrame":
    """Leave out records with nothing in them, unless a record is one field.

    Whether there is anything is a column of its own, because Polars takes minutes to push a condition on thousands
    of columns down into a file.
    """
    import polars as pl

    if len(records.collect_schema()) < 2:
        return records
    there = pl.coalesce(pl.all()).is_not_null()
    return records.with_columns(there.alias(_IS_THERE)).filter(_IS_THERE).drop(_IS_THERE)
