"""A CSV file on its way to a frame: all text first, then each column by its plan."""

__all__ = ("CsvTable",)

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulse_ai.frame.csv_faults import explain, line_of_row, short_lines
from pulse_ai.frame.csv_kinds import Plan, declared_plan, guess_plan
from pulse_ai.frame.csv_layout import Layout, decoded, sniff_layout
from pulse_ai.frame.errors import ReadFailed, RecipeError

if TYPE_CHECKING:
    import polars as pl

_SAMPLE_ROWS = 500
_CHECKED_ROWS = 50_000
_MOST_SHOWN = 40


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
        """Return all rows.

        Raises:
            ReadFailed: The file is broken, or a value does not fit a declared type.
        """
        import polars as pl

        text = self._without_empty_lines(self._collect(self._text()))
        values: dict[str, pl.Series] = {}

        def misfits(plans: Mapping[str, Plan]) -> dict[str, int]:
            """Turn the columns into values, keep them, and count what did not fit."""
            values.update(self._values(text, plans))
            more = {name: values[name].null_count() - text[name].null_count() for name in plans}
            return self._misses(text.lazy(), plans, more)

        plans = self._settle(text.lazy(), self._plans(text.head(_SAMPLE_ROWS), types), misfits)
        late = {name: plan for name, plan in plans.items() if plan.kind == "text"}
        values.update(self._values(text, late))
        return pl.DataFrame([values[name] for name in plans])

    def scan(self, types: Mapping[str, str]) -> "pl.LazyFrame":
        """Return a lazy frame. Goes through the file once, or more often where values do not fit.

        Raises:
            ReadFailed: See ``read``; also where the file is not UTF-8.
        """
        import polars as pl

        if self.layout.encoding != "utf-8":
            raise ReadFailed(
                f"only UTF-8 can be streamed, this is {self.layout.encoding}; use read_csv, or convert it",
                file=str(self.path),
            )
        text = self._text()
        plans = self._plans(self._collect(text.head(_SAMPLE_ROWS)), types)
        if len(plans) > 1 and self._collect(text.select(_is_empty_line().sum())).item():
            text = text.filter(~_is_empty_line())

        def misfits(plans: Mapping[str, Plan]) -> dict[str, int]:
            """Count, in one pass, what would not fit."""
            after = [expression.null_count() for expression in self._expressions(plans)]
            more = [found - pl.col(name).null_count() for found, name in zip(after, plans, strict=True)]
            return self._misses(text, plans, self._collect(text.select(more)).row(0, named=True))

        return text.select(self._expressions(self._settle(text, plans, misfits)))

    def _text(self) -> "pl.LazyFrame":
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

    def _plans(self, head: "pl.DataFrame", types: Mapping[str, str]) -> dict[str, Plan | None]:
        unknown = [name for name in types if name not in head.columns]
        if unknown:
            there = ", ".join(map(repr, head.columns[:20]))
            raise ReadFailed(f"types names the column {unknown[0]!r}; there are {there}", file=str(self.path))
        comma = self.layout.separator != ","
        plans: dict[str, Plan | None] = {}
        for name in head.columns:
            guess = guess_plan(head[name].drop_nulls().to_list(), nulls=self.nulls, comma=comma)
            try:
                plans[name] = declared_plan(types[name], guess) if name in types else guess
            except RecipeError as error:
                raise ReadFailed(str(error), file=str(self.path), column=name) from error
        return plans

    def _settle(
        self,
        text: "pl.LazyFrame",
        plans: Mapping[str, Plan | None],
        misfits: Callable[[Mapping[str, Plan]], dict[str, int]],
    ) -> dict[str, Plan]:
        """Widen plans until every value of the file fits."""
        settled: dict[str, Plan] = {}
        waiting = {name: plan or Plan("integer") for name, plan in plans.items()}
        while waiting:
            texts = {name: plan for name, plan in waiting.items() if plan.kind == "text"}
            settled |= texts
            waiting = {name: plan for name, plan in waiting.items() if name not in texts}
            counts = misfits(waiting) if waiting else {}
            settled |= {name: plan for name, plan in waiting.items() if not counts[name]}
            waiting = {
                name: self._widened(text, name, plan, counts[name])
                for name, plan in waiting.items()
                if counts[name]
            }
        self.oddities += [
            f"column {name!r} is text: {plan.why}" for name, plan in settled.items() if plan.why
        ]
        return {name: settled[name] for name in plans}

    def _misses(
        self, text: "pl.LazyFrame", plans: Mapping[str, Plan], more: Mapping[str, int]
    ) -> dict[str, int]:
        """Return how many values of each column are there but do not fit its plan.

        Args:
            text: The columns as text.
            plans: Their plans.
            more: How many nulls each got by its plan: what means null, and what does not fit.
        """
        import polars as pl

        doubtful = [name for name in plans if more[name] > 0]
        if not doubtful:
            return dict.fromkeys(plans, 0)
        counts = [plans[name].misses(pl.col(name), self.nulls).sum().alias(name) for name in doubtful]
        return dict.fromkeys(plans, 0) | self._collect(text.select(counts)).row(0, named=True)

    def _widened(self, text: "pl.LazyFrame", name: str, plan: Plan, misfits: int) -> Plan:
        if plan.declared:
            raise self._misfit_error(text, name, plan, misfits)
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
        )

    def _first_misfit(self, text: "pl.LazyFrame", name: str, plan: Plan) -> tuple[str, int]:
        """Return the first value that does not fit, and its line."""
        import polars as pl

        misfit = plan.misses(pl.col(name), self.nulls)
        found = text.select(name).with_row_index("row").filter(misfit).head(1)
        row, value = self._collect(found).row(0)
        return value[:_MOST_SHOWN], line_of_row(self.path, self.layout, row)

    def _values(self, text: "pl.DataFrame", plans: Mapping[str, Plan]) -> "dict[str, pl.Series]":
        """Turn columns of text into values; lazily, because Polars computes shared parts only once then."""
        return text.lazy().select(self._expressions(plans)).collect().to_dict()

    def _expressions(self, plans: Mapping[str, Plan]) -> list["pl.Expr"]:
        import polars as pl

        return [plan.expression(pl.col(name), self.nulls).alias(name) for name, plan in plans.items()]

    def _without_empty_lines(self, text: "pl.DataFrame") -> "pl.DataFrame":
        """Leave out lines with nothing in them, and say where lines were cut short."""
        if text.width < 2 or not text[:, -1].null_count():
            return text
        kept = text.filter(~_is_empty_line())
        if kept.height < text.height:
            self.oddities.append(f"{text.height - kept.height} empty lines were left out")
        short = short_lines(self.path, self.layout, most_rows=_CHECKED_ROWS)
        if short:
            self.oddities.append(
                f"{short.records} lines have fewer than {text.width} fields (the first is line "
                f"{short.first_line}); what they lack is null"
            )
        return kept


def _is_empty_line() -> "pl.Expr":
    import polars as pl

    return pl.all_horizontal(pl.all().is_null())
