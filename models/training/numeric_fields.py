"""The trained encoders of numeric fields, apart from the model, for inspection."""

import pathlib
from collections.abc import Sequence

import keras

from clickwright.models.ctr.parts import symbolic_inputs
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.schemas.errors import storage_error
from clickwright.schemas.model_input import ModelInput

FILE_NAME = "numeric_fields.keras"
LAYER_NAME = "numeric_fields"


def write_numeric_fields(model: keras.Model, folder: pathlib.Path) -> None:
    """Writes what embeds a model's numeric fields as a small Keras model of its own.

    It takes the scaled values by name and gives their embeddings, `[batch, F, D]`;
    tables of ids, which may be large, stay out. Nothing is written for a model that
    gives its numeric fields no more than a weight each. The model must still have the
    encoders that it was trained with.

    Args:
        model: a trained model of the registry.
        folder: where `FILE_NAME` goes.

    Raises:
        MachineError: the folder cannot be written to, or the disk is full.
    """
    fields = numeric_fields(model)
    if fields is None:
        return
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fields.save(path)
    except OSError as error:
        raise storage_error(error, path) from error


def read_numeric_fields(folder: pathlib.Path) -> FusedEmbedding | None:
    """The layer that `write_numeric_fields` wrote; None where it wrote none."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    layer: FusedEmbedding = keras.saving.load_model(path, compile=False).get_layer(
        LAYER_NAME
    )
    return layer


def numeric_fields(model: keras.Model) -> keras.Model | None:
    """A model of the numeric fields alone, with copies of their weights.

    Of several embeddings, the first of more than one value: first-order terms have
    one.
    """
    for layer in model._flatten_layers():
        if not isinstance(layer, FusedEmbedding) or layer.width < 2:
            continue
        kept = [i for i in layer.inputs if i.kind == "value"]
        if kept:
            return _copy(layer, kept)
    return None


def _copy(layer: FusedEmbedding, kept: Sequence[ModelInput]) -> keras.Model:
    fields = FusedEmbedding(kept, layer.width, name=LAYER_NAME, dtype="float32")
    inputs = symbolic_inputs(kept)
    model = keras.Model(inputs, fields(inputs))
    if fields.embeddings is not None:
        rows = [layer.row_ranges[name][0] for name in fields.row_ranges]
        fields.embeddings.assign(keras.ops.take(layer.embeddings, rows, axis=0))
    if fields.numeric is not None and layer.numeric is not None:
        fields.numeric.set_weights(layer.numeric.get_weights())
    return model
