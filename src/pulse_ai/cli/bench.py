"""``pulse bench``: its commands, and ``pulse bench load`` itself."""

__all__ = ("app",)

from pathlib import Path

import msgspec
import typer
from rich.console import Console

from pulse_ai.bench import load
from pulse_ai.cli import bench_options as option
from pulse_ai.cli.bench_errors import usage_errors
from pulse_ai.cli.bench_matmul import matmul
from pulse_ai.cli.bench_proof import proof
from pulse_ai.cli.bench_simulate import simulate_command
from pulse_ai.cli.bench_suite import compare, run
from pulse_ai.cli.bench_view import LoadView, draw_load
from pulse_ai.cli.flowing import FlowingCommand
from pulse_ai.cli.report_options import HtmlFile, JsonFile

_LOAD_HELP = """Send requests at a set rate and report what came back.

Arrivals are planned ahead, and latency counts from the planned instant, so a stall of the service shows in
full. Ctrl-C stops early and still reports; again, and it does not wait for answers.

Exit code: 0 when every objective holds and no request went unanswered, 1 when not or when requests failed and
none had a 2xx answer, 2 when the command cannot be carried out.
"""

app = typer.Typer(help="Measure services and functions.", no_args_is_help=True, add_completion=False)


for _command in (run, compare, matmul, proof):
    app.command(cls=FlowingCommand)(_command)
app.command("simulate", cls=FlowingCommand)(simulate_command)


@app.callback()
def bench() -> None:
    """Measure services and functions."""


@app.command("load", cls=FlowingCommand, help=_LOAD_HELP)
def load_command(  # noqa: PLR0913 - each is an option of the command line
    url: option.Url,
    *,
    rate: option.Rate = "100",
    duration: option.Duration = 30.0,
    warmup: option.Warmup = 2.0,
    poisson: option.Poisson = False,
    seed: option.Seed = 0,
    method: option.Method = None,
    body: option.Body = None,
    bodies: option.Bodies = None,
    template: option.Template = None,
    header: option.Header = None,
    connections: option.Connections = 256,
    timeout: option.Timeout = 10.0,
    within: option.Within = None,
    slo: option.Slo = None,
    lag_bound: option.LagBound = 5.0,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """See ``_LOAD_HELP``."""
    with usage_errors():
        rules = () if slo is None else load.parse_slo(slo)
        plan = load.LoadPlan(
            steps=load.parse_rates(rate, duration_s=duration),
            shape="poisson" if poisson else "constant",
            seed=seed,
            warmup_s=warmup,
            connections=connections,
            timeout_s=timeout,
            within_s=load.latency_limit_s(rules) if within is None else within / 1e3,
            lag_bound_s=lag_bound / 1e3,
        )
        sent = _bodies(body, bodies, template)
        target = load.parse_target(url)
        verb = method or ("POST" if sent else "GET")
        requests = load.encode_requests(target, method=verb, headers=_headers(header or []), bodies=sent)
        load.require_known(target)
    with LoadView(Console(stderr=True)) as view:
        report = load.run_load_sync(plan, target, requests, rules=rules, watch=view.show)
    with usage_errors():
        _write(report, json_file, html_file)
    draw_load(Console(), report)
    raise typer.Exit(0 if report.passed else 1)


def _bodies(body: str | None, bodies: Path | None, template: str | None) -> tuple[bytes, ...]:
    if body is not None and bodies is not None:
        raise ValueError("give --body or --bodies, not both")
    if bodies is not None:
        return load.read_bodies(bodies, template=template)
    if template is not None:
        raise ValueError("--template needs the lines of --bodies")
    return () if body is None else (body.encode(),)


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = [line.partition(":") for line in lines]
    if wrong := [line for line, (_, colon, _) in zip(lines, pairs, strict=True) if not colon]:
        raise ValueError(f"{wrong[0]!r} is not a header such as 'X-Request-Timeout-Ms: 250'")
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    if len(headers) < len(pairs):
        raise ValueError("a header is given twice; put its values into one, with a comma between them")
    return headers


def _write(report: load.LoadReport, json_file: Path | None, html_file: Path | None) -> None:
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    if html_file is not None:
        html_file.write_text(load.to_html(report), "utf-8")


if __name__ == "__main__":
    app()
