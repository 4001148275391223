import functools
import pathlib

import numpy as np
from layer_battery import check_layer

from clickwright.models.layers.summed_outer_product import SummedOuterProduct

EMBEDDINGS = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)


def test_the_summed_outer_product_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(functools.partial(SummedOuterProduct), EMBEDDINGS, (4, 4), tmp_path)


def test_it_is_the_sum_of_the_outer_products_of_all_fields_with_all() -> None:
    want = [
        np.sum([np.outer(u, v) for u in fields for v in fields], axis=0).ravel()
        for fields in EMBEDDINGS
    ]
    got = SummedOuterProduct()(EMBEDDINGS)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
