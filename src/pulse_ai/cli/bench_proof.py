"""``pulse bench proof``: what batching and back-pressure do for a model on this machine."""

__all__ = ("Served", "choose_model", "proof")

import asyncio
import random
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import msgspec
import typer
from rich.console import Console

from pulse_ai.bench import load
from pulse_ai.bench import proof as proofs
from pulse_ai.cli import proof_options as option
from pulse_ai.cli.bench_errors import usage_errors
from pulse_ai.cli.bench_view import draw_proof
from pulse_ai.cli.report_options import ReportHtml, ReportJson
from pulse_ai.cli.targets import EMBEDDED_NAME, parse_target
from pulse_ai.core import cache_dir

_TEXTS = (
    "A joy from start to finish, and easily the best evening that I had this year.",
    "Two hours of my life that nobody is going to give back to me.",
    "The actors do what they can; the story gives them little to do it with.",
    "Warm, funny and a little sad, with an ending that I did not see coming.",
    "I fell asleep twice and had missed nothing either time.",
    "Not bad at all.",
)
_RANDOM_TEXTS = 32
_RANDOM_WORDS = (8, 32)


def proof(  # noqa: PLR0913 - an option is an argument
    target: option.Target = "",
    *,
    model: option.Model = None,
    seconds_a_step: option.SecondsAStep = 3.0,
    steps: option.Steps = "10,25,50,75,100,150,200,300,500,1000",
    batch_size: option.BatchSize = 16,
    deadline_ms: option.DeadlineMs = 250.0,
    queue_limit: option.QueueLimit = 200,
    most_rate: option.MostRate = 8000.0,
    kills: option.Kills = 3,
    body: option.Body = None,
    bodies: option.Bodies = None,
    json_file: ReportJson = Path("pulse-proof.json"),
    html_file: ReportHtml = Path("pulse-proof.html"),
) -> None:
    """Show what batching, back-pressure and supervision are worth for a model, on this machine.

    Starts the service with batch size 1 and with batching, finds what it carries, offers a tenth to ten times
    as much, and kills workers under load. Writes a page with charts, JSON, and a verdict for each claim. About two
    minutes; run it with nothing else on the machine.

    Exit code: 0 when every claim holds, 1 when one does not, 2 when the command cannot be carried out.
    """
    with usage_errors():
        if find_spec("psutil") is None:
            raise ValueError("finding the workers needs psutil: pip install 'pulse-ai[bench]'")
        served = choose_model(target, model)
        plan = proofs.ProofPlan(
            target=served.target,
            name=parse_target(served.target or EMBEDDED_NAME, {}).name,
            bodies=_bodies(body, bodies) or served.bodies,
            batch_size=batch_size,
            ladder=_shares(steps),
            seconds_a_step=seconds_a_step,
            deadline_s=deadline_ms / 1e3,
            queue_limit=queue_limit,
            most_rate=most_rate,
            kills=kills,
        )
    report = _carry_out(plan, served.title)
    with usage_errors():
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
        html_file.write_text(proofs.to_html(report), "utf-8")
    draw_proof(Console(), report)
    typer.echo(f"wrote {html_file} and {json_file}")
    raise typer.Exit(0 if report.passed else 1)


def _carry_out(plan: proofs.ProofPlan, title: str) -> proofs.ProofReport:
    command = shlex.join(["pulse", *sys.argv[1:]])
    console = Console(stderr=True)
    with usage_errors():
        try:
            with console.status("starting") as status:

                def tell(text: str) -> None:
                    status.update(text)
                    if not console.is_terminal:
                        console.print(text)

                with asyncio.Runner(loop_factory=load.loop_factory()) as runner:
                    return runner.run(proofs.run_proof(plan, title=title, command=command, tell=tell))
        except proofs.ServiceFailed as error:
            raise ValueError(str(error)) from error


class Served(NamedTuple):
    """A model to prove: what ``pulse serve`` is given, what it is in words, and bodies that it takes."""

    target: str
    title: str
    bodies: tuple[bytes, ...]


def choose_model(target: str, model: str | None) -> Served:
    """Return what a TARGET or ``--model`` names; the random checkpoint is made where it is not there yet.

    Raises:
        ValueError: Both are given, or the model is none that there is.

    Example:
        >>> choose_model("", None).title
        'The embedded sentiment model'
    """
    if target and model:
        raise ValueError("give TARGET or --model, not both")
    if model not in (None, "embedded", "distilbert-size"):
        raise ValueError(f"--model is embedded or distilbert-size, got {model!r}")
    if model == "distilbert-size":
        title = (
            "A classifier of DistilBERT's size with random weights (6 layers of 768, int8 on ONNX Runtime)"
        )
        return Served(f"distilbert={_random_checkpoint()}", title, _random_bodies())
    sent = tuple(msgspec.json.encode({"q": text}) for text in _TEXTS)
    title = f"The service of {target}" if target else "The embedded sentiment model"
    return Served(target, title, sent)


def _random_checkpoint() -> Path:
    """Return a folder with random weights, made once and kept with the other models."""
    from pulse_ai.hub.synthetic import make_random_checkpoint

    folder = cache_dir() / "proof" / "distilbert-size"
    if not (folder / "model.safetensors").exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        make_random_checkpoint(unfinished)
        unfinished.rename(folder)
    return folder


def _random_bodies() -> tuple[bytes, ...]:
    """Return texts of words that the random tokenizer knows, of lengths as reviews have them."""
    chance = random.Random(0)  # noqa: S311 - words for a load test
    texts = [
        " ".join(f"w{chance.randint(5, 30_521)}" for _ in range(chance.randint(*_RANDOM_WORDS)))
        for _ in range(_RANDOM_TEXTS)
    ]
    return tuple(msgspec.json.encode({"q": text}) for text in texts)


def _bodies(body: str | None, bodies: Path | None) -> tuple[bytes, ...]:
    if body is not None and bodies is not None:
        raise ValueError("give --body or --bodies, not both")
    if bodies is not None:
        return load.read_bodies(bodies)
    return () if body is None else (body.encode(),)


def _shares(steps: str) -> tuple[float, ...]:
    """Return the shares that percents name."""
    try:
        return tuple(float(step.strip().removesuffix("%")) / 100.0 for step in steps.split(","))
    except ValueError as error:
        raise ValueError(f"{steps!r} is not a list of percents such as 50,100,500") from error
