"""Which optimizer a training gets."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.optimizers.composite_optimizer import CompositeOptimizer
from clickwright.models.optimizers.lazy_adam import LazyAdam
from clickwright.models.optimizers.lazy_adamw import LazyAdamW
from clickwright.models.optimizers.lazy_ftrl import LazyFtrl
from clickwright.models.optimizers.row_optimizer import RowOptimizer
from clickwright.models.optimizers.rowwise_adagrad import RowwiseAdagrad
from clickwright.models.training.fit_params import FitParams
from clickwright.schemas.errors import ConfigError

SPARSE_VALUES = 1_000_000
"""Values from which on a table gets sparse updates. There both take the same time, on
two CPU cores with 40 960 ids a step: dense updates of 16 values a row took 5 ms at
10 000 rows, 9 at 100 000 and 74 at a million; sparse ones 4, 6 and 7."""

progress = logging.getLogger("clickwright.progress")


@dataclasses.dataclass(frozen=True)
class Table:
    """An embedding table of a model.

    Attributes:
        variable: its weights, `[rows, width]`.
        sparse: whether a step moves touched rows alone.
        l2: what its penalty adds to the gradient of a row, in times the row.
    """

    variable: keras.Variable
    sparse: bool
    l2: float


def choose_updates(model: keras.Model, params: FitParams) -> list[Table]:
    """Decides on each table of a model, and reports it.

    Raises:
        ConfigError: sparse updates are asked for, and a table has a penalty other than
            L2, which they cannot stand in for.
    """
    tables: list[Table] = []
    for layer in model._flatten_layers():
        variable = layer.embeddings if isinstance(layer, FusedEmbedding) else None
        if variable is None or not variable.trainable:
            continue
        l2 = _l2(variable.regularizer)
        rows, width = variable.shape
        sparse, reason = _choice(params, rows * width, l2)
        if sparse and l2 is None:
            raise ConfigError(
                f"The table `{variable.path}` has a penalty other than L2, which sparse "
                "updates cannot apply.",
                where="training.table_updates",
                fix="set `table_updates: dense`",
            )
        progress.info(
            "table `%s`, %s rows of %d: %s (%s)",
            variable.path,
            f"{rows:,}",
            width,
            "sparse updates, of touched rows and their L2 alone"
            if sparse
            else "dense updates, of all rows and their L2 in every step",
            reason,
        )
        tables.append(Table(variable, sparse, l2 or 0.0))
    return tables


def make_optimizer(
    params: FitParams, tables: Sequence[Table]
) -> keras.optimizers.Optimizer:
    """The optimizer of a model with these tables."""
    sparse = [t for t in tables if t.sparse]
    # L1 is for table rows: elsewhere it would take whole units away.
    apart = tables if params.optimizer == "ftrl" else sparse
    if not apart:
        return _dense(params, global_clipnorm=params.global_clipnorm)
    return CompositeOptimizer(
        _dense(params),
        _of_tables(params, {t.variable.path: t.l2 for t in sparse if t.l2}),
        [t.variable.path for t in apart],
        global_clipnorm=params.global_clipnorm,
    )


@contextlib.contextmanager
def without_penalties(tables: Sequence[Table]) -> Iterator[None]:
    """Within it, `model.losses` leaves out penalties that the optimizer applies."""
    sparse = [t.variable for t in tables if t.sparse]
    regularizers = [v.regularizer for v in sparse]
    for variable in sparse:
        variable.regularizer = None
    try:
        yield
    finally:
        for variable, regularizer in zip(sparse, regularizers, strict=True):
            variable.regularizer = regularizer


def _choice(params: FitParams, values: int, l2: float | None) -> tuple[bool, str]:
    if params.table_updates != "auto":
        return params.table_updates == "sparse", "as `table_updates` says"
    if values < SPARSE_VALUES:
        return False, f"fewer than {SPARSE_VALUES:,} values"
    if l2 is None:
        return False, "its penalty is not L2"
    return True, f"{SPARSE_VALUES:,} values or more"


def _l2(regularizer: Any) -> float | None:
    """What the penalty adds to a row's gradient, in times the row; None if not L2."""
    if regularizer is None:
        return 0.0
    if type(regularizer) is keras.regularizers.L2:
        return 2 * float(regularizer.l2)
    return None


def _dense(params: FitParams, **clipping: Any) -> keras.optimizers.Optimizer:
    rate, epsilon = params.learning_rate, params.epsilon
    match params.optimizer:
        case "adam":
            return keras.optimizers.Adam(rate, epsilon=epsilon, **clipping)
        case "adamw":
            return keras.optimizers.AdamW(
                rate, weight_decay=_decay(params), epsilon=epsilon, **clipping
            )
        case "adagrad":
            return keras.optimizers.Adagrad(
                rate,
                initial_accumulator_value=0.0,
                epsilon=epsilon**2,  # Keras adds it under the root
                **clipping,
            )
        case "ftrl":
            return LazyFtrl(rate, **clipping)


def _of_tables(params: FitParams, l2: dict[str, float]) -> RowOptimizer:
    rate, epsilon = params.learning_rate, params.epsilon
    match params.optimizer:
        case "adam":
            return LazyAdam(rate, epsilon=epsilon, l2=l2)
        case "adamw":
            return LazyAdamW(rate, _decay(params), epsilon=epsilon, l2=l2)
        case "adagrad":
            return RowwiseAdagrad(rate, epsilon=epsilon, l2=l2)
        case "ftrl":
            return LazyFtrl(rate, l1_regularization_strength=params.l1, l2=l2)


def _decay(params: FitParams) -> float:
    return 0.01 if params.weight_decay is None else params.weight_decay
