"""Where a CSV file is broken: slow and exact, and only run once something is known to be wrong."""

__all__ = ("explain", "line_of_row", "short_lines")

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pulse_ai.frame.csv_layout import Layout, bad_text
from pulse_ai.frame.errors import ReadFailed

_BLOCK_BYTES = 1024 * 1024


class ShortLines(NamedTuple):
    """Records with fewer fields than names: how many, and the first one's line."""

    records: int
    first_line: int


def explain(path: Path, layout: Layout, error: Exception) -> ReadFailed:
    """Return what is wrong with a file that could not be read, with the line."""
    if layout.encoding == "utf-8":
        bad_byte = _first_bad_byte(path)
        if bad_byte is not None:
            return bad_byte
    width = len(layout.names)
    began = 1
    try:
        for record, line in _records(path, layout, strict=True):
            if len(record) > width:
                return ReadFailed(
                    f"{len(record)} fields, but there are {width} names; is a field with {layout.separator!r} "
                    "in it not in quotes?",
                    file=str(path),
                    line=began,
                )
            began = line + 1
    except csv.Error as fault:
        if "unexpected end of data" in str(fault):
            what = 'a quote (") is opened here and never closed'
            return ReadFailed(what, file=str(path), line=began)
        return ReadFailed(str(fault), file=str(path), line=began)
    return ReadFailed(str(error).split("\n", 1)[0], file=str(path))


def _first_bad_byte(path: Path) -> ReadFailed | None:
    """Look through a file, a block at a time, for bytes that are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                found = bad_text(path, error.object, error.start, "utf-8")
                return found.at_line(line + error.object[: error.start].count(b"\n"))
            line += block.count(b"\n")
    return None


def line_of_row(path: Path, layout: Layout, row: int) -> int:
    """Return the line in the file where a row begins; rows count from 0, names and empty lines do not."""
    began, number = 1, -1
    for record, line in _records(path, layout):
        if len(layout.names) == 1 or any(record):
            if number == row:
                return began
            number += 1
        began = line + 1
    return began


def short_lines(path: Path, layout: Layout, *, most_rows: int) -> ShortLines | None:
    """Look through the first rows for records with too few fields; None where there is none."""
    count = first = 0
    began = 1
    for number, (record, line) in enumerate(_records(path, layout)):
        if record and len(record) < len(layout.names):
            count += 1
            first = first or began
        if number == most_rows:
            break
        began = line + 1
    return ShortLines(count, first) if count else None


def _records(path: Path, layout: Layout, *, strict: bool = False) -> Iterator[tuple[list[str], int]]:
    """Give each record and the line on which it ends."""
    name = "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
    with path.open("rb") as opened:
        text = io.TextIOWrapper(opened, encoding=name, errors="replace", newline="")
        reader = csv.reader(text, delimiter=layout.separator, strict=strict)
        for record in reader:
            yield record, reader.line_num
