"""Files to frames, with a report of what was inferred and what was odd."""

__all__ = (
    "NULLS", "ColumnReport", "Read", "ReadReport", "Scan", "read_csv", "read_file", "read_ipc", "read_ndjson",
    "read_parquet", "read_query", "scan_csv",
)  # fmt: skip

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pulse_ai.frame.columns import kind_of
from pulse_ai.frame.csv_table import CsvTable
from pulse_ai.frame.errors import FrameError, Option, ReadFailed

if TYPE_CHECKING:
    import polars as pl

NULLS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "NaT", "?", "-")
"""What counts as null in a CSV file unless something else is said."""


class ColumnReport(msgspec.Struct, frozen=True):
    """One column as it was read.

    Attributes:
        name: Its name in the frame.
        kind: What its values are; the Polars dtype where that has no kind.
        nulls: How many rows have no value; -1 where the file was not read as a whole.
    """

    name: str
    kind: str
    nulls: int


class ReadReport(msgspec.Struct, frozen=True):
    """What was inferred and what was odd. As text it is a few lines for a person.

    Attributes:
        file: The file's name, as the person wrote it.
        rows: How many rows there are; -1 where the file was not read as a whole.
        columns: The columns in order.
        separator: What stands between fields; empty for other formats than CSV.
        oddities: What a person should know, a sentence each.
    """

    file: str
    rows: int
    columns: tuple[ColumnReport, ...]
    separator: str = ""
    oddities: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the report in lines."""
        kinds = ", ".join(f"{column.name} {column.kind}" for column in self.columns)
        rows = f"{self.rows} rows" if self.rows >= 0 else "rows not counted"
        lines = [f"{self.file}: {rows}; {kinds}"]
        return "\n".join([*lines, *(f"  {oddity}" for oddity in self.oddities)])


class Read(NamedTuple):
    """A frame and the report of how it was read."""

    frame: "pl.DataFrame"
    report: ReadReport


class Scan(NamedTuple):
    """A lazy frame, which reads the file again whenever it is collected, and the report."""

    frame: "pl.LazyFrame"
    report: ReadReport


def read_csv(
    path: str | Path,
    *,
    types: Mapping[str, str] | None = None,
    nulls: Sequence[str] = NULLS,
    separator: str | None = None,
    encoding: str = "utf-8",
) -> Read:
    r"""Read a CSV file.

    A column is the narrowest of integer, number, boolean, date, datetime and text that all its values fit; the
    whole file decides, not its beginning. Separator, byte-order mark, decimal commas and spaces round values are
    found out.

    Args:
        path: The file; its first line names the columns.
        types: By column, one of ``KINDS`` or the format of a date such as ``%d/%m/%Y``; a value that does not
            fit is an error then.
        nulls: Texts that mean null.
        separator: What stands between fields; None finds out.
        encoding: A Python encoding. Anything but UTF-8 is decoded in memory as a whole.

    Raises:
        ReadFailed: The file cannot be read as a table; names the file, the line and the column.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.csv")
        ...     _ = path.write_text("town;area\nBern;51,5\nThun;NA\n")
        ...     frame, report = read_csv(path)
        >>> frame.rows(), report.oddities
        ([('Bern', 51.5), ('Thun', None)], ("the separator is ';'",))
    """
    table = CsvTable.open(Path(path), nulls=nulls, separator=separator, encoding=encoding)
    frame = table.read(types or {})
    return Read(frame, _report(str(path), frame, table.layout.separator, table.oddities))


def scan_csv(
    path: str | Path,
    *,
    types: Mapping[str, str] | None = None,
    nulls: Sequence[str] = NULLS,
    separator: str | None = None,
    encoding: str = "utf-8",
) -> Scan:
    """Look through a CSV file without holding it, and return a lazy frame of the same values as ``read_csv``.

    For files larger than memory: fit a recipe on the lazy frame and take ``transform_batches``.

    Args:
        path: See ``read_csv``.
        types: See ``read_csv``.
        nulls: See ``read_csv``.
        separator: See ``read_csv``.
        encoding: See ``read_csv``; only UTF-8 can be streamed.

    Raises:
        ReadFailed: See ``read_csv``.
    """
    table = CsvTable.open(Path(path), nulls=nulls, separator=separator, encoding=encoding)
    frame = table.scan(types or {})
    columns = tuple(
        ColumnReport(name, kind_of(dtype) or str(dtype), -1) for name, dtype in frame.collect_schema().items()
    )
    return Scan(frame, ReadReport(str(path), -1, columns, table.layout.separator, tuple(table.oddities)))


def read_parquet(path: str | Path) -> Read:
    """Read a Parquet file.

    Raises:
        ReadFailed: It cannot be read.
    """
    import polars as pl

    return _read(path, lambda: pl.read_parquet(path, glob=False))


def read_ndjson(path: str | Path) -> Read:
    """Read a file with a JSON object on each line.

    Raises:
        ReadFailed: It cannot be read.
    """
    import polars as pl

    return _read(path, lambda: pl.read_ndjson(path, infer_schema_length=None))


def read_ipc(path: str | Path) -> Read:
    """Read an Arrow IPC file (Feather 2).

    Raises:
        ReadFailed: It cannot be read.
    """
    import polars as pl

    return _read(path, lambda: pl.read_ipc(path))


def read_query(query: str, connection: Any) -> Read:
    """Read the result of a database query, through Polars' own reader.

    Args:
        query: The SQL.
        connection: An open DB-API connection, or another that ``polars.read_database`` takes.

    Raises:
        ReadFailed: The database turned the query down.
    """
    import polars as pl

    return _read(query, lambda: pl.read_database(query, connection, infer_schema_length=None))


def read_file(path: str | Path, **options: Any) -> Read:
    """Read a file by its suffix: ``.parquet``, ``.ndjson`` or ``.jsonl``, ``.arrow`` or ``.feather``; else CSV.

    Args:
        path: The file.
        **options: Options of ``read_csv``.

    Raises:
        ReadFailed: It cannot be read, or an option is given and it is no CSV: other formats say themselves how
            they are to be read.
    """
    readers: dict[str, Callable[[str | Path], Read]] = {
        ".parquet": read_parquet,
        ".ndjson": read_ndjson,
        ".jsonl": read_ndjson,
        ".arrow": read_ipc,
        ".feather": read_ipc,
        ".ipc": read_ipc,
    }
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        return read_csv(path, **options)
    if options:
        option = Option(next(iter(options)))
        raise ReadFailed(
            f"a {suffix} file is read as it says; leave out {option}", file=str(path), option=option
        )
    return readers[suffix](path)


def _read(source: str | Path, read: Callable[[], "pl.DataFrame"]) -> Read:
    try:
        frame = read()
    except FrameError:
        raise
    except Exception as error:  # Polars' errors, the system's and a driver's share no class
        why = str(error).split("\n", 1)[0] or type(error).__name__
        raise ReadFailed(f"it cannot be read: {why}", file=str(source)) from error
    return Read(frame, _report(str(source), frame, "", []))


def _report(file: str, frame: "pl.DataFrame", separator: str, oddities: Sequence[str]) -> ReadReport:
    columns = tuple(
        ColumnReport(series.name, kind_of(series.dtype) or str(series.dtype), series.null_count())
        for series in frame
    )
    found = [*oddities, *_empty_and_constant(frame)]
    return ReadReport(file, frame.height, columns, separator, tuple(found))


def _empty_and_constant(frame: "pl.DataFrame") -> list[str]:
    if not frame.height:
        return ["there are names but no rows"]
    if frame.height == 1:
        return ["there is one row only"]
    found: list[str] = []
    for series in frame:
        if series.null_count() == frame.height:
            found.append(f"column {series.name!r} has nulls only")
        elif not series.dtype.is_nested() and not series.null_count() and (series == series[0]).all():
            found.append(f"column {series.name!r} has the same value in every row")
    return found
