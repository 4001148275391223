"""All that a process needs to train trials."""

from typing import Any

from clickwright.schemas.strict_yaml import StrictModel


class TrialSetting(StrictModel):
    """What all trials of a search have in common, ready for JSON."""

    model: str
    """The registered model."""
    model_params: dict[str, Any]
    """Its parameters, as configured."""
    training: dict[str, Any]
    """Parameters of the training, as configured."""
    spec: str
    """The feature spec as JSON."""
    inputs: tuple[dict[str, Any], ...]
    """What the model reads; see `ModelInput.to_dict`."""
    item_tables: dict[str, str]
    """Folder of each entity's item table."""
    digests: dict[str, str]
    """Of the vocabularies of these entities."""
    train_files: tuple[str, ...]
    """Transformed examples to learn from."""
    valid_files: tuple[str, ...]
    """Transformed examples that decide."""
    max_rows: int | None = None
    """Only this many rows of the training split; all when None."""
    objective: str | None = None
    """What is compared; what the training monitors when None."""
    rows_folder: str | None = None
    """Where rows go that do not fit into memory, a folder a process; None: nowhere."""
    processes: int = 1
    """How many processes share the machine."""
