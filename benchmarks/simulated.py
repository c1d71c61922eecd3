"""What admission and forming come to in the simulator: spread service times, and models that pad.

Simulated time, so a busy machine changes nothing. Run it with::

    python -m benchmarks.simulated

Writes ``benchmarks/results/simulated.md``.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from pulse_ai.testing import Scenario, SimulationReport, Traffic, simulate

RESULTS = Path(__file__).parent / "results"
_LOADS = (0.8, 1.5, 2.0, 5.0, 10.0)
_PADDING_CAPACITY = 16 / (1.05 * (0.005 + 16 * 0.0005 + 16 * 1018 * 2.5e-6))  # a second, with no padding
_IN_ORDER = mock.patch("pulse_ai.serving.admission._WORTH_CHOOSING_S", float("inf"))


def _late(report: SimulationReport) -> float:
    """Return the share of the admitted that ran out of time."""
    late = report.answers.get("deadline_exceeded", 0)
    return late / max(late + report.answers.get("ok", 0), 1)


def _cell(report: SimulationReport, capacity: float) -> str:
    return f"{report.goodput / capacity:.2f} ({_late(report):.1%})"


def _spread_rows(seconds: float) -> Iterator[list[str]]:
    """One worker of 20 ms + 2 ms an item, batches of up to 16, service times up to so many times the least."""
    for jitter in (0.1, 4.0):
        capacity = 16 / (0.052 * (1 + jitter / 2))
        for timeout_s in (0.25, 0.5, 1.0):
            row = [f"{1 + jitter:g}", f"{timeout_s * 1e3:.0f} ms", f"{capacity:.0f}"]
            for load in _LOADS:
                traffic = Traffic(
                    requests=int(load * capacity * seconds),
                    rate=load * capacity,
                    timeout_s=(timeout_s, timeout_s),
                )
                report = simulate(Scenario(workers=1, jitter=jitter, traffic=traffic))
                row.append(_cell(report, capacity))
            yield row


def _padding_rows(seconds: float) -> Iterator[list[str]]:
    """One worker of 5 ms + 0.5 ms an item + 2.5 us a byte, items of 20 to 2,000 bytes."""
    capacity = _PADDING_CAPACITY
    for pads in (True, False):
        for timeout_s in (0.25, 0.5, 1.0, 2.0):
            for load in (0.8, 2.0):
                traffic = Traffic(
                    requests=int(load * capacity * seconds),
                    rate=load * capacity,
                    timeout_s=(timeout_s, timeout_s),
                    cost_bytes=(20, 2000),
                )
                scenario = Scenario(
                    workers=1, batch_s=0.005, item_s=0.0005, byte_s=2.5e-6, pads=pads, traffic=traffic
                )
                chosen = simulate(scenario)
                with _IN_ORDER:
                    in_order = simulate(scenario)
                gain = f"{chosen.goodput / in_order.goodput:.2f}"
                cells = _cell(in_order, capacity), _cell(chosen, capacity), gain
                yield ["yes" if pads else "no", f"{timeout_s * 1e3:.0f} ms", f"{load:g}", *cells]


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def render(seconds: float) -> str:
    """Return both tables as Markdown, of so many simulated seconds a cell."""
    spread = _table(
        ("longest / shortest", "deadline", "capacity a second", *(f"load {load:g}" for load in _LOADS)),
        _spread_rows(seconds),
    )
    padding = _table(("pads", "deadline", "load", "in order", "like sizes", "gain"), _padding_rows(seconds))
    return (
        "# Simulated: spread service times, and padding\n\n"
        f"`python -m benchmarks.simulated --seconds {seconds:g}`. Goodput as a share of capacity, and in brackets "
        "the share of the admitted that ran out of time.\n\n"
        "## Service times that vary, whatever is in the batch\n\n"
        f"{(_spread_rows.__doc__ or '').strip()}\n\n{spread}\n\n"
        "## Items of like size in a batch\n\n"
        f"{(_padding_rows.__doc__ or '').strip()} Capacity is that without any padding, {_PADDING_CAPACITY:.0f} a "
        f"second.\n\n{padding}\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args(arguments)
    text = render(chosen.seconds)
    (RESULTS / "simulated.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
