"""Parameters of training."""

from typing import Annotated, Literal

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel


class TrainingParams(StrictModel):
    """How a model is trained.

    Defaults are the protocol behind the BARS benchmark's figures (FuxiCTR): after each
    epoch the exact AUC on the validation split decides. An epoch that does not improve
    it divides the learning rate by ten, two such epochs in a row end the training, and
    the best epoch's weights are what comes out.
    """

    epochs: Annotated[int, Field(ge=1)] = 100
    """Most epochs; training mostly stops earlier."""
    batch_size: Annotated[int, Field(ge=1)] = 4096
    """Rows a step. The last, smaller batch of an epoch is used too."""
    optimizer: Literal["adam"] = "adam"
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    """Learning rate at the start."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-8
    """Adam's epsilon (Keras itself defaults to 1e-7)."""
    global_clipnorm: Annotated[float, Field(gt=0.0)] = 10.0
    """Largest norm of the gradient of all weights together."""
    early_stop: Annotated[int, Field(ge=1)] = 2
    """Epochs in a row without improvement after which training stops."""
    min_delta: Annotated[float, Field(ge=0.0)] = 1e-6
    """Least gain in validation AUC that counts as an improvement."""
    learning_rate_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Factor on the learning rate after each epoch without improvement."""
    min_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-6
    """The learning rate does not fall below."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of initial weights, dropout and the order of the rows."""
    max_train_rows: Annotated[int, Field(ge=1)] | None = None
    """Only this many rows, from the start of the training split; all when absent."""
