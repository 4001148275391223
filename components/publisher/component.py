"""The publisher as a node of a pipeline."""

import typing
from collections.abc import Mapping, Sequence

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.publisher.executor import Executor
from clickwright.components.publisher.release_record import STABLE, Label
from clickwright.components.publisher.spec import PublisherSpec
from clickwright.components.publisher.version_store import VersionStore
from clickwright.schemas.errors import ConfigError, MachineError


class Publisher(base_component.BaseComponent):
    """Gives a blessed model to the model server, whole or not at all.

    Writes `<destination>/<model_name>/<version>`, then names the version in
    `<destination>/models.config`, which the server reads; see `VersionStore` and
    `ReleaseBook`.

    Args:
        model: channel of the `Model` to publish.
        model_blessing: channel of its `ModelBlessing`. It is obeyed whenever it is
            given.
        infra_blessing: channel of its `InfraBlessing`, which is obeyed likewise.
        destination: the serving root: a folder, or an address that starts with `s3://`
            or `gs://`.
        model_name: name under which the model server offers the model.
        keep: how many versions stay, the newest included; those that are served stay
            beside them.
        label: `stable`: the version answers users at once; `canary`: it is served
            beside the stable one, on trial.
        signatures: the staged copy is loaded as a model server would, and must offer
            these; empty: it is not loaded.
        require_blessing: without a blessing nothing is published; say False to
            publish a model that nothing has judged.
        provenance: what the manifest says about the model's origin, beside the
            artifact ids. A value that changes with each run keeps the run from
            being cached.
        local: whether this machine runs it. If not, only that machine needs the
            package for the destination's scheme.

    Raises:
        ConfigError: an argument breaks its rule.
        MachineError: the package for the destination's scheme is not installed.

    Outputs:
        `pushed_model`: a `PushedModel` with the custom properties of TFX's Pusher
        (`pushed`, and if that is 1 `pushed_destination` and `pushed_version`) and a
        copy of the version's manifest.
    """

    SPEC_CLASS = PublisherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel | None = None,
        infra_blessing: types.BaseChannel | None = None,
        *,
        destination: str,
        model_name: str,
        keep: int = 5,
        label: Label = STABLE,
        signatures: Sequence[str] = ("serving_default", "predict_raw"),
        require_blessing: bool = True,
        provenance: Mapping[str, str] | None = None,
        local: bool = True,
    ) -> None:
        # Refuses bad values now, rather than at the end of the training.
        try:
            VersionStore(destination, model_name, keep)
        except MachineError:
            if local:
                raise
        if label not in typing.get_args(Label):
            raise ConfigError(
                f"A version is published as {' or '.join(typing.get_args(Label))}. "
                f"Received: {label!r}.",
                where="label",
                fix="give one of these",
            )
        if model_blessing is None and require_blessing:
            raise ConfigError(
                "`model_blessing` is missing, and `require_blessing` is true.",
                where="publisher",
                fix="give the evaluator's blessing, or say `require_blessing=False`",
            )
        super().__init__(
            spec=PublisherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
                destination=destination,
                model_name=model_name,
                keep=keep,
                label=label,
                signatures=list(signatures),
                require_blessing=require_blessing,
                provenance=dict(provenance or {}),
            )
        )
