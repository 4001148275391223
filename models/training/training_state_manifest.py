"""What a training state says of itself."""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from clickwright.schemas.spec import FeatureSpec
from clickwright.schemas.strict_yaml import StrictModel

FILE_NAME = "manifest.json"

Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class KeptVariable(StrictModel):
    """A variable of the model, or what the optimizer keeps of one."""

    name: str
    """Path without the numbers that Keras gives to layers; see `variable_names`."""
    shape: tuple[Count, ...]
    dtype: str


class KeptSlot(KeptVariable):
    """What the optimizer keeps of a variable."""

    of: str
    """Name of the variable."""
    kind: str
    """Such as `momentum`, `velocity`, or `state` of tables with sparse updates."""


class Parent(StrictModel):
    """The model that a training started from."""

    state_sha256: Digest
    """`sha256` of its state's manifest."""
    span: Count | None = None
    model: str = ""
    """Where its state lay."""


class TrainingStateManifest(StrictModel):
    """What a training state is of; its arrays are files beside it.

    `state_sha256` of a child's `Parent` is `sha256` of this manifest, which holds the
    digests of all files: a state that was changed is another state.
    """

    version: Literal[1] = 1
    model: str
    """Name of the registered model."""
    params: dict[str, Any]
    """Its parameters, all of them."""
    spec: str
    """Name of the feature spec."""
    spec_sha256: Digest
    """`spec_sha256` of the feature spec."""
    optimizer: str
    """`optimizer` of the training parameters."""
    steps: Count
    """Steps of the optimizer, those of all ancestors included."""
    rows: Count
    """Rows of the training split."""
    span: Count | None = None
    """Number of the data's span; None where data have none."""
    vocabularies: dict[str, Count]
    """Values in each vocabulary whose rows can grow, by table."""
    variables: tuple[KeptVariable, ...]
    slots: tuple[KeptSlot, ...]
    probes: tuple[str, ...] = ()
    """Features whose fixed vectors are kept of some items."""
    files: dict[str, Digest] = Field(default_factory=dict)
    """SHA-256 of each file beside the manifest."""
    parent: Parent | None = None
    """None for a training that started from scratch."""
    started: dict[str, Count] = Field(default_factory=dict)
    """Rows that were new to each table when it started from a parent."""

    @pydantic.model_validator(mode="after")
    def _known(self) -> Self:
        known = {v.name for v in self.variables}
        if odd := [s.of for s in self.slots if s.of not in known]:
            raise ValueError(f"`slots` must be of `variables`. Received: {odd[0]}")
        return self

    @property
    def sha256(self) -> str:
        """Digest of all of it, and so of the state."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def spec_sha256(spec: FeatureSpec) -> str:
    """Digest of what a spec says of features, labels and weights.

    Left out is what does not change what a model's weights mean: splits, slices,
    drift, descriptions, and how often a value must occur or how many there may be.
    """
    content = spec.model_dump(
        mode="json", include={"features", "labels", "weight", "timestamp"}
    )
    for feature in content["features"].values():
        for name in ("description", "drift", "skew"):
            feature.pop(name, None)
        for name in ("min_count", "max_size"):
            feature.get("vocabulary", {}).pop(name, None)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
