"""What Prometheus is told of a router."""

import functools
from collections.abc import Callable

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PREFIX = "clickwright_router_"
_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
    *(0.064, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
)
_DIFFERENCES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
_ARM = ("experiment", "variant")


class Metrics:
    """Counters and distributions of one router, in a registry of their own.

    Args:
        in_flight: tells how many requests are under way.
    """

    def __init__(self, in_flight: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counters(
            "requests", "Requests by the code of their answer.", "api", "code"
        )
        self._seconds = self._histograms(
            "request_seconds", "From a request to its answer.", "api"
        )
        self._own = self._histogram(
            "own_seconds", "The part of it that the router itself took."
        )
        self._arms = self._counters(
            "arm_requests", "Requests that an arm was asked to answer.", *_ARM, "code"
        )
        self._arm_seconds = self._histograms(
            "arm_seconds", "From asking an arm to its answer.", *_ARM
        )
        self._fallbacks = self._counters(
            "fallbacks", "Answers of control in place of an arm that failed.", *_ARM
        )
        self._exposures = self._counters("exposures", "Exposures in the log.", *_ARM)
        self._lost = self._counters(
            "lost_exposures", "Exposures that the log could not take.", *_ARM
        )
        self._unassigned = self._counters(
            "unassigned",
            "Requests of an experiment's model without exposure.",
            "reason",
        )
        self._shadows = self._counters(
            "shadow_requests", "Copies that a shadow was sent.", *_ARM, "code"
        )
        self._differences = Histogram(
            f"{_PREFIX}shadow_difference",
            "Largest difference of a shadow's scores from those answered.",
            _ARM,
            buckets=_DIFFERENCES,
            registry=self._registry,
        )
        self._config = self._gauge(
            "config_error",
            "1 while the newest experiments are refused and those before are used.",
        )
        self._clock = self._counter("clock_set_back", "Times the clock was set back.")
        self._gauge("requests_in_flight", "Requests under way.").set_function(in_flight)

    def request(self, api: str, code: str, seconds: float) -> None:
        """Counts a request that has its answer, or its error."""
        self._requests(api, code).inc()
        self._seconds(api).observe(seconds)

    def own(self, seconds: float) -> None:
        """Tells what the router itself took of an answered request."""
        self._own.observe(seconds)

    def arm(self, experiment: str, variant: str, code: str, seconds: float) -> None:
        """Counts what came of asking an arm."""
        self._arms(experiment, variant, code).inc()
        self._arm_seconds(experiment, variant).observe(seconds)

    def fallback(self, experiment: str, variant: str) -> None:
        """Counts an answer of control in place of `variant`."""
        self._fallbacks(experiment, variant).inc()

    def exposure(self, experiment: str, variant: str) -> None:
        """Counts an exposure in the log."""
        self._exposures(experiment, variant).inc()

    def lost(self, experiment: str, variant: str) -> None:
        """Counts an exposure that the log could not take."""
        self._lost(experiment, variant).inc()

    def unassigned(self, reason: str) -> None:
        """Counts a request that an experiment could have had and has not."""
        self._unassigned(reason).inc()

    def shadow(
        self, experiment: str, variant: str, code: str, difference: float | None
    ) -> None:
        """Counts a shadow's answer, and how its scores differ where both have some."""
        self._shadows(experiment, variant, code).inc()
        if difference is not None:
            self._differences.labels(experiment, variant).observe(difference)

    def config_refused(self, refused: bool) -> None:
        """Says whether the newest experiments are refused."""
        self._config.set(refused)

    def clock_set_back(self) -> None:
        """Counts that the machine's clock was set back."""
        self._clock.inc()

    def text(self) -> bytes:
        """Returns all of them in Prometheus's text format."""
        return prometheus_client.generate_latest(self._registry)

    # `labels` looks at them anew for each request; the few that there are can be kept.
    def _counters(self, name: str, text: str, *labels: str) -> Callable[..., Counter]:
        return functools.cache(self._counter(name, text, *labels).labels)

    def _histograms(
        self, name: str, text: str, *labels: str
    ) -> Callable[..., Histogram]:
        return functools.cache(self._histogram(name, text, *labels).labels)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(_PREFIX + name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(_PREFIX + name, text, registry=self._registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(
            _PREFIX + name, text, labels, buckets=_SECONDS, registry=self._registry
        )
