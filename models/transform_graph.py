"""The transform graph of a run inside an exported model."""

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.python.eager import wrap_function  # what Transform prunes with
from tensorflow_transform import tf2_utils


class TransformGraph:
    """Transforms raw columns with what the wanted tensors take, and nothing else.

    Transform's own layer runs the whole graph, labels included, as one function, with
    empty columns in place of those that are not given; a signature that calls it for
    the user and for the items would do everything twice.

    Args:
        transform_output: the artifact of Transform.

    Attributes:
        resources: tables and vocabularies, for an export archive to track.
    """

    def __init__(self, transform_output: tft.TFTransformOutput) -> None:
        self.resources = tf.saved_model.load(transform_output.transform_savedmodel_dir)
        graph = self.resources.transform_fn.graph
        self._inputs = tf2_utils.get_structured_inputs_from_func_graph(graph)
        # Each output waits for the lookups of all others.
        outputs, _ = tf2_utils.strip_and_get_tensors_and_control_dependencies(
            graph.outputs
        )
        self._outputs = tf.nest.pack_sequence_as(
            graph.structured_outputs, outputs, expand_composites=True
        )
        self._shapes = {
            name: x.shape
            for name, x in tf.nest.pack_sequence_as(
                graph.structured_outputs, graph.outputs, expand_composites=True
            ).items()
        }
        self._function = wrap_function.WrappedFunction(
            graph, wrap_function.VariableHolder(share_variables=True)
        )

    def __call__(
        self, columns: Mapping[str, Any], outputs: Collection[str]
    ) -> dict[str, tf.Tensor]:
        """Returns the transformed tensors `outputs`.

        Args:
            columns: raw columns, as parsing tf.Examples gives them.
            outputs: names of tensors that these columns suffice for.
        """
        names = sorted(columns)
        feeds = tf.nest.flatten(
            [self._inputs[name] for name in names], expand_composites=True
        )
        fetches = {name: self._outputs[name] for name in outputs}
        pruned = self._function.prune(feeds, fetches)
        values = tf.nest.flatten(
            [columns[name] for name in names], expand_composites=True
        )
        # A loaded graph has lost the shapes inside of it.
        return {
            name: tf.ensure_shape(x, self._shapes[name])
            for name, x in pruned(*values).items()
        }
