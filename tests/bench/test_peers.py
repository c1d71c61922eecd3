"""The comparison with other servers: what it keeps, what it shows, and one visit to a server of ours."""

import os
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest
from benchmarks.peers import measure
from benchmarks.peers.catalogue import TEXT
from benchmarks.peers.models import Model, make_model
from benchmarks.peers.report import charts_of, to_markdown, write_report
from benchmarks.peers.results import Sizes, levels_of, read_results, write_results
from benchmarks.peers.servers import PEERS, Launch, Peer
from benchmarks.peers.workload import Classifier
from benchmarks.sentences import ENGLISH, LENGTHS, make_sentences
from tests.bench import peer_results as made

from pulse_ai.hub import Predictions, Text, TextClassification

GOOD = made.visit(
    "Pulse",
    1,
    made.rung(0.5, (200, 50, 0.02)),
    made.rung(2.0, (200, 90, 0.2), (429, 110, 0.001)),
    died=made.death((200, 400, 0.03)),
)
BAD = made.visit(
    "Mosec",
    1,
    made.rung(0.5, (200, 50, 0.03)),
    made.rung(2.0, (200, 10, 0.9), (408, 190, 0.3), recovered_s=None),
    died=made.death((200, 390, 0.03), (-1, 10, 5.0), back_s=None),
)


def test_rounds_are_put_together_by_share_of_capacity():
    other = made.visit("Pulse", 2, made.rung(0.5, (200, 100, 0.04)), made.rung(2.0, (200, 110, 0.1)))
    half, twice = levels_of([GOOD, other])
    assert (half.share, half.rate, half.good_per_s, half.offered) == (0.5, 75.0, 75.0, 150)
    assert half.p99_s == pytest.approx(0.03, rel=0.01)
    assert (twice.good_per_s, twice.refused, twice.unanswered) == (100.0, 110, 0)


def test_a_server_that_did_not_recover_once_has_no_time_of_recovery():
    assert levels_of([BAD])[-1].recovered_s is None
    assert levels_of([GOOD])[-1].recovered_s == 0.1


def test_a_visit_takes_the_place_of_the_same_one_and_no_other():
    results = made.results(GOOD, BAD).with_visit(made.visit("Pulse", 1)).with_visit(made.visit("Pulse", 2))
    assert [(one.peer, one.round, len(one.rungs)) for one in results.visits] == [
        ("Pulse", 1, 0),
        ("Mosec", 1, 2),
        ("Pulse", 2, 0),
    ]
    assert results.has("Pulse", 2)
    assert not results.has("Mosec", 2)
    assert not results.with_visit(made.visit("Mosec", 2, failed="it ended")).has("Mosec", 2)


def test_what_is_kept_is_read_again_and_what_is_damaged_counts_as_nothing(tmp_path: Path):
    file = tmp_path / "peers-embedded.json"
    assert read_results(file) is None
    write_results(made.results(GOOD, BAD), file)
    assert read_results(file) == made.results(GOOD, BAD)
    file.write_bytes(file.read_bytes()[:-100])
    assert read_results(file) is None


def test_the_tables_hold_every_server_and_say_what_failed():
    text = to_markdown(made.results(GOOD, BAD, made.visit("Ray Serve", 1, failed="it did not answer")))
    assert "| Pulse 1.0 | " in text
    assert "90 of 200, 200 ms" in text
    assert "| Mosec | 100 | 97.50% of 400 | 0 | 0 | 0 | 10 |" in text
    assert "| never |" in text
    assert "Ray Serve, round 1: it did not answer" in text
    assert "429 above `--capacity`" in text
    widths = [
        {line.count(" | ") for line in part.splitlines()} for part in text.split("\n\n") if part[0] == "|"
    ]
    assert all(len(width - {0}) == 1 for width in widths)


def test_a_machine_that_was_not_quiet_is_told():
    assert "at most 5%." in to_markdown(made.results(GOOD))
    noisy = msgspec.structs.replace(BAD, busy_before=0.6)
    assert "**Before the visits others used 32% of the processors, at most 60%. " in to_markdown(
        made.results(GOOD, noisy)
    )


def test_each_chart_has_a_line_for_each_server(tmp_path: Path):
    results = made.results(GOOD, BAD)
    charts = charts_of(results)
    assert [charts[name].count("<polyline") for name in ("goodput", "p99", "kills")] == [2, 2, 2]
    assert charts["kills"].count("SIGKILL</text>") == 2
    write_report(results, tmp_path / "peers-embedded.json")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "peers-embedded-goodput.svg",
        "peers-embedded-kills.svg",
        "peers-embedded-p99.svg",
        "peers-embedded-saturated.svg",
        "peers-embedded.md",
    ]


def test_every_peer_has_pinned_what_it_runs_and_names_the_docs_that_advise_its_tuning():
    constraints = Path("constraints.txt").read_text("utf-8").splitlines()
    engine = {line for line in constraints if line.startswith(("onnxruntime==", "tokenizers==", "numpy=="))}
    assert len(engine) == 3
    for peer in TEXT.values():
        assert peer.promises is not None
        if peer.venv is None:
            continue
        pins = (PEERS / f"requirements-{peer.venv}.txt").read_text("utf-8").splitlines()
        assert all("==" in pin for pin in pins)
        assert engine <= set(pins), peer.name
        said = (PEERS / f"{peer.venv}_text.py").read_text("utf-8").split('"""')[1]
        assert "docs" in said


def test_sentences_are_as_long_as_those_of_sst2():
    lengths = sorted(len(sentence.split()) for sentence in make_sentences(2000))
    assert [lengths[round(share * 1999)] for share in (0.25, 0.5, 0.75)] == [
        LENGTHS[place] for place in (5, 10, 15)
    ]
    assert sum(lengths) / len(lengths) == pytest.approx(21.6, abs=0.3)
    assert make_sentences(50) == make_sentences(50) != make_sentences(50, seed=1)


def test_the_code_that_peers_run_answers_as_the_hub_does(tmp_path: Path):
    model = make_model("embedded")
    settings = model.settings(pids=tmp_path, wait_ms=1.0, queue=0, limit_s=1.0)
    task = TextClassification("embedded", threads=1)
    task.load()
    texts = list(model.sentences[:6])
    answers = [
        answer for answer in task.predict([Text(text) for text in texts]) if isinstance(answer, Predictions)
    ]
    found = Classifier(settings).predict(texts)
    assert [one["label"] for one in found] == [answer.predictions[0].label for answer in answers]
    assert [one["score"] for one in found] == pytest.approx(
        [answer.predictions[0].score for answer in answers], abs=0.05
    )
    assert [file.name for file in tmp_path.iterdir()] == [str(os.getpid())]


_SERVER = """
    import http.server, os, pathlib, sys
    from benchmarks.peers.workload import Settings, announce

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            body = b'{"label": "NO", "score": 0.75}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *arguments):
            pass

    announce(Settings.given())
    http.server.ThreadingHTTPServer.request_queue_size = 128
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


@pytest.mark.process
@pytest.mark.slow
def test_a_visit_measures_and_kills_a_server_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measure, "_BACK_S", 0.3)
    monkeypatch.setattr(measure, "_BOTH_S", 0.1)
    script = tmp_path / "server.py"
    script.write_text(textwrap.dedent(_SERVER))

    def start(launch: Launch) -> list[str]:
        return [sys.executable, str(script), str(launch.port)]

    peer = Peer("a test", None, "pulse-ai", "/predict", start, "none")
    model = Model(
        name="m",
        title="a model",
        graph=tmp_path / "none.onnx",
        folder=tmp_path,
        torch=False,
        labels=("NO", "YES"),
        max_tokens=9,
        sentences=tuple(make_sentences(10, ENGLISH)),
        expected=(0.75, 0.75),
    )
    sizes = Sizes(seconds=1.0, shares=(0.5, 1.0), most_rate=60.0, kill_share=0.1)
    told: list[str] = []
    found = measure.visit(peer, model, sizes, number=1, deaths=True, tell=told.append)
    assert (found.failed, found.agrees) == (None, True)
    assert found.capacity_per_s > 60.0
    assert [rung.rate for rung in found.rungs] == [60.0]  # both shares are above what is offered at most
    assert found.rungs[0].section.unanswered == 0
    assert found.memory_bytes > 2**20
    assert len(found.starts_s) == 3
    assert found.death is not None
    assert 0 < found.death.section.good < found.death.section.offered
    assert found.death.back_s is None


def test_a_server_that_cannot_start_is_a_result(tmp_path: Path):
    def start(launch: Launch) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no model')"]

    peer = Peer("a test that ends", None, "pulse-ai", "/predict", start, "none")
    model = make_model("embedded")
    found = measure.visit(peer, model, Sizes(seconds=0.1), number=1, deaths=False, tell=lambda text: None)
    assert found.failed == "a test that ends ended with 1 before it answered:"
