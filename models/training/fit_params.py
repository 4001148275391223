"""Parameters that all trainings have."""

import abc
from typing import Annotated, ClassVar, Literal, Self

import pydantic
from pydantic import Field

from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.value_range import Space, ValueRange
from clickwright.schemas.strict_yaml import StrictModel

INDIFFERENT = frozenset(
    {"checkpoint_seconds", "checkpoint_steps", "device", "tensorboard"}
)
"""Parameters that change nothing in what comes out."""


class FitParams(StrictModel, abc.ABC):
    """How weights are found, whatever the model is for."""

    epochs: Annotated[int, Field(ge=1)] = 100
    """Most epochs; training mostly stops earlier."""
    batch_size: Annotated[int, Field(ge=1)] = 4096
    """Rows a step. The last, smaller batch of an epoch is used too."""
    optimizer: Literal["adam", "adamw", "adagrad", "ftrl"] = "adam"
    """Rule of the steps. Tables with sparse updates follow its lazy form; `adagrad`
    then keeps one accumulator a row."""
    table_updates: Literal["auto", "dense", "sparse"] = "auto"
    """What a step moves of embedding tables. `dense`: all rows, each with its L2
    penalty, as published figures have it; the time of a step grows with the table.
    `sparse`: rows that the batch looks up, and their penalty. `auto`: sparse for
    tables of a million values or more."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    """Learning rate at the start. `adagrad` and `ftrl` mostly want more."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-8
    """Epsilon of `adam`, `adamw` and `adagrad` (Keras itself defaults to 1e-7)."""
    weight_decay: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    """Of `adamw`, whose decay it is; 0.01 when absent."""
    l1: Annotated[float, Field(ge=0.0)] = 0.0
    """L1 strength of `ftrl` on embedding tables; makes weights exactly zero."""
    global_clipnorm: Annotated[float, Field(gt=0.0)] = 10.0
    """Largest norm of the gradient of all weights together."""
    early_stop: Annotated[int, Field(ge=1)] = 2
    """Epochs in a row without improvement after which training stops."""
    min_delta: Annotated[float, Field(ge=0.0)] = 1e-6
    """Least gain in the monitor that counts as an improvement."""
    learning_rate_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Factor on the learning rate after each epoch without improvement."""
    min_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-6
    """The learning rate does not fall below."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of initial weights, dropout and the order of the rows."""
    seeds: Annotated[int, Field(ge=1, le=100)] = 1
    """Trainings one after the other, from `seed`, `seed` + 1 ...; the one with the best
    validation is exported, mean and deviation of all stand in
    `training_summary.json`."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Arithmetic of the layers; weights, embeddings, logits and losses stay float32.
    The mixed ones pay on accelerators. `mixed_float16` scales the loss by itself."""
    jit_compile: bool = False
    """Whether XLA compiles the training step. Slower on CPUs, and each size of batch
    is compiled anew."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where training runs; `auto` takes a GPU if there is one."""
    strategy: Literal["none", "mirrored"] = "none"
    """`mirrored` deals every batch to all devices of the kind, sums their gradients
    and keeps a copy of the model on each. Batch normalization takes the statistics of
    a device's share. With a single device it is `none`."""
    checkpoint_seconds: Annotated[float, Field(gt=0.0)] = 300.0
    """Seconds after which the state is kept within an epoch; it is always kept after
    one."""
    checkpoint_steps: Annotated[int, Field(ge=1)] | None = None
    """Steps after which the state is kept within an epoch, whatever the time."""
    tensorboard: Literal["scalars", "histograms", "off"] = "scalars"
    """What TensorBoard gets after an epoch: the log's figures and the norm of the
    gradient; also the norms of embedding rows by table and the gradients by layer, on
    the first batch; or nothing."""

    SPACE: ClassVar[Space] = {
        "learning_rate": ValueRange(min=1e-4, max=1e-2, log=True),
    }
    """What a search tries for these parameters."""

    def keeps(self, steps: int, seconds: float) -> bool:
        """Whether the state is to be kept within an epoch.

        Args:
            steps: steps of the epoch so far.
            seconds: seconds since it was kept last.
        """
        every = self.checkpoint_steps
        if every is not None and steps % every == 0:
            return True
        return seconds > self.checkpoint_seconds

    @abc.abstractmethod
    def monitored(self, record: EpochRecord) -> float | None:
        """What decides after an epoch: more is better, NaN is worst.

        None where the epoch was not validated, and so decides nothing.
        """

    @abc.abstractmethod
    def said_of(self, record: EpochRecord) -> str:
        """The validation in a few words, for progress messages; empty without one."""

    @pydantic.model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.jit_compile and self.strategy == "mirrored":
            raise ValueError("`jit_compile` does not go with `strategy: mirrored`")
        if self.weight_decay is not None and self.optimizer != "adamw":
            raise ValueError("`weight_decay` goes with `optimizer: adamw` alone")
        if self.l1 and self.optimizer != "ftrl":
            raise ValueError("`l1` goes with `optimizer: ftrl` alone")
        if self.seed + self.seeds > 2**32:
            raise ValueError("`seed` + `seeds` must not exceed 2 ** 32")
        return self
