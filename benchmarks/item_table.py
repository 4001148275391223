"""What the size and the storage of an item table cost a training step."""

import pathlib
import statistics
from typing import Annotated, Any, get_args

import keras
import numpy as np
import rich.console
import rich.table
import typer
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.ctr.tower_params import TowerParams
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.model_input import ModelInput, Storage


def main(
    small: Annotated[int, typer.Option(help="Rows of the smaller table.")] = 10_000,
    large: Annotated[int, typer.Option(help="Rows of the larger table.")] = 1_000_000,
    width: Annotated[int, typer.Option(help="Values a vector.")] = 128,
    length: Annotated[int, typer.Option(help="Items of a history.")] = 50,
    batch: Annotated[int, typer.Option(help="Rows a step.")] = 1024,
    steps: Annotated[int, typer.Option(help="Steps that are timed at a time.")] = 20,
    repeats: Annotated[int, typer.Option(help="Times that both are timed.")] = 5,
    markdown: Annotated[
        pathlib.Path | None, typer.Option(help="File for the table.")
    ] = None,
) -> None:
    """Time training steps on two tables that differ in their rows alone.

    The model looks up the vectors of an item and of its history, uniformly at random,
    projects them by one kernel and puts a tower on item and mean of the history. It
    has no embedding of the ids, whose updates are another matter. Both sizes take
    turns, so that whatever else the machine does slows both.

    python benchmarks/item_table.py --repeats 3
    """
    header = ("storage", "rows", "table, MB", "step, ms", f"times {small:,} rows")
    lines = []
    for storage in get_args(Storage):
        times: dict[int, list[float]] = {small: [], large: []}
        sizes = {}
        trainings = {n: _training(n, width, length, batch, storage) for n in times}
        for n, (trainer, _) in trainings.items():
            table = trainer.model.get_layer("vector")
            sizes[n] = sum(v.numpy().nbytes for v in table.frozen) / 1e6
        for _ in range(repeats):
            for n, training in trainings.items():
                times[n].append(_milliseconds(*training, batch, length, n, steps))
        base = statistics.median(times[small])
        for n, own in times.items():
            step = statistics.median(own)
            lines.append(
                (storage, f"{n:,}", f"{sizes[n]:.1f}", f"{step:.1f}", step / base)
            )
    title = f"Vectors of {width}, histories of {length}, {batch} rows a step"
    table = rich.table.Table(*header, title=title)
    cells = [[*line[:-1], f"{line[-1]:.2f}"] for line in lines]
    for row in cells:
        table.add_row(*row)
    rich.console.Console().print(table)
    if markdown is not None:
        rule = ["---"] + ["---:"] * (len(header) - 1)
        markdown.write_text(
            "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *cells))
        )


def _training(
    rows: int, width: int, length: int, batch: int, storage: Storage
) -> tuple[Trainer, np.random.Generator]:
    keras.utils.set_random_seed(0)
    inputs = (
        ModelInput("item", "id", "item", "item", rows),
        ModelInput("seen", "sequence", "user", "item", rows, length),
        ModelInput(
            "vector",
            "vector",
            "item",
            entity="item",
            entities=rows,
            width=width,
            storage=storage,
        ),
    )
    features = parts.symbolic_inputs(inputs)
    history = parts.lookup(features, "vector")(features["seen"])  # [B, L, width]
    project = keras.layers.Dense(64, use_bias=False, name="projection")
    joined = parts.concatenate(
        [project(features["vector"]), ops.mean(project(history), axis=1)]
    )
    tower = parts.tower(joined, TowerParams(hidden_units=(256, 128)))
    model = parts.click_model(features, parts.head(tower), name="item_table")
    random = np.random.default_rng(0)
    matrix = random.integers(-100, 100, (rows, width), np.int8)
    matrix[0] = 0
    scales = np.full(rows, 0.01, np.float32) if storage == "int8" else None
    model.get_layer("vector").fill(matrix.astype(storage, copy=False), scales)
    return Trainer(model, TrainingParams(batch_size=batch, epochs=1)), random


def _milliseconds(
    trainer: Trainer,
    random: np.random.Generator,
    batch: int,
    length: int,
    rows: int,
    steps: int,
) -> float:
    """A step's time, after a first epoch of one step, which traces the graph."""
    examples: list[Any] = []
    for n in (1, steps):
        features = {
            "item": random.integers(1, rows, n * batch).astype(np.int32),
            "seen": random.integers(1, rows, (n * batch, length)).astype(np.int32),
        }
        labels = (np.arange(n * batch) % 2).astype(np.float32)
        examples.append(InMemoryExamples(features, labels))
    valid, train = examples
    trainer.train(valid, valid)
    (record,) = trainer.train(train, valid)
    return 1000.0 * batch / record.examples_per_second


if __name__ == "__main__":
    typer.run(main)
