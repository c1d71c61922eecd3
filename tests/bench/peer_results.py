"""Makes results of the comparison with other servers by hand, as though they had been measured."""

from benchmarks.peers.results import Death, Results, Rung, Sizes, Visit
from tests.bench import proof_reports as made

from pulse_ai.bench.load.report import windows_of
from pulse_ai.bench.machine import this_machine

SIZES = Sizes(seconds=1.0, shares=(0.5, 2.0))


def rung(share: float, *ends: tuple[int, int, float], recovered_s: float | None = 0.1) -> Rung:
    section = made.section(*ends)
    return Rung(
        share=share, rate=section.offered_per_s, section=section, limited=None, recovered_s=recovered_s
    )


def death(*ends: tuple[int, int, float], back_s: float | None = 0.2) -> Death:
    counted = made.ledger(ends, duration_s=4.0)
    return Death(
        rate=100.0,
        kills_at_s=(1.0, 2.0),
        section=made.section(*ends),
        windows=windows_of(counted),
        window_s=counted.window_s,
        back_s=back_s,
    )


def visit(
    peer: str, number: int, *rungs: Rung, died: Death | None = None, failed: str | None = None
) -> Visit:
    return Visit(
        peer=peer,
        round=number,
        version="1.0",
        busy_before=0.05,
        starts_s=(1.0, 2.0, 3.0),
        memory_bytes=100 * 2**20,
        agrees=True,
        capacity_per_s=100.0 * number,
        queue=20,
        rungs=rungs,
        death=died,
        failed=failed,
    )


def results(*visits: Visit) -> Results:
    return Results(
        model="embedded",
        title="a model",
        command="python -m benchmarks.peers.run",
        machine=this_machine(),
        sizes=SIZES,
        visits=visits,
    )
