"""``pulse train`` on tables as people have them: a good result, or one line that says what is wrong."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.tabular.tables import flowers, shared

from pulse_ai.cli import main
from pulse_ai.cli.train import _reading
from pulse_ai.cli.train_view import TrainView
from pulse_ai.hub import TabularClassifier, TabularRegressor
from pulse_ai.tabular import Evaluated, Genes, tuning

DOCS = Path(__file__).parents[2] / "docs"
QUICK = ("--epochs", "3", "--hidden", "0")
pytestmark = pytest.mark.timeout(120)  # several compilations, on a machine that may be busy


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``pulse train`` in this process; return its exit code, what it printed, and its errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pulse", "train", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run


def table(text: str, rows: int = 40) -> str:
    """Return a CSV: a head line, then a row for each number, with ``{n}`` and ``{c}`` filled in."""
    head, line = text.split("\n", 1)
    return "\n".join([head, *(line.format(n=n, c="ab"[n % 2]) for n in range(rows))]) + "\n"


GOOD = {
    "plain": table("n,y\n{n}.5,{c}"),
    "byte-order mark": "\ufeff" + table("y,n\n{c},{n}.5"),
    "semicolons and decimal commas": table("n;y\n{n},5;{c}"),
    "quotes with newlines and separators": table('n,note,y\n{n}.5,"a ""b"",\nc {c}",{c}'),
    "a column of nulls": table("n,none,y\n{n}.5,,{c}"),
    "a constant column": table("n,one,y\n{n}.5,1,{c}"),
    "holes in the target": table("n,y\n{n}.5,{c}") + "7.5,\n",
    "spaces and Unicode": table("größe, 名 \n{n}.5,{c}").replace("名", "y"),
    "Windows line ends": table("n,y\n{n}.5,{c}").replace("\n", "\r\n"),
    "mixed types": table("n,mix,y\n{n}.5,{c}{n},{c}"),
}

BAD = {
    "no rows": ("n,y\n", "0 rows have a 'y'"),
    "one row": ("n,y\n1,a\n", "1 rows have a 'y'"),
    "nothing": ("", "t.csv"),
    "one class": (table("n,y\n{n}.5,a"), "every row has the same 'y'"),
    "only a target": (table("y\n{c}"), "no column is left"),
    "constants only": (table("n,y\n1,{c}"), "no column is left"),
    "no such column": (table("n,why\n{n}.5,{c}"), "did you mean 'why'"),
    "ragged": (table("n,y\n{n}.5,{c}") + "1,a,b,c,d\n", "line 42"),
    "names as a target": (table("n,y\n{n}.5,name {n}"), "names or free text"),
    "all targets null": (table("n,y\n{n}.5,"), "0 rows have a 'y'"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_a_table_as_people_have_it_trains(text: str, train: Any) -> None:
    Path("t.csv").write_text(text, "utf-8", newline="")
    code, out, err = train("t.csv", "--target", "y", "--out", "model", "--json", *QUICK)
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["labels"] == ["a", "b"]
    assert result["validation"]["rows"] == result["validation_rows"] == 8
    task = TabularClassifier("model")
    task.load()


def test_the_docs_have_every_key_of_the_result_and_no_other(train: Any) -> None:
    Path("t.csv").write_text(GOOD["plain"], "utf-8")
    _, out, _ = train("t.csv", "--target", "y", "--out", "model", "--json", *QUICK)
    _, _, section = (DOCS / "cli.md").read_text("utf-8").partition("## pulse train")
    listed = re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert listed == list(json.loads(out))


def test_a_class_of_which_no_row_is_held_out_is_said(train: Any) -> None:
    Path("t.csv").write_text(table("n,y\n{n}.5,{c}") + "9.5,rare\n", "utf-8")
    arguments = ("t.csv", "--target", "y", "--out", "model", *QUICK)
    _, out, _ = train(*arguments, "--json")
    assert json.loads(out)["unchecked_labels"] == ["rare"]
    _, out, _ = train(*arguments)
    assert "note rare: no row of it is held out" in out


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD.keys())
def test_a_table_that_cannot_train_is_one_clear_line(text: str, says: str, train: Any) -> None:
    Path("t.csv").write_text(text, "utf-8", newline="")
    code, out, err = train("t.csv", "--target", "y", "--out", "model", "--json", *QUICK)
    assert code == 2
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("pulse: ")
    assert says in line
    assert not Path("model").exists()


def test_duplicate_headers_are_told_apart(train: Any) -> None:
    Path("t.csv").write_text(table("n,n,y\n{n}.5,3.{n},{c}"), "utf-8")
    code, out, _ = train("t.csv", "--target", "y", "--out", "model", *QUICK)
    assert code == 0
    assert "the name 'n' stands twice; column 2 is called 'n_2'" in out


def test_how_a_csv_is_to_be_read_can_be_said(train: Any) -> None:
    text = (
        table("day;größe;code;y\n{n:02d}/03/2024;{n};7;{c}", 28)
        .replace("00/03", "28/03")
        .replace(";5;", ";?;")
    )
    Path("t.csv").write_bytes(text.encode("latin-1"))
    code, _, err = train("t.csv", "--target", "y", "--out", "model", *QUICK)
    assert (code, "; say --encoding latin-1, or what it is\n" in err) == (2, True)
    code, out, err = train(
        *("t.csv", "--target", "y", "--out", "model", *QUICK, "--encoding", "latin-1", "--separator", ";"),
        *("--null", "?", "--type", "day=%d/%m/%Y", "--type", "größe=number", "--type", "code=text"),
    )
    assert (code, err) == (0, "")
    plan = {words[0]: words[1:3] for line in out.splitlines() if len(words := line.split()) > 2}
    assert plan["day"][0] == "date"
    assert plan["größe"] == ["number", "1"]
    assert plan["code"][0] == "text"


def test_only_what_was_said_of_a_csv_is_passed_on_and_a_tab_is_written_as_shells_have_it() -> None:
    assert _reading(separator=None, encoding="utf-8", nulls=None, types=None) == {}
    assert _reading(separator="\\t", encoding="latin-1", nulls=[], types=["a=b=text"]) == {
        "separator": "\t",
        "encoding": "latin-1",
        "types": {"a=b": "text"},
    }


def test_a_search_that_is_stopped_says_that_it_can_be_taken_up(
    train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    def judge(*_: Any) -> list[Evaluated]:
        return [Evaluated(Genes("16", 0.0, 0.01), 0.5, 48)]

    Path("t.csv").write_text(table("n,y\n{n}.5,{c}"), "utf-8")
    arguments = ("t.csv", "--target", "y", "--out", "model", "--tune", "2", "--epochs", "1")
    monkeypatch.setattr(tuning, "_evaluate", stop)
    assert train(*arguments)[0::2] == (130, "pulse: stopped; nothing was written\n")
    monkeypatch.setattr(tuning, "_evaluate", judge)
    monkeypatch.setattr(TrainView, "candidates", stop)
    code, _, err = train(*arguments)
    assert code == 130
    assert err.splitlines()[0] == f"pulse: stopped; the same command goes on from {Path('model/tuning.json')}"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.csv"], "missing.csv"),
        (["t.csv", "--hidden", "wide"], "not a list of widths"),
        (["t.csv", "--hidden", "-3"], "at least 1"),
        (["t.csv", "--task", "ranking"], "none of binary, multiclass, regression"),
        (["t.csv", "--validation", "1.5"], "between 0 and 1"),
        (["t.csv", "--drop", "z"], "no column 'z' to leave out"),
        (["t.csv", "--drop", "y"], "'y' is what is predicted"),
        (["t.csv", "--out", "t.csv"], "is a file"),
        (["t.csv", "--lr", "0"], "above 0"),
        (["t.csv", "--type", "n"], "'n' is not COLUMN=KIND"),
        (["t.csv", "--type", "n=text="], "is not COLUMN=KIND"),
        (["t.csv", "--type", "n=colour"], "colour"),
        (["t.csv", "--encoding", "klingon"], "klingon"),
        (["t.csv", "--separator", "::"], "the separator is one ASCII character"),
        (["t.csv", "--type", "y=number"], "if it means null, add it to --null"),
        (["t.parquet", "--separator", ";"], "a .parquet file is read as it says; leave out --separator"),
        (["t.parquet", "--encoding", "latin-1"], "leave out --encoding"),
        (["t.ndjson", "--null", "nulls"], "leave out --null"),
        (["t.feather", "--type", "n=text"], "leave out --type"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_argument_is_said_before_or_instead_of_training(
    arguments: list[str], says: str, train: Any
) -> None:
    Path("t.csv").write_text(table("n,y\n{n}.5,{c}"), "utf-8")
    code, _, err = train("--target", "y", "--out", "model", *QUICK, *arguments)
    assert code == 2
    assert says in err
    assert "Traceback" not in err


def test_a_person_sees_the_plan_the_figures_and_the_next_command(train: Any) -> None:
    flowers(80).write_csv("flowers.csv")
    code, out, err = train(
        "flowers.csv", "--target", "kind", "--out", "blooms", "--epochs", "3", "--hidden", "8"
    )
    assert (code, err) == (0, "")
    for part in (
        "80 rows",
        "multiclass",
        "one value only",
        "16 held out",
        "accuracy",
        "linear",
        "--hidden 0 trains the linear model",
        "pulse serve blooms",
    ):
        assert part in out


@pytest.mark.slow
def test_the_penguins_are_told_apart(train: Any) -> None:
    path = shared("penguins.csv")
    code, out, _ = train(str(path), "--target", "species", "--out", "penguins", "--json")
    assert code == 0
    assert json.loads(out)["validation"]["accuracy"] >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "figure", "least"), [("fare", "r2", 0.9), ("payment", "balanced_accuracy", 0.8)]
)
def test_the_taxis_train_without_a_hand(target: str, figure: str, least: float, train: Any) -> None:
    path = shared("taxis.csv")
    code, out, _ = train(str(path), "--target", target, "--out", target, "--json", "--epochs", "12")
    assert code == 0
    assert json.loads(out)["validation"][figure] >= least
    task = (TabularRegressor if target == "fare" else TabularClassifier)(target)
    task.load()


@pytest.mark.slow
def test_the_breast_cancer_table_of_scikit_learn_trains(train: Any) -> None:
    bunch: Any = pytest.importorskip("sklearn.datasets").load_breast_cancer(as_frame=False)
    names = [*bunch.feature_names, "diagnosis"]
    rows = [[*row, bunch.target_names[kind]] for row, kind in zip(bunch.data, bunch.target, strict=True)]
    lines = [",".join(map(str, line)) for line in (names, *rows)]
    Path("cancer.csv").write_text("\n".join(lines), "utf-8")
    code, out, _ = train("cancer.csv", "--target", "diagnosis", "--out", "cancer", "--json")
    assert code == 0
    assert json.loads(out)["validation"]["accuracy"] >= 0.95
