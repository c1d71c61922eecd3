"""Compare the servers: one command for all of it.

    python -m benchmarks.peers.run        all of it, about 25 minutes, with nothing else on the machine
    python -m benchmarks.peers.run --only Pulse Mosec --models embedded --seconds 1 --rounds 1    a quick look

Servers take turns, round after round. Each visit is kept as soon as it is done, in
``benchmarks/results/peers-MODEL.json``; what is there already, at the same sizes, is not measured again unless
``--again`` is given, so a run that was stopped goes on where it was. Venvs are made under ``.venvs/``.
"""

import argparse
import shlex
import signal
import sys
from pathlib import Path

import msgspec

from benchmarks.peers.catalogue import TEXT
from benchmarks.peers.measure import visit
from benchmarks.peers.models import Model, make_model
from benchmarks.peers.report import to_markdown, write_report
from benchmarks.peers.results import Results, Sizes, read_results, write_results
from benchmarks.peers.servers import ROOT, Peer, programs_of
from pulse_ai.bench.machine import this_machine

RESULTS = ROOT / "benchmarks" / "results"
MODELS = ("embedded", "distilbert")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that servers are stopped too
    given = _arguments()
    sizes = Sizes(seconds=given.seconds, shares=tuple(given.shares))
    peers = [TEXT[name] for name in given.only]
    for peer in peers:
        programs_of(peer)  # all of them first: an install in between would disturb
    for name in given.models:
        file = given.out / f"peers-{name}.json"
        model = make_model(name)
        results = _begin(file, model, sizes)
        for number in range(1, given.rounds + 1):
            for peer in peers:
                if _wanted(peer, model) and (given.again or not results.has(peer.name, number)):
                    results = _visit(results, peer, model, number, deaths=number == 1 and not given.no_kills)
                    write_results(results, file)
        write_report(results, file)
        print(to_markdown(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--only", nargs="+", choices=list(TEXT), default=list(TEXT), metavar="SERVER")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    parser.add_argument("--shares", type=float, nargs="+", default=list(Sizes().shares), help="of capacity")
    parser.add_argument("--no-kills", action="store_true", help="kill no workers")
    parser.add_argument("--again", action="store_true", help="measure what was measured already anew")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder that results go to")
    return parser.parse_args()


def _begin(file: Path, model: Model, sizes: Sizes) -> Results:
    """Return what was kept, with this run's command, or an empty result where that was of other sizes."""
    command = shlex.join(["python", "-m", "benchmarks.peers.run", *sys.argv[1:]])
    kept = read_results(file)
    if kept and kept.sizes == sizes and kept.machine == this_machine():
        return msgspec.structs.replace(kept, command=command)
    return Results(model=model.name, title=model.title, command=command, machine=this_machine(), sizes=sizes)


def _wanted(peer: Peer, model: Model) -> bool:
    return model.torch or peer.venv != "torch"


def _visit(results: Results, peer: Peer, model: Model, number: int, *, deaths: bool) -> Results:
    def tell(text: str) -> None:
        print(f"{model.name}, round {number}, {peer.name}: {text}", flush=True)

    found = visit(peer, model, results.sizes, number=number, deaths=deaths, tell=tell)
    return results.with_visit(found)


if __name__ == "__main__":
    main()
