"""What ranking costs: QIN, one history and many candidates."""

import pathlib
import time
from collections.abc import Mapping
from typing import Annotated, Any

import keras
import numpy as np
import rich.console
import rich.table
import tensorflow as tf
import typer

from clickwright.models import registry
from clickwright.models.ranking import ranking_model
from clickwright.schemas.model_input import ModelInput


def main(
    candidates: Annotated[int, typer.Option(help="Items of a request.")] = 1_000,
    history: Annotated[int, typer.Option(help="Items in the history.")] = 64,
    items: Annotated[int, typer.Option(help="Rows of the item table.")] = 91_718,
    rows: Annotated[int, typer.Option(help="Rows of a quadratic layer.")] = 4,
    threads: Annotated[int, typer.Option(help="Of a matrix product.")] = 1,
    seconds: Annotated[float, typer.Option(help="Time for each form.")] = 10.0,
    markdown: Annotated[
        pathlib.Path | None, typer.Option(help="File for the table.")
    ] = None,
) -> None:
    """Time the forms of one model of published sizes, with the same weights.

    A row a candidate holds the candidate and the whole history; `rank` takes the
    history once. The folded model has its matrices multiplied out.

    python benchmarks/rank.py --candidates 200 --seconds 2
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = _model(history, items, rows)
    folded = registry.fold("qin", model)
    once = _request(candidates, history, items)
    repeated = once | {"item_seq": tf.repeat(once["item_seq"], candidates, axis=0)}
    forms: Mapping[str, tuple[keras.Model, Mapping[str, Any]]] = {
        "a row a candidate": (model, repeated),
        "`rank`": (ranking_model(model), once),
        "a row a candidate, folded": (folded, repeated),
        "`rank`, folded": (ranking_model(folded), once),
    }
    found = {
        name: _timed(form, features, seconds)
        for name, (form, features) in forms.items()
    }
    base, want = found["a row a candidate"]
    header = ("form", "milliseconds", "candidates a second", "times", "difference")
    lines = [
        (
            name,
            f"{spent:.1f}",
            f"{1000 * candidates / spent:,.0f}",
            f"{base / spent:.1f}",
            f"{np.abs(scores - want).max():.1e}",
        )
        for name, (spent, scores) in found.items()
    ]
    table = rich.table.Table(
        title=f"QIN, {candidates:,} candidates, a history of {history}, {threads} "
        f"thread(s); scores from {want.min():.3f} to {want.max():.3f}"
    )
    for column in header:
        table.add_column(column, justify="left" if column == "form" else "right")
    for line in lines:
        table.add_row(*line)
    rich.console.Console().print(table)
    if markdown is not None:
        rule = ("---",) + ("---:",) * (len(header) - 1)
        text = "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))
        markdown.write_text(text + "\n", encoding="utf-8")


def _model(history: int, items: int, rows: int) -> keras.Model:
    """A QIN of published sizes, of random items; its scores tell items apart."""
    keras.utils.set_random_seed(0)
    of: dict[str, Any] = {"entity": "item_id", "entities": items}
    inputs = (
        ModelInput("likes_level", "id", "item", "likes_level", 11),
        ModelInput("views_level", "id", "item", "views_level", 11),
        ModelInput("item_id", "id", "item", "item_id", items),
        ModelInput("item_seq", "sequence", "user", "item_id", items, history),
        ModelInput("item_tags", "attribute", "item", "item_tags", 11_740, 5, **of),
        ModelInput("item_emb_d128", "vector", "item", width=128, **of),
    )
    model = registry.build("qin", inputs, {"rows": rows, "embedding_stddev": 0.1})
    random = np.random.default_rng(0)
    tags = random.integers(1, 11_740, (items, 5), dtype=np.int32)
    vectors = random.normal(0.0, 0.1, (items, 128)).astype(np.float32)
    tags[0], vectors[0] = 0, 0.0
    model.get_layer("item_tags").fill(tags)
    model.get_layer("item_emb_d128").fill(vectors)
    return model


def _request(candidates: int, history: int, items: int) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(1)
    return {
        "likes_level": tf.constant(random.integers(1, 11, candidates)),
        "views_level": tf.constant(random.integers(1, 11, candidates)),
        "item_id": tf.constant(random.integers(1, items, candidates)),
        "item_seq": tf.constant(random.integers(1, items, (1, history))),
    }


def _timed(
    model: keras.Model, features: Mapping[str, Any], seconds: float
) -> tuple[float, np.ndarray[Any, Any]]:
    """Milliseconds of the shortest call, which other work delays least; the scores."""

    @tf.function
    def call() -> Any:
        return model(features, training=False)["probability"]

    scores = call().numpy()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 5:
        started = time.perf_counter()
        call().numpy()
        times.append(time.perf_counter() - started)
    return 1000 * min(times), scores


if __name__ == "__main__":
    typer.run(main)
