import functools
import pathlib

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.field_aware_interaction import FieldAwareInteraction
from clickwright.models.layers.fm_interaction import FMInteraction

RANDOM = np.random.default_rng(0)


def test_the_field_aware_interaction_passes_the_battery(tmp_path: pathlib.Path) -> None:
    x = RANDOM.normal(size=(4, 3, 4)).astype(np.float32)
    check_layer(functools.partial(FieldAwareInteraction), x, (4, 1), tmp_path)


@pytest.mark.parametrize("fields", [2, 3, 5])
def test_each_pair_multiplies_the_vectors_that_the_two_have_for_each_other(
    fields: int,
) -> None:
    vectors = RANDOM.normal(size=(4, fields, fields - 1, 3)).astype(np.float32)
    want = []
    for v in vectors:
        # A field's vectors stand in the order of the other fields.
        own = [
            dict(zip([g for g in range(fields) if g != f], v[f], strict=True))
            for f in range(fields)
        ]
        want.append(
            sum(
                own[i][j] @ own[j][i]
                for i in range(fields)
                for j in range(i + 1, fields)
            )
        )
    got = FieldAwareInteraction()(vectors.reshape(4, fields, -1))
    np.testing.assert_allclose(np.asarray(got)[:, 0], want, rtol=1e-4, atol=1e-5)


def test_equal_vectors_for_all_fields_give_a_factorization_machine() -> None:
    fields = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    got = FieldAwareInteraction()(np.tile(fields, (1, 1, 2)))
    assert float(got[0, 0]) == float(FMInteraction()(fields)[0, 0]) == 67.0


@pytest.mark.parametrize("shape", [(2, 1, 3), (2, 4, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least two fields"):
        FieldAwareInteraction()(np.zeros(shape, np.float32))
