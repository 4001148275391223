"""What is kept of a board: of one training, of one line, of all."""

from typing import Any, Literal

import pydantic

State = Literal["met", "missed", "open", "free"]
"""`met` or `missed` what is required; `open` while that cannot be told; `free` where
nothing is required."""


class Record(pydantic.BaseModel):
    """Base of the records: frozen, unknown keys refused."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class CurvePoint(Record):
    """What is known after an epoch."""

    epoch: int
    seconds: float
    """Since the start of the training, validation included."""
    loss: float | None
    valid_auc: float | None
    valid_logloss: float | None
    learning_rate: float | None
    examples_per_second: float | None


class Machine(Record):
    """Where a training ran."""

    python: str
    packages: dict[str, str]
    processor: str
    cores: int
    """Processors that the process may use."""
    memory_gib: float
    accelerator: str | None
    """Name of the GPU; None where there is none."""


class TrialResult(Record):
    """One run of the board with one seed."""

    key: str
    seed: int
    digest: str
    """Of settings, data and packages."""
    model: str
    params: dict[str, Any]
    training: dict[str, Any]
    min_count: int
    train_file: str
    table_rows: int
    """Rows of all embedding tables."""
    row_width: int
    """Trained numbers a table row, in tables that have all the rows."""
    parameters: int
    """Trained numbers."""
    test_auc: float
    test_logloss: float
    examples_per_second: float
    """Training rows a second, median over the epochs."""
    seconds: float
    """Training and validation; pauses after a kill do not count."""
    peak_memory_bytes: int
    """Largest resident size of the process during the training."""
    curve: tuple[CurvePoint, ...]
    machine: Machine


class BoardRow(Record):
    """One run of the board: what is published, what is ours."""

    key: str
    model: str
    settings: dict[str, Any]
    """Model parameters that differ from the defaults, training parameters that differ
    from the board's, and `min_count`."""
    source: str | None
    note: str
    published_auc: float | None
    published_auc_mean: float | None
    published_auc_std: float | None
    published_logloss: float | None
    published_parameters: int | None
    required_auc: float | None
    """Least mean test AUC; of another run's mean where the board says so."""
    required_of: str | None
    """Key of that other run."""
    state: State
    seeds: tuple[int, ...]
    """Seeds that were trained; empty where the run was not."""
    auc: float | None
    """Mean test AUC of ours."""
    auc_std: float | None
    """Standard deviation (population) over the seeds; None for one seed."""
    difference: float | None
    """Ours less what is published: the mean there, if there is one."""
    logloss: float | None
    parameters: int | None
    expected_parameters: int | None
    """What is published, in tables with as many rows as ours."""
    epochs: float | None
    """Mean number of epochs."""
    seconds: float | None
    """Mean time of a training."""
    examples_per_second: float | None
    peak_memory_bytes: int | None
    machines: tuple[int, ...]
    """Where its trainings ran: places in the record's list of machines."""
    curves: dict[int, tuple[CurvePoint, ...]]
    """By seed."""


class BoardRecord(Record):
    """A whole board; the document and its JSON are made from this alone."""

    name: str
    title: str
    data: str
    """Name of the product's data set."""
    train_file: str
    train_note: str
    """What a reader must know of that file."""
    fingerprint: str
    """Digest of the raw files."""
    training: dict[str, Any]
    """Training parameters of all runs, where a run says nothing else."""
    machines: tuple[Machine, ...]
    rows: tuple[BoardRow, ...]
