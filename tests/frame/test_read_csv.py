"""CSV files as people have them: a good frame with a report of what was odd, or an error that says where."""

__all__ = ()

import contextlib
import datetime as dt
import sqlite3
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulse_ai.frame import (
    Read,
    ReadFailed,
    read_csv,
    read_file,
    read_query,
    scan_csv,
)

_DAY = dt.date(2026, 1, 31)
_NOON = dt.datetime(2026, 1, 31, 12)  # noqa: DTZ001
_NOON_UTC = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Any:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b\n1,2\n", [(1, 2)]),
        ("\ufeffa,b\n1,2\n", [(1, 2)]),
        ("a,b\r\n1,2\r\n", [(1, 2)]),
        ("a,b\r1,2\r", [(1, 2)]),
        ("a;b\n1,5;x\n-2.000,25;y\n", [(1.5, "x"), (-2000.25, "y")]),
        ("a\tb\n1\t2\n", [(1, 2)]),
        ("a|b\n1|2\n", [(1, 2)]),
        ('a,b\n"x\ny, ""z""",1\n', [('x\ny, "z"', 1)]),
        ("a,b\n1,\n,NA\n?,x\n", [(1, None), (None, None), (None, "x")]),
        (" a , b\n 1 , x \n 2 , NA \n", [(1, "x"), (2, None)]),
        ("a\n1\n2.5\n1e3\n", [(1.0,), (2.5,), (1000.0,)]),
        ("a,b\ntrue,False\nTRUE,true\n", [(True, False), (True, True)]),
        ("id\n007\n008\n", [("007",), ("008",)]),
        ("a\n0\n0.5\n-0.25\n", [(0.0,), (0.5,), (-0.25,)]),
        ("a\n2026-01-31\n", [(_DAY,)]),
        ("a\n31.01.2026\n", [(_DAY,)]),
        ("a\n31/01/2026\n02/02/2026\n", [(_DAY,), (dt.date(2026, 2, 2),)]),
        ("a\n01/02/2026\n02/03/2026\n", [("01/02/2026",), ("02/03/2026",)]),
        ("a\n2026-01-31 12:00:00\n", [(_NOON,)]),
        ("a\n2026-01-31T12:00\n", [(_NOON,)]),
        ("a\n2026-01-31T14:00:00+02:00\n2026-01-31T12:00:00Z\n", [(_NOON_UTC,), (_NOON_UTC,)]),
        ("a,b\n1,99999999999999999999\n", [(1, 1e20)]),
        ("a,b\n", []),
        ('"a\nb",c\n1,2\n', [(1, 2)]),
        ("a,b\n1,2\n\n3,4\n\n", [(1, 2), (3, 4)]),
        ("a\n" + "1\n" * 3000 + "x\n", [("1",)] * 3000 + [("x",)]),
        ("a\n" + "1\n" * 3000 + "1.5\n", [(1.0,)] * 3000 + [(1.5,)]),
        ("a,b\n1,2\n".encode("utf-16"), [(1, 2)]),
        ("a;b\n" + "1,5;x\n" * 600 + "1.5;y\n", [("1,5", "x")] * 600 + [("1.5", "y")]),
        ("a\n31.12.26\n", [("31.12.26",)]),
        ("a\n" + "31.12.2026\n" * 600 + "31.12.26\n", [("31.12.2026",)] * 600 + [("31.12.26",)]),
        ("a\n31.12.26 12:00\n", [("31.12.26 12:00",)]),
    ],
)  # fmt: skip
def test_values_are_what_they_look_like(write: Any, content: str | bytes, rows: list[Any]) -> None:
    path = write(content)
    frame, report = read_csv(path)

    assert frame.rows() == rows
    assert (report.rows, [column.name for column in report.columns]) == (len(rows), frame.columns)
    if isinstance(content, str):
        assert scan_csv(path).frame.collect().equals(frame)


@pytest.mark.parametrize("first", ["", "1", "NA"])
@pytest.mark.parametrize(
    ("late", "value"),
    [
        ("2026-01-31", _DAY),
        ("true", True),
        ("1,5", 1.5),
        (" 7 ", 7),
        ("2026-01-31 12:00", _NOON),
        ("2026-01-31T14:00:00.5+02:00", _NOON_UTC.replace(microsecond=500_000)),
        ("x", "x"),
    ],
)
def test_what_comes_late_counts_as_much_as_what_comes_first(
    write: Any, first: str, late: str, value: Any
) -> None:
    early = read_csv(write(f"a;b\n{late};k\n" + f"{first};k\n" * 600)).frame
    path = write("a;b\n" + f"{first};k\n" * 600 + f"{late};k\n")
    frame = read_csv(path).frame
    assert frame.schema == early.schema
    assert sorted(map(str, frame["a"])) == sorted(map(str, early["a"]))
    assert scan_csv(path).frame.collect().equals(frame)
    if first != "1":
        assert frame["a"][-1] == value


def test_fractions_of_a_second_may_come_late(write: Any) -> None:
    content = "a\n" + "2026-01-31 12:00:00\n" * 600 + "2026-01-31 12:00:00.5\n"
    assert read_csv(write(content)).frame["a"][-1] == _NOON.replace(microsecond=500_000)


@pytest.mark.parametrize(
    ("content", "oddity"),
    [
        ("a;b\n1;2\n", "the separator is ';'"),
        ("a,a\n1,2\n", "the name 'a' stands twice; column 2 is called 'a_2'"),
        ("a,\n1,2\n", "column 2 has no name, so it is called 'column_2'"),
        ("a,b\n1,\n2,\n", "column 'b' has nulls only"),
        ("a,b\n1,x\n2,x\n", "column 'b' has the same value in every row"),
        ("a,b\n", "there are names but no rows"),
        ("a,b\n1,2\n", "there is one row only"),
        ("1,2\n3,4\n", "the first line has numbers only; does the file have a line of names?"),
        (
            "a,b\n1,2\n3\n4,5\n",
            "1 lines have fewer than 2 fields (the first is line 3); what they lack is null",
        ),
        ("a,b\n1,2\n\n3,4\n", "1 empty lines were left out"),
        (
            'a,b\n"x\ny",1\nz,2\nw,no\n',
            "column 'b' is text: 1 of its values are no number (the first is 'no', line 5)",
        ),
        (
            "a\n01/02/2026\n02/03/2026\n",
            "column 'a' is text: its dates can be read as day/month and as month/day",
        ),
        ("a\n31.12.26\n30.12.26\n", "column 'a' is text: its years have two digits; declare a format"),
        ('a\n"$1,000.50"\n$7\n', "column 'a' is text: its numbers have signs or commas for thousands"),
        ("a\n50%\n7.5 %\n", "column 'a' is text: its numbers have signs"),
        ('a\n"1,000"\n"23,456"\n', "column 'a' is text: its numbers have signs or commas for thousands"),
    ],
)
def test_what_is_odd_is_said(write: Any, content: str, oddity: str) -> None:
    report = read_csv(write(content)).report
    assert any(said.startswith(oddity) for said in report.oddities)
    assert oddity in str(report)


@pytest.mark.parametrize(
    ("content", "options", "line", "text"),
    [
        ("", {}, 0, "it is empty"),
        (" \n", {}, 0, "it is empty"),
        ("\na,b\n", {}, 1, "the first line is empty"),
        ("a\x00b\n", {}, 1, "zero byte"),
        (b"PAR1....", {}, 0, "use read_parquet"),
        (b"\x1f\x8b\x08", {}, 0, "gzip"),
        (b"a,b\n1,2\n3,d\xe9\n", {}, 3, "byte 0xe9 is not utf-8; say encoding='latin-1'"),
        (b"a\n" + b"x\n" * 100_000 + b"\xff\n", {}, 100_002, "byte 0xff is not utf-8"),
        ("a,b\n1,2\n3,4,5\n", {}, 3, "3 fields, but there are 2 names"),
        ('a,b\n1,"x\n2,y\n', {}, 2, "never closed"),
        ("a,b\n1,2\n", {"encoding": "utf-99"}, 0, "no encoding 'utf-99'"),
        ("a,b\n1,2\n", {"types": {"c": "number"}}, 0, "there are 'a', 'b'"),
        ("a,b\n1,2\n", {"types": {"a": "float"}}, 0, "a declared type is one of number"),
        ("a,b\n1,2\nx,3\n", {"types": {"a": "number"}}, 3, "'x' is no number; if it means null"),
        ("a,b\n1,2\n\n\nx,\n", {"types": {"a": "number"}}, 5, "'x' is no number; if it means null"),
        ("a\n1\n\n\nx\n", {"types": {"a": "number"}}, 5, "'x' is no number; if it means null"),
        ("a\n2026-02-30\n", {"types": {"a": "date"}}, 2, "is no date in the format %Y-%m-%d"),
        ("a\n31.12.26\n", {"types": {"a": "%d.%m.%Y"}}, 2, "is no date in the format %d.%m.%Y"),
    ],
)
def test_what_is_broken_names_the_line(
    write: Any, content: str | bytes, options: dict[str, Any], line: int, text: str
) -> None:
    path = write(content)
    with pytest.raises(ReadFailed, match=r"table\.csv") as caught:
        read_csv(path, **options)
    assert text in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize("separator", ["", ";;", "\\t", '"', "\n", "\r", "\0", "é"])
def test_what_cannot_be_a_separator_is_told(write: Any, separator: str) -> None:
    for read in (read_csv, scan_csv):
        with pytest.raises(ReadFailed, match="the separator is one ASCII character"):
            read(write("a,b\n1,2\n"), separator=separator)


def test_types_and_nulls_can_be_declared(write: Any) -> None:
    path = write("id,when,n,zip\n1,01/02/2026,-999,0012\n2,02/02/2026,5,0013\n")
    types = {"when": "%d/%m/%Y", "id": "text", "zip": "integer"}
    frame, _ = read_csv(path, types=types, nulls=["-999"])
    assert frame.rows() == [("1", dt.date(2026, 2, 1), None, 12), ("2", dt.date(2026, 2, 2), 5, 13)]


@pytest.mark.parametrize(
    ("null", "values"),
    [("1900-01-01", [_DAY, None]), ("false", [True, None]), ("-inf", [1.5, None]), ("-9,5", [1.5, None])],
)
def test_a_word_for_null_may_look_like_a_value_and_hides_no_other(
    write: Any, null: str, values: list[Any]
) -> None:
    content = f"a;b\n{str(values[0]).lower()};1\n{null};2\n".replace(".", ",")
    path = write(content)
    assert read_csv(path, nulls=[null]).frame["a"].to_list() == values
    assert scan_csv(path, nulls=[null]).frame.collect()["a"].to_list() == values

    late = write(content + f"{values[0]};1\n".lower().replace(".", ",") * 600 + "x;3\n")
    assert read_csv(late, nulls=[null]).frame["a"].to_list()[-1] == "x"
    assert scan_csv(late, nulls=[null]).frame.collect()["a"].to_list()[-1] == "x"


def test_a_year_of_two_digits_is_read_by_a_format_that_says_so(write: Any) -> None:
    frame, _ = read_csv(write("a\n31.12.26\n"), types={"a": "%d.%m.%y"})
    assert frame.rows() == [(dt.date(2026, 12, 31),)]


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf8", "U8", "utf-8-sig"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf_8_has_many_names_and_may_have_a_mark(write: Any, mark: str, encoding: str) -> None:
    path = write(f"{mark}town,n\nZürich,1\n")
    frame, report = read_csv(path, encoding=encoding)
    assert (frame.columns, frame.rows()) == (["town", "n"], [("Zürich", 1)])
    assert not any("decoded" in oddity for oddity in report.oddities)
    assert scan_csv(path, encoding=encoding).frame.collect().equals(frame)


@pytest.mark.parametrize("encoding", ["utf-16-le", "UTF_16BE", "utf-32"])
def test_an_encoding_whose_ascii_has_zero_bytes_may_be_said(write: Any, encoding: str) -> None:
    frame, _ = read_csv(write("town,n\nZürich,1\n".encode(encoding)), encoding=encoding)
    assert frame.rows() == [("Zürich", 1)]


def test_another_encoding_is_decoded_but_not_streamed(write: Any) -> None:
    path = write("town;n\nZürich;1\n".encode("latin-1"))
    assert read_csv(path, encoding="latin-1").frame.rows() == [("Zürich", 1)]
    with pytest.raises(ReadFailed, match="only UTF-8 can be streamed"):
        scan_csv(path, encoding="latin-1")


def test_a_line_of_names_may_be_longer_than_what_is_looked_at_first(write: Any) -> None:
    names = [f"column_with_a_long_name_{number:05}" for number in range(3_000)]
    frame, _ = read_csv(write(";".join(names) + "\n" + ";".join("7" * 3_000) + "\n"))
    assert frame.columns == names
    assert frame.row(0) == (7,) * 3_000


@pytest.mark.parametrize("option", ["separator", "encoding", "nulls", "types"])
@pytest.mark.parametrize("suffix", [".parquet", ".ndjson", ".jsonl", ".arrow", ".feather", ".ipc"])
def test_an_option_that_only_a_csv_has_is_refused_elsewhere(tmp_path: Path, suffix: str, option: str) -> None:
    with pytest.raises(ReadFailed, match=rf"a {suffix} file is read as it says; leave out {option}"):
        read_file(tmp_path / f"table{suffix}", **{option: "x"})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadFailed, match="No such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(ReadFailed, match=r"none\.parquet"):
        read_file(tmp_path / "none.parquet")


_FRAME = pl.DataFrame({"town": ["Bern", None], "area": [51.5, None], "rooms": [2, 3]})


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".ndjson", ".arrow"])
def test_a_table_is_the_same_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    writers: dict[str, Any] = {
        ".csv": _FRAME.write_csv,
        ".parquet": _FRAME.write_parquet,
        ".ndjson": _FRAME.write_ndjson,
        ".arrow": _FRAME.write_ipc,
    }
    writers[suffix](path)

    frame, report = read_file(path)

    assert frame.equals(_FRAME)
    assert [(column.kind, column.nulls) for column in report.columns] == [
        ("text", 1), ("number", 1), ("integer", 0),
    ]  # fmt: skip


def test_a_query_is_read() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table house (town text, area real)")
        connection.execute("insert into house values ('Bern', 51.5)")
        read: Read = read_query("select * from house", connection)
        assert read.frame.rows() == [("Bern", 51.5)]
        with pytest.raises(ReadFailed, match="no such table"):
            read_query("select * from flat", connection)
    connection.close()


_CELLS = st.one_of(
    st.integers(-9, 9).map(str),
    st.sampled_from(["", "NA", "1.5", "x", " y ", "007", "2026-01-31", "true", '"', "é\n"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(_CELLS, _CELLS), max_size=6))
def test_streaming_and_reading_agree_on_any_table(write: Any, cells: list[tuple[str, str]]) -> None:
    quoted = [",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in cells]
    path = write("\n".join(["a,b", *quoted]) + "\n")
    assert scan_csv(path).frame.collect().equals(read_csv(path).frame)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=40), st.text('ab1,;"\n\r\t ', max_size=40).map(str.encode)))
def test_whatever_the_bytes_it_is_a_frame_or_our_error(write: Any, content: bytes) -> None:
    path = write(content)
    with contextlib.suppress(ReadFailed):
        frame, report = read_csv(path)
        assert report.rows == frame.height


def test_spaces_round_a_text_go_wherever_they_first_stand(tmp_path: Path) -> None:
    file = tmp_path / "late.csv"
    file.write_text(
        "n,town\n" + "".join(f"{row},Bern\n" for row in range(700)) + '700, Bern\n701,Thun \n701," "\n'
    )
    assert read_csv(file).frame["town"].value_counts(sort=True).rows() == [
        ("Bern", 701),
        ("Thun", 1),
        (None, 1),
    ]
