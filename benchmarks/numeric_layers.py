"""What the encoders of numbers cost: forward, and forward with gradients."""

import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import rich.console
import rich.table
import tensorflow as tf
import typer

from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    LinearEncoding,
    LogLinearEncoding,
    MLPEncoding,
    NaryEncoding,
    NumericEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)


def main(
    batch: Annotated[int, typer.Option(help="Rows a step.")] = 4096,
    fields: Annotated[int, typer.Option(help="Numeric fields.")] = 13,
    bins: Annotated[int, typer.Option(help="Meta-embeddings, or buckets.")] = 20,
    width: Annotated[int, typer.Option(help="Values an embedding.")] = 16,
    seconds: Annotated[float, typer.Option(help="Time for each encoder.")] = 2.0,
    markdown: Annotated[
        pathlib.Path | None, typer.Option(help="File for the table.")
    ] = None,
) -> None:
    """Time every encoder on standard-normal values, a twentieth of them missing.

    python benchmarks/numeric_layers.py --seconds 1
    """
    random = np.random.default_rng(0)
    values = random.normal(size=(fields, batch)).astype(np.float32)
    values[random.random(values.shape) < 0.05] = np.nan
    features = {f"f{n}": tf.constant(row) for n, row in enumerate(values)}
    rows = []
    for name, encoding in _encodings(bins).items():
        layer = FusedEmbedding(
            [ModelInput(f, "value", "item", numeric=encoding) for f in features], width
        )
        layer.build({f: x.shape for f, x in features.items()})
        forward, both = (
            _milliseconds(step, seconds / 2) for step in _steps(layer, features)
        )
        rows.append((name, layer.count_params(), forward, both))
    base = rows[0][3]
    header = ("encoder", "parameters", "forward", "with gradients", "times x * v")
    table = rich.table.Table(
        title=f"Milliseconds: {fields} fields, {bins} bins, width {width}, {batch} rows"
    )
    for column in header:
        table.add_column(column, justify="left" if column == "encoder" else "right")
    lines = [
        (name, f"{parameters:,}", f"{forward:.2f}", f"{both:.2f}", f"{both / base:.1f}")
        for name, parameters, forward, both in rows
    ]
    for line in lines:
        table.add_row(*line)
    rich.console.Console().print(table)
    if markdown is not None:
        rule = ("---",) + ("---:",) * (len(header) - 1)
        text = "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))
        markdown.write_text(text + "\n", encoding="utf-8")


def _encodings(bins: int) -> Mapping[str, NumericEncoding]:
    quantiles = tuple(np.linspace(-2.0, 2.0, bins).tolist())
    return {
        "x * v": LinearEncoding(),
        "log_linear": LogLinearEncoding(),
        "buckets": BucketsEncoding(boundaries=quantiles[:-1]),
        "piecewise_linear": PiecewiseLinearEncoding(boundaries=quantiles),
        "autodis, full": AutoDisEncoding(meta_embeddings=bins),
        "autodis, reduced": AutoDisEncoding(meta_embeddings=bins, form="reduced"),
        "autodis, max": AutoDisEncoding(meta_embeddings=bins, aggregation="max"),
        "autodis, top 3": AutoDisEncoding(meta_embeddings=bins, aggregation="topk"),
        "periodic": PeriodicEncoding(),
        "nary": NaryEncoding(low=-2.0, high=2.0),
        "mlp": MLPEncoding(),
    }


def _steps(
    layer: FusedEmbedding, features: Mapping[str, Any]
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    variables = [w.value for w in layer.trainable_variables]

    @tf.function
    def forward() -> Any:
        return layer(features)

    @tf.function
    def both() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(layer(features)))
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]

    return forward, both


def _milliseconds(step: Callable[[], Any], seconds: float) -> float:
    """The shortest of as many calls as fit, so that other work counts least."""
    step()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return 1000 * min(times)


if __name__ == "__main__":
    typer.run(main)
