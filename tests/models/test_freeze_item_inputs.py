import dataclasses

import keras
import numpy as np
import pytest
from sequence_shop import FEATURES, INPUTS, TABLES, fill
from zoo_shop import SMALL

from clickwright.models import registry
from clickwright.models.freeze_numeric import freeze_numeric
from clickwright.schemas.numeric_encoding import AutoDisEncoding


@pytest.mark.parametrize("name", ["dnn", "din"])
def test_frozen_numbers_leave_kernels_and_item_tables_as_they_were(name: str) -> None:
    keras.utils.set_random_seed(1)
    inputs = [
        dataclasses.replace(i, numeric=AutoDisEncoding(meta_embeddings=4))
        if i.name == "price"
        else i
        for i in INPUTS
    ]
    model = fill(registry.build(name, inputs, SMALL.get(name)))
    want = np.asarray(model(FEATURES, training=False)["probability"])
    assert want.std() > 1e-5

    copy, report = freeze_numeric(model, {"price": (-4.0, 4.0)})

    assert list(report.fields) == ["embeddings/price"]
    kinds = [i.numeric.kind for i in copy.get_layer("embeddings").inputs if i.numeric]
    assert kinds == ["tabulated"]
    np.testing.assert_allclose(
        copy(FEATURES, training=False)["probability"], want, rtol=0, atol=2e-3
    )
    for table, rows in TABLES.items():
        np.testing.assert_array_equal(copy.get_layer(table)(np.arange(len(rows))), rows)
    for vector, kernel in model.get_layer("embeddings").kernels.items():
        np.testing.assert_array_equal(
            copy.get_layer("embeddings").kernels[vector], kernel
        )
