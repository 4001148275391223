"""What Prometheus is told, by the names that TF Serving uses."""

import functools
import re
from collections.abc import Callable

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PATH = "/monitoring/prometheus/metrics"
"""Where TF Serving's REST port offers them."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = ":tensorflow:serving:"
# Microseconds: a scale of 10, powers of 1.8, up to about 20 minutes.
_MICROSECONDS = tuple(10 * 1.8**power for power in range(33))
_ROWS = tuple(2**power for power in range(15))


class Metrics:
    """Counters and distributions of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counters(
            "request_count", "The total number of requests.", "model_name", "status"
        )
        self._latency = self._histograms(
            "request_latency",
            "Distribution of wall time (in microseconds) for Tensorflow Serving "
            "request.",
            _MICROSECONDS,
            ("model_name", "API", "entrypoint"),
        )
        self._runtime = self._histograms(
            "runtime_latency",
            "Distribution of wall time (in microseconds) for Tensorflow runtime.",
            _MICROSECONDS,
            ("model_name", "API", "runtime"),
        )
        self._examples = self._histograms(
            "request_example_counts",
            "The number of tensorflow.Examples per request.",
            _ROWS,
            ("model",),
        )
        self._batch_size = self._histograms(
            "batching_session:processed_batch_size",
            "Rows of a batch, without those that fill it up.",
            _ROWS,
            ("model_name",),
        )
        self._padding = self._histograms(
            "batching_session:padding_size",
            "Rows that fill a batch up to an allowed size.",
            _ROWS,
            ("model_name",),
        )
        self._warmup = self._histograms(
            "model_warmup_latency",
            "Distribution of wall time (in microseconds) for warming up the model.",
            _MICROSECONDS,
            ("model_path", "status"),
        )
        self._loads = self._counters(
            "model_load_count",
            "The total number of times a version was loaded.",
            "model_name",
            "status",
        )
        self._config = Gauge(
            "clickwright:serving:config_error",
            "1 while the newest config file is refused and the one before is served.",
            registry=self._registry,
        )

    def request(
        self, model: str, status: str, microseconds: float, api: str, entrypoint: str
    ) -> None:
        """Counts an answered request.

        Args:
            model: the model's name.
            status: name of the code, such as `OK`.
            microseconds: from the request's arrival to its answer.
            api: such as `Predict`.
            entrypoint: `GRPC` or `REST`.
        """
        self._requests(model, status).inc()
        self._latency(model, api, entrypoint).observe(microseconds)

    def run(self, model: str, microseconds: float) -> None:
        """Counts a run of a model, its time in the batch's queue included."""
        self._runtime(model, "Predict", "TF1").observe(microseconds)

    def examples(self, model: str, count: int) -> None:
        """Counts the Examples of a request."""
        self._examples(model).observe(count)

    def batch(self, model: str, rows: int, size: int) -> None:
        """Counts a batch of `rows` that was filled up to `size`."""
        self._batch_size(model).observe(rows)
        self._padding(model).observe(size - rows)

    def load(self, model: str, status: str) -> None:
        """Counts a try to load a version."""
        self._loads(model, status).inc()

    def warmup(self, folder: str, microseconds: float) -> None:
        """Counts a version's warm-up; one that fails is a load that fails."""
        self._warmup(folder, "OK").observe(microseconds)

    def config_refused(self, refused: bool) -> None:
        """Says whether the newest config file is refused."""
        self._config.set(refused)

    def text(self) -> bytes:
        """Returns all of them in Prometheus's text format."""
        text = prometheus_client.generate_latest(self._registry).decode()
        # The library ends counters in `_total` and adds when each was made; TF
        # Serving's dashboards know neither.
        text = re.sub(rf"({_PREFIX}(?:request|model_load)_count)_total\b", r"\1", text)
        lines = (x for x in text.splitlines() if not re.search(r"^\S*_created\b", x))
        lines = (x for x in lines if not re.match(r"# \w+ \S+_created ", x))
        return ("\n".join(lines) + "\n").encode()

    # `labels` looks at them anew for each request; the few that there are can be kept.
    def _counters(self, name: str, text: str, *labels: str) -> Callable[..., Counter]:
        made = Counter(_PREFIX + name, text, labels, registry=self._registry)
        return functools.cache(made.labels)

    def _histograms(
        self, name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...]
    ) -> Callable[..., Histogram]:
        made = Histogram(
            _PREFIX + name, text, labels, buckets=buckets, registry=self._registry
        )
        return functools.cache(made.labels)
