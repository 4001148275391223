"""Base of our TFMA metrics."""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

from clickwright.components.evaluation.metrics.collect_rows import collect_rows
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows


class RowMetric(tfma.metrics.Metric, abc.ABC):
    """A metric that is a function of the scored rows of a slice.

    All metrics of a model share one `CollectRows` combiner, which takes single rows, as
    the stock Evaluator gives them, and large batches alike.

    Args:
        name: key of the metric.
        more_names: keys of the figures that come with it, after `<name>_`.
        group_key: feature that names the group of a row, for metrics within groups.
        config: further arguments of the metric, numbers and strings.
    """

    KEY_TYPE: type[metric_types.MetricKey] = metric_types.MetricKey

    def __init__(
        self,
        name: str,
        *,
        more_names: Sequence[str] = (),
        group_key: str | None = None,
        **config: Any,
    ) -> None:
        key_type, values = self.KEY_TYPE, self.values

        # TFMA reads the argument names, and hands over those that it knows.
        def computations(
            name: str, model_name: str = "", example_weighted: bool = False, **_: Any
        ) -> list[Any]:
            names = [name, *(f"{name}_{more}" for more in more_names)]
            keys = [
                key_type(n, model_name=model_name, example_weighted=example_weighted)
                for n in names
            ]
            return _computations(
                keys, values, collect_rows(model_name, example_weighted, group_key)
            )

        if group_key is not None:
            config["group_key"] = group_key
        super().__init__(
            metric_util.merge_per_key_computations(computations), name=name, **config
        )

    @abc.abstractmethod
    def values(self, rows: ScoredRows) -> Sequence[Any]:
        """Returns the metric, and the figures that come with it."""


def _computations(
    keys: list[metric_types.MetricKey],
    values: Callable[[ScoredRows], Sequence[Any]],
    rows: metric_types.MetricComputation,
) -> list[Any]:
    (rows_key,) = rows.keys

    def result(metrics: Mapping[metric_types.MetricKey, Any]) -> dict[Any, Any]:
        return dict(zip(keys, values(metrics[rows_key]), strict=True))

    return [rows, metric_types.DerivedMetricComputation(keys=keys, result=result)]
