"""AutoInt+: self-attention over the fields and a dense tower."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.autoint_plus_params import AutoIntPlusParams
from clickwright.models.layers.field_attention import FieldAttention
from clickwright.schemas.model_input import ModelInput


def build_autoint_plus(
    inputs: Sequence[ModelInput], params: AutoIntPlusParams
) -> keras.Model:
    """`p = sigmoid(y_attention + y_deep)`, plus `y_linear` with `wide`.

    * `y_attention`: a linear head on the fields after `attention_layers` layers of
      `FieldAttention`, concatenated;
    * `y_deep`: the tower on the concatenated embeddings, with a linear head.

    Heads attend within themselves, as the paper has it; so does FuxiCTR v1.2.2. With
    `V` table rows, `F` fields and `A = attention_dim`, parameters number `V D + 4 D A
    + (L - 1) 3 A^2 + 2 L A + F A + 1 + tower + h_n + 1`: only the first layer changes
    the width and needs a matrix for its residual.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    References:
        Song et al., AutoInt, CIKM 2019 (arXiv 1810.11921).
    """
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    fields = embeddings
    for n in range(params.attention_layers):
        fields = FieldAttention(
            params.attention_dim,
            params.heads,
            use_residual=params.use_residual,
            use_scale=params.use_scale,
            layer_norm=params.layer_norm,
            dropout=params.dropout,
            name=f"attention_{n}",
        )(fields)  # [B, F, A]
    attended = keras.layers.Flatten(name="flatten_attention")(fields)
    terms = [parts.head(attended, name="attention_head")]  # [B, 1] each
    if params.hidden_units:
        tower = parts.tower(parts.flatten(embeddings), params)
        terms.append(parts.head(tower))
    if params.wide:
        terms.append(parts.linear(features, inputs, params))
    return parts.click_model(features, parts.add(terms), name="autoint_plus")
