"""EKTF: an ensemble of towers over one embedding table that teach each other."""

from collections.abc import Sequence

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.ctr.ektf_params import EKTFParams
from clickwright.models.layers.stacked_mlp import StackedMLP
from clickwright.models.losses.ensemble_transfer import EnsembleTransfer
from clickwright.schemas.model_input import ModelInput


def build_ektf(inputs: Sequence[ModelInput], params: EKTFParams) -> keras.Model:
    """`p = sigmoid(mean_s z_s)`, `z_s` the logit of student `s`.

    A student is a tower and a head on the concatenated embeddings, which all students
    share. With `V` table rows, `S` students, `N = F * embedding_dim` and widths `h`,
    parameters number `V D + S (sum_l (h_{l-1} h_l + h_l + 2 h_l) + h_n + 1)`, `h_0 =
    N` (without batch normalization no `2 h_l`).

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch], "logits":
        [batch, S]}`.

    References:
        EKTF (salmon1802/EKTF), later called KDEF; the variant with equal students.
    """
    features = parts.symbolic_inputs(inputs)
    x = parts.flatten(parts.embed(features, inputs, params))  # [B, N]
    towers = StackedMLP(
        params.students,
        params.hidden_units,
        activation=params.activation,
        batch_norm=params.batch_norm,
        dropout=params.dropout,
        name="students",
    )(x)  # [B, S, h_n]
    logits = keras.layers.EinsumDense(
        "bsh,sh->bs",
        output_shape=(params.students,),
        bias_axes="s",
        kernel_initializer=keras.initializers.RandomNormal(
            stddev=(2.0 / (params.hidden_units[-1] + 1)) ** 0.5
        ),
        dtype="float32",
        name="logits",
    )(towers)  # [B, S]
    mean = ops.mean(logits, axis=-1, keepdims=True)  # [B, 1]
    return parts.click_model(features, mean, name="ektf", logits=logits)


def ektf_loss(params: EKTFParams) -> EnsembleTransfer:
    """Cross-entropy of the students and what they teach each other."""
    return EnsembleTransfer(params.transfer, params.detach_exam)
