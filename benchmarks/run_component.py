"""A TFX component's executor, called as TFX calls it."""

import pathlib
import time
from collections.abc import Mapping
from typing import Any

# The runner by name: DirectRunner fetches another one from the network if it can.
# The image is not used by it, but spares TFX from packing itself, seconds a step.
BEAM = ["--runner=FnApiRunner", "--sdk_container_image=none"]


def run_component(
    component: Any, inputs: Mapping[str, list[Any]], folder: pathlib.Path
) -> tuple[dict[str, list[Any]], float]:
    """Returns a component's outputs, in new folders below `folder`, and the seconds."""
    from tfx.dsl.components.base import base_beam_executor

    outputs = {}
    for key, channel in component.outputs.items():
        artifact = channel.type()
        artifact.uri = str(folder / key)
        pathlib.Path(artifact.uri).mkdir(parents=True)
        outputs[key] = [artifact]
    given = {k: v for k, v in component.exec_properties.items() if v is not None}
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=list(BEAM), tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    start = time.perf_counter()
    component.executor_spec.executor_class(context).Do(inputs, outputs, given)
    return outputs, time.perf_counter() - start
