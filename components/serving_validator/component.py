"""The serving validator as a node of a pipeline."""

from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from clickwright.components.serving_validator.executor import Executor
from clickwright.components.serving_validator.params import ServingParams
from clickwright.components.serving_validator.spec import ServingValidatorSpec


class ServingValidator(base_component.BaseComponent):
    """Tries a model in a model server before it is published.

    It does what TFX's InfraValidator is for, without Docker or Kubernetes: the server
    is a process of its own on the machine that the component runs on, be that yours or
    a container of Vertex or Kubeflow. `tensorflow_model_server` is taken where it is
    installed, else Clickwright's own; `CLICKWRIGHT_MODEL_SERVER` names another.

    The model must offer its signatures, hold no operation that a server should not run,
    answer its golden requests over gRPC and REST as the training graph did, keep the
    time budget and the memory budget. What it fails in is said with figures.

    Args:
        model: channel of the `Model`.
        baseline_model: channel of the latest blessed `Model`, to compare times with; it
            may be empty.
        model_blessing: channel of the model's `ModelBlessing`. A model that is not
            blessed is not tried, and not blessed here either.
        signatures: what the model must offer.
        params: what it must reach.

    Outputs:
        `blessing`: an `InfraBlessing` with the custom property and the file of TFX's
        InfraValidator, the model's id, and `serving_validation.json` for
        `read_validation`.

    Raises:
        MachineError: when it runs, there is no model server.
    """

    SPEC_CLASS = ServingValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel | None = None,
        model_blessing: types.BaseChannel | None = None,
        *,
        signatures: Sequence[str],
        params: ServingParams | None = None,
    ) -> None:
        super().__init__(
            ServingValidatorSpec(
                model=model,
                baseline_model=baseline_model,
                model_blessing=model_blessing,
                signatures=list(signatures),
                params=(params or ServingParams()).model_dump_json(by_alias=True),
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
