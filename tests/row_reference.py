"""Optimizers of tables against plain loops over rows, on whatever backend runs.

Run as a program it checks them all, and prints how many checks it made.
"""

import dataclasses
import importlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from clickwright.models.optimizers.composite_optimizer import CompositeOptimizer
from clickwright.models.optimizers.lazy_adam import LazyAdam
from clickwright.models.optimizers.lazy_adamw import LazyAdamW
from clickwright.models.optimizers.lazy_ftrl import LazyFtrl
from clickwright.models.optimizers.row_gradient import RowGradient
from clickwright.models.optimizers.rowwise_adagrad import RowwiseAdagrad

BACKEND = keras.backend.backend()
Array = np.ndarray[Any, Any]
State = dict[Any, Any]
Rule = Callable[[State, Array, Array, float], Array]

ROWS = [
    # Row 5 takes part in steps 1 and 3 only, row 6 never; in step 2 the gradients of
    # row 4 cancel out.
    [0, 1, 1, 5, 0, 0],
    [2, 2, 4, 4, 0, 1],
    [5, 5, 3, 0, 5, 2],
    [3, 3, 3, 1, 4, 0],
]


@dataclasses.dataclass(frozen=True)
class Step:
    """Gradients of a table, by occurrence, and of a bias."""

    rows: Array
    values: Array
    bias: Array


def make_steps(scale: float = 1.0) -> list[Step]:
    rng = np.random.default_rng(0)
    steps = []
    for n, rows in enumerate(ROWS):
        values = rng.normal(size=(len(rows), 3)).astype(np.float32)
        if n == 1:
            values[3] = -values[2]
        bias = rng.normal(size=2).astype(np.float32)
        steps.append(Step(np.array(rows, np.int32), values * scale, bias * scale))
    return steps


def make_variables() -> list[keras.Variable]:
    rng = np.random.default_rng(1)
    return [
        keras.Variable(rng.normal(size=(7, 3)).astype(np.float32), name="table"),
        keras.Variable(rng.normal(size=2).astype(np.float32), name="bias"),
    ]


def adam(decay: float = 0.0, epsilon: float = 1e-7) -> Rule:
    def rule(state: State, row: Array, g: Array, rate: float) -> Array:
        t = state["t"] = state.get("t", 0) + 1
        m = state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g
        v = state["v"] = 0.999 * state.get("v", 0.0) + 0.001 * g * g
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        epsilon_hat = epsilon / np.sqrt(1 - 0.999**t)
        return row * (1 - rate * decay) - rate * m_hat / (np.sqrt(v_hat) + epsilon_hat)

    return rule


def adagrad(state: State, row: Array, g: Array, rate: float) -> Array:
    state["a"] = state.get("a", 0.0) + sum(x * x for x in g) / len(g)
    return row - rate * g / (np.sqrt(state["a"]) + 1e-8)


def ftrl(n0: float = 0.0, l1: float = 0.0, l2: float = 0.0) -> Rule:
    def rule(state: State, row: Array, g: Array, rate: float) -> Array:
        new = []
        for d, (w, x) in enumerate(zip(row, g, strict=True)):
            n, z = state.get(d, (n0, 0.0))
            sigma = (np.sqrt(n + x * x) - np.sqrt(n)) / rate
            n, z = n + x * x, z + x - sigma * w
            state[d] = n, z
            sign = -1.0 if z < 0 else 1.0
            small = abs(z) <= l1
            new.append(
                0.0 if small else -(z - sign * l1) / (np.sqrt(n) / rate + 2 * l2)
            )
        return np.array(new)

    return rule


def make_composite(rate: float, l2: float = 0.0, **settings: Any) -> Any:
    """Adam on both, lazy on the table alone."""
    return CompositeOptimizer(
        keras.optimizers.Adam(rate), LazyAdam(rate, l2=l2), ["table"], **settings
    )


CASES: dict[str, tuple[Callable[..., Any], Rule]] = {
    "lazy_adam": (LazyAdam, adam()),
    "lazy_adamw": (lambda rate, **k: LazyAdamW(rate, 0.3, **k), adam(0.3)),
    "rowwise_adagrad": (RowwiseAdagrad, adagrad),
    "lazy_ftrl": (LazyFtrl, ftrl()),
    "lazy_ftrl_l1_l2": (
        lambda rate, **k: LazyFtrl(
            rate,
            initial_accumulator_value=0.1,
            l1_regularization_strength=0.7,
            l2_regularization_strength=0.4,
            **k,
        ),
        ftrl(0.1, 0.7, 0.4),
    ),
    "composite": (make_composite, adam()),
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"l2": 0.25},
    {"global_clipnorm": 0.5, "l2": 0.25},
    {"clipnorm": 0.5},
    {"clipvalue": 0.3},
    {"use_ema": True, "ema_momentum": 0.8},
    {"gradient_accumulation_steps": 2, "l2": 0.25, "global_clipnorm": 0.5},
    {"loss_scale_factor": 8.0, "l2": 0.25},
]
# What all optimizers have from one base is tried on two of them.
CHECKS = [
    (case, settings)
    for case in CASES
    for settings in (SETTINGS if case in ("lazy_adam", "composite") else SETTINGS[:3:2])
]


def expected(
    rule: Rule, steps: Sequence[Step], rate: float = 0.1, **settings: Any
) -> tuple[list[Array], list[Array]]:
    """Variables and their averages after the steps, by plain loops."""
    weights = [keras.ops.convert_to_numpy(v).astype(float) for v in make_variables()]
    averages = [w.copy() for w in weights]
    states: list[dict[int, State]] = [{} for _ in weights]
    every = settings.get("gradient_accumulation_steps", 1)
    pending = [np.zeros_like(w) for w in weights]
    for number, step in enumerate(steps):
        for row, value in zip(step.rows, step.values, strict=True):
            pending[0][row] += value
        pending[1] += step.bias
        if (number + 1) % every == 0:
            gradients = [p / every for p in pending]
            moves = [[n for n in range(len(g)) if np.any(g[n] != 0)] for g in gradients]
            l2 = settings.get("l2", 0.0)
            for k, (weight, gradient) in enumerate(
                zip(weights, gradients, strict=True)
            ):
                for n in moves[k]:
                    own = l2.get(k, 0.0) if isinstance(l2, dict) else l2
                    gradient[n] += own * weight[n]
            gradients = _clipped(gradients, settings)
            for k, (weight, gradient) in enumerate(
                zip(weights, gradients, strict=True)
            ):
                for n in moves[k]:
                    moved = rule(
                        states[k].setdefault(n, {}),
                        np.atleast_1d(weight[n]),
                        np.atleast_1d(gradient[n]),
                        rate,
                    )
                    weight[n] = moved if weight.ndim > 1 else moved[0]
            pending = [np.zeros_like(w) for w in weights]
        kept = settings.get("ema_momentum", 0.99) if number else 0.0
        averages = [
            kept * a + (1 - kept) * w for a, w in zip(averages, weights, strict=True)
        ]
    return weights, averages


def _clipped(gradients: list[Array], settings: dict[str, Any]) -> list[Array]:
    if limit := settings.get("clipvalue"):
        return [np.clip(g, -limit, limit) for g in gradients]
    norms = [np.linalg.norm(g) for g in gradients]
    if limit := settings.get("clipnorm"):
        return [g * min(1, limit / n) for g, n in zip(gradients, norms, strict=True)]
    if limit := settings.get("global_clipnorm"):
        norm = np.sqrt(sum(n * n for n in norms))
        return [g * min(1, limit / norm) for g in gradients]
    return gradients


def table_gradient(step: Step, form: str) -> Any:
    """The table's gradient: `dense`, `slices` (TensorFlow) or `rows`."""
    if form == "dense":
        dense = np.zeros((7, 3), np.float32)
        np.add.at(dense, step.rows, step.values)
        return keras.ops.convert_to_tensor(dense)
    rows = keras.ops.convert_to_tensor(step.rows)
    values = keras.ops.convert_to_tensor(step.values)
    if form == "rows":
        return RowGradient(rows, values)
    import tensorflow as tf

    return tf.IndexedSlices(values, rows, tf.constant([7, 3]))


def gradients(step: Step, form: str) -> list[Any]:
    return [table_gradient(step, form), keras.ops.convert_to_tensor(step.bias)]


def check(case: str, form: str, settings: dict[str, Any]) -> None:
    """Some steps by the optimizer and by the loops end in the same place."""
    make, rule = CASES[case]
    scale = settings.get("loss_scale_factor", 1.0)
    variables = make_variables()
    optimizer = make(0.1, **settings)
    optimizer.build(variables)
    apply = _compiled(optimizer, variables)
    for step in make_steps(scale):
        apply(gradients(step, form))
    if case == "composite":  # its bias has no penalty
        settings = {**settings, "l2": {0: settings.get("l2", 0.0)}}
    want, averages = expected(rule, make_steps(), **settings)
    close(variables, want)
    assert int(optimizer._iterations) == len(ROWS)
    if settings.get("use_ema"):
        close(optimizer._model_variables_moving_average, averages)
        optimizer.finalize_variable_values(variables)
        close(variables, averages)


def close(got: Sequence[Any], want: Sequence[Array]) -> None:
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(one), other, rtol=2e-5, atol=2e-6
        )


def _compiled(optimizer: Any, variables: Any) -> Callable[[Any], None]:
    """`optimizer.apply`, as the backend's training loop would call it."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        traced = tf.function(lambda *g: optimizer.apply(list(g), variables))

        def run(grads: Any) -> None:
            if isinstance(grads[0], tf.IndexedSlices):
                traced(*grads)
            else:
                optimizer.apply(grads, variables)

        return run
    if BACKEND == "jax":
        import jax

        def step(state: Any, values: Any, grads: Any) -> Any:
            parts, bias = grads
            table = parts[0] if len(parts) == 1 else RowGradient(*parts)
            return optimizer.stateless_apply(state, [table, bias], values)

        jitted = jax.jit(step)

        def run_jax(grads: Any) -> None:
            table = grads[0]
            parts = (
                (table.rows, table.values)
                if isinstance(table, RowGradient)
                else (table,)
            )
            values, state = jitted(
                [v.value for v in optimizer.variables],
                [v.value for v in variables],
                (parts, grads[1]),
            )
            for v, value in zip(variables, values, strict=True):
                v.assign(value)
            for v, value in zip(optimizer.variables, state, strict=True):
                v.assign(value)

        return run_jax
    torch: Any = importlib.import_module("torch")

    def run_torch(grads: Any) -> None:
        with torch.no_grad():
            optimizer.apply(grads, variables)

    return run_torch


def main() -> None:
    done = 0
    for (case, settings), form in itertools.product(CHECKS, ("dense", "rows")):
        try:
            check(case, form, settings)
        except Exception as error:
            raise AssertionError(f"{case}, {form}, {settings}") from error
        done += 1
    print(f"{BACKEND}: {done} checks")


if __name__ == "__main__":
    main()
