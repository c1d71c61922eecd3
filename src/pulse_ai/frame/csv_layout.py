"""How a CSV file is laid out: encoding, separator, line ends and names, seen from how it begins."""

__all__ = ("Layout", "bad_text", "decoded", "sniff_layout")

import codecs
import csv
import io
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pulse_ai.frame.errors import Option, ReadFailed

_HEAD_BYTES = 64 * 1024
_MOST_HEAD_BYTES = 16 * 1024 * 1024  # a line of names longer than this is none
_SEPARATORS = (",", ";", "\t", "|")
_NO_SEPARATORS = '"\r\n\0'
_SAMPLE_RECORDS = 50
_WIDE_MARKS = {  # the longer ones first: that of UTF-32 begins as that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE = ("utf-16", "utf-32")  # their ASCII has zero bytes
_OTHER_FILES = {
    b"PAR1": "a Parquet file; use read_parquet",
    b"ARROW1": "an Arrow IPC file; use read_ipc",
    b"\x1f\x8b": "compressed with gzip; decompress it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet; save the sheet as CSV first",
}


class Layout(NamedTuple):
    """What is known of a file before its values are read.

    Attributes:
        encoding: ``utf-8``, or the Python name of another one; the file is decoded as a whole then.
        separator: What stands between fields.
        line_end: The last byte of a line's end.
        names: The columns' names, each once and none empty.
        header_lines: How many lines the names take.
        oddities: What was unusual, a sentence each.
    """

    encoding: str
    separator: str
    line_end: str
    names: tuple[str, ...]
    header_lines: int
    oddities: tuple[str, ...]


def sniff_layout(path: Path, *, separator: str | None, encoding: str) -> Layout:
    """Look at a file's beginning.

    Raises:
        ReadFailed: It cannot be opened, is empty, or is no text; or the separator or the encoding cannot be one.
    """
    if separator is not None and (
        len(separator) != 1 or not separator.isascii() or separator in _NO_SEPARATORS
    ):
        raise ReadFailed(
            f"the separator is one ASCII character, no quote and no end of a line; got {separator!r}",
            file=str(path),
        )
    try:
        head, whole = _head_of(path)
    except OSError as error:
        raise ReadFailed(f"it cannot be read: {error.strerror}", file=str(path)) from error
    encoding = next((name for mark, name in _WIDE_MARKS.items() if head.startswith(mark)), encoding)
    encoding = _plain_name(encoding, path)
    _check_is_text(head, path, encoding)
    text = _head_text(head, encoding, path)
    if not text.strip():
        raise ReadFailed("it is empty; the first line must name the columns", file=str(path))
    oddities = [f"decoded from {encoding}"] if encoding != "utf-8" else []
    line_end = "\n" if "\n" in text or "\r" not in text else "\r"
    found = _separator_of(text, whole=whole) if separator is None else separator
    if separator is None and found != ",":
        oddities.append(f"the separator is {found!r}")
    reader = csv.reader(io.StringIO(text, newline=line_end), delimiter=found)
    try:
        header = next(reader)
    except csv.Error as error:
        raise ReadFailed(f"the names cannot be read: {error}", file=str(path), line=1) from error
    if not any(name.strip() for name in header):
        raise ReadFailed("the first line is empty; it must name the columns", file=str(path), line=1)
    names, odd_names = _named(header)
    return Layout(encoding, found, line_end, names, reader.line_num, (*oddities, *odd_names))


def _head_of(path: Path) -> tuple[bytes, bool]:
    """Return a file's first 64 KiB, or more where its first line is longer, and whether that is the whole file."""
    with path.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
        while not (b"\n" in head or b"\r" in head) and len(head) < _MOST_HEAD_BYTES:
            more = opened.read(len(head) or 1)
            if not more:
                return head, True
            head += more
        return head, not opened.read(1)


def _plain_name(encoding: str, path: Path) -> str:
    """Return ``utf-8`` for all the names that it has, with a mark or without; others as they are."""
    try:
        known = codecs.lookup(encoding).name
    except LookupError as error:
        raise ReadFailed(f"there is no encoding {encoding!r}", file=str(path)) from error
    return "utf-8" if known in ("utf-8", "utf-8-sig") else encoding


def _check_is_text(head: bytes, path: Path, encoding: str) -> None:
    for mark, what in _OTHER_FILES.items():
        if head.startswith(mark):
            raise ReadFailed(f"it is {what}", file=str(path))
    if b"\0" in head and not codecs.lookup(encoding).name.startswith(_WIDE):
        line = head[: head.index(b"\0")].count(b"\n") + 1
        raise ReadFailed("it has a zero byte, so it is no text", file=str(path), line=line)


def _head_text(head: bytes, encoding: str, path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)
    try:
        return decoder().decode(head)
    except UnicodeDecodeError as error:
        raise bad_text(path, head, error.start, encoding) from error


def bad_text(path: Path, content: bytes, place: int, encoding: str) -> ReadFailed:
    """Return the error for a byte that the encoding does not have."""
    line = content[:place].count(b"\n") + 1
    option = Option("encoding", "latin-1")
    advice = f"say {option}, or what it is" if encoding == "utf-8" else "it is in another encoding"
    what = f"byte {content[place]:#04x} is not {encoding}; {advice}"
    return ReadFailed(what, file=str(path), line=line, option=option if encoding == "utf-8" else None)


def decoded(path: Path, encoding: str) -> bytes:
    """Return a whole file as UTF-8.

    Raises:
        ReadFailed: It is not in that encoding.
    """
    content = path.read_bytes()
    try:
        return content.decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise bad_text(path, content, error.start, encoding) from error


def _separator_of(text: str, *, whole: bool) -> str:
    """Return the separator that cuts the first records most evenly into at least two fields; else a comma."""

    def evenness(separator: str) -> float:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
            records = list(itertools.islice(reader, _SAMPLE_RECORDS))
        except csv.Error:
            return 0.0
        records = records if whole or len(records) < 2 else records[:-1]
        widths = Counter(len(record) for record in records if record)
        width = len(records[0]) if records else 0
        return widths[width] / max(sum(widths.values()), 1) if width > 1 else 0.0

    best = max(_SEPARATORS, key=lambda one: (round(evenness(one), 1), -_SEPARATORS.index(one)))
    return best if evenness(best) else ","


def _named(header: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return a name for each column, and what was odd about the names."""
    names: dict[str, None] = {}
    oddities: list[str] = []
    for number, given in enumerate(header, 1):
        stripped = given.strip()
        name = stripped or f"column_{number}"
        if not stripped:
            oddities.append(f"column {number} has no name, so it is called {name!r}")
        elif stripped != given:
            oddities.append(f"the name {given!r} has spaces round it; they were left out")
        base, copy = name, 1
        while name in names:
            copy += 1
            name = f"{base}_{copy}"
        if copy > 1:
            oddities.append(f"the name {base!r} stands twice; column {number} is called {name!r}")
        names[name] = None
    if header and all(_is_number(given) for given in header):
        oddities.append("the first line has numbers only; does the file have a line of names?")
    return tuple(names), oddities


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
