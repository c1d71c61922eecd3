"""The numbers of every model in Prometheus' text format. Counted in plain Python, rendered when asked for."""

__all__ = ("METRICS_TYPE", "METRIC_NAMES", "render_metrics")

from collections.abc import Iterator, Mapping

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pulse_ai.core import DEATH_REASONS
from pulse_ai.serving import Counters, Histogram, Statistics
from pulse_ai.web.endpoint import ModelEndpoint

METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""The content type of what ``render_metrics`` returns."""

_MODEL = ("model",)

_GAUGES = {
    "pulse_queue_items": "Items waiting for a worker",
    "pulse_queue_bytes": "Encoded size of the items waiting, in bytes",
    "pulse_running_items": "Items with workers",
    "pulse_workers_ready": "Workers that are loaded",
    "pulse_padding_ratio": "Share of the tokens computed that were padding, since start",
    "pulse_cost_batch_seconds": "Learned time of a batch, whatever is in it, in seconds",
    "pulse_cost_item_seconds": "Learned time that each item adds to its batch, in seconds",
    "pulse_cost_byte_seconds": "Learned time that each byte adds to its batch, in seconds",
    "pulse_cost_margin_seconds": "What is added for 99 of 100 batches to take less, in seconds",
    "pulse_cost_warm_up_batches": "Batches of the workers' warm-up that the learned times began with",
    "pulse_admission_factor": "By how much admission is tighter than predicted; 1 where predictions hold",
    "pulse_quarantined_inputs": "Inputs that are known to end a worker",
}
_COUNTERS = {
    "pulse_requests_total": "Requests by the code of their answer",
    "pulse_worker_restarts_total": "Workers started because one had ended",
    "pulse_worker_deaths_total": "Workers that ended by themselves or were killed, by the reason",
    "pulse_lost_requests_total": "Admitted requests that were never answered; not 0 means a bug in Pulse",
    "pulse_late_answers_total": "Results that came after their request had ended, and were dropped",
    "pulse_retried_items_total": "Items sent again because their worker ended",
    "pulse_task_counts_total": "What the tasks themselves count, by name",
}
_HISTOGRAMS = {
    "pulse_queue_seconds": "Time from admission to the worker, in seconds",
    "pulse_worker_seconds": "Time that a batch was with a worker, in seconds",
    "pulse_answer_seconds": "Time from admission to an ok answer, in seconds",
    "pulse_batch_items": "Items in a batch",
}

METRIC_NAMES = (*_GAUGES, *_COUNTERS, *_HISTOGRAMS)
"""Every metric; each is in docs/http.md."""


def render_metrics(endpoints: Mapping[str, ModelEndpoint]) -> bytes:
    """Return the present numbers of all models."""
    registry = CollectorRegistry()
    registry.register(_Models(endpoints))
    return generate_latest(registry)


class _Models(Collector):
    """Turns statistics into metrics. Made anew for each scrape, so it holds nothing."""

    def __init__(self, endpoints: Mapping[str, ModelEndpoint]) -> None:
        self._endpoints = endpoints
        self._statistics = {name: endpoint.serving.statistics() for name, endpoint in endpoints.items()}

    def collect(self) -> Iterator[Metric]:
        yield from self._gauges()
        yield self._requests()
        yield self._deaths()
        yield from self._counters()
        yield self._task_counts()
        yield from self._histograms()

    def _gauges(self) -> Iterator[Metric]:
        for name, text in _GAUGES.items():
            family = GaugeMetricFamily(name, text, labels=_MODEL)
            for model, statistics in self._statistics.items():
                family.add_metric([model], _gauge(name, statistics))
            yield family

    def _requests(self) -> Metric:
        family = CounterMetricFamily(
            "pulse_requests_total", _COUNTERS["pulse_requests_total"], labels=("model", "code")
        )
        for model, statistics in self._statistics.items():
            answers = statistics.counters.answers + self._endpoints[model].turned_down
            for code, count in sorted(answers.items()):
                family.add_metric([model, code], count)
        return family

    def _deaths(self) -> Metric:
        name = "pulse_worker_deaths_total"
        family = CounterMetricFamily(name, _COUNTERS[name], labels=("model", "reason"))
        for model, endpoint in self._endpoints.items():
            deaths = endpoint.serving.deaths
            for reason in DEATH_REASONS:
                family.add_metric([model, reason], deaths.get(reason, 0))
        return family

    def _counters(self) -> Iterator[Metric]:
        for name, text in _COUNTERS.items():
            if name in {"pulse_requests_total", "pulse_worker_deaths_total", "pulse_task_counts_total"}:
                continue
            family = CounterMetricFamily(name, text, labels=_MODEL)
            for model, statistics in self._statistics.items():
                family.add_metric([model], _counter(name, statistics, self._endpoints[model]))
            yield family

    def _task_counts(self) -> Metric:
        name = "pulse_task_counts_total"
        family = CounterMetricFamily(name, _COUNTERS[name], labels=("model", "count"))
        for model, statistics in self._statistics.items():
            for count, number in sorted(statistics.counters.task_counts.items()):
                family.add_metric([model, count], number)
        return family

    def _histograms(self) -> Iterator[Metric]:
        for name, text in _HISTOGRAMS.items():
            family = HistogramMetricFamily(name, text, labels=_MODEL)
            for model, statistics in self._statistics.items():
                histogram = _histogram(name, statistics.counters)
                family.add_metric([model], _buckets(histogram), histogram.total)
            yield family


def _gauge(name: str, statistics: Statistics) -> float:
    counts = statistics.counters.task_counts
    padding, tokens = counts.get("padding_tokens", 0), counts.get("tokens", 0)
    return {
        "pulse_queue_items": statistics.waiting_items,
        "pulse_queue_bytes": statistics.waiting_bytes,
        "pulse_running_items": statistics.running_items,
        "pulse_workers_ready": statistics.workers_ready,
        "pulse_padding_ratio": padding / max(padding + tokens, 1),
        "pulse_cost_batch_seconds": statistics.cost_s[0],
        "pulse_cost_item_seconds": statistics.cost_s[1],
        "pulse_cost_byte_seconds": statistics.cost_s[2],
        "pulse_cost_margin_seconds": statistics.cost_margin_s,
        "pulse_cost_warm_up_batches": statistics.cost_warm_up_batches,
        "pulse_admission_factor": statistics.admission_factor,
        "pulse_quarantined_inputs": statistics.quarantined_inputs,
    }[name]


def _counter(name: str, statistics: Statistics, endpoint: ModelEndpoint) -> float:
    return {
        "pulse_worker_restarts_total": endpoint.serving.restarts,
        "pulse_lost_requests_total": statistics.lost,
        "pulse_late_answers_total": statistics.counters.late,
        "pulse_retried_items_total": statistics.counters.retried,
    }[name]


def _histogram(name: str, counters: Counters) -> Histogram:
    return {
        "pulse_queue_seconds": counters.queue_s,
        "pulse_worker_seconds": counters.worker_s,
        "pulse_answer_seconds": counters.answer_s,
        "pulse_batch_items": counters.batch_items,
    }[name]


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return cumulative counts under each bound, as Prometheus wants them."""
    buckets: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        below += count
        buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), below))
    return buckets
