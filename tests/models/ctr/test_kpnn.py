import numpy as np
import pytest
from ctr_models import INPUTS, OURS, PUBLISHED, frappe_parameters, logits, randomize

from clickwright.models import registry

SMALL = {"embedding_dim": 2, "hidden_units": (4,)}
IPNN = 433_491


@pytest.mark.parametrize(
    ("kernel", "more"), [("mat", 45 * 100), ("vec", 45 * 10), ("num", 45)]
)
def test_kpnn_has_kernels_beside_the_parameters_of_ipnn(kernel: str, more: int) -> None:
    params = {"kernel": kernel}
    assert frappe_parameters("kpnn", PUBLISHED, params) == IPNN + more
    assert frappe_parameters("kpnn", OURS, params) == IPNN + more + 10 * 10


@pytest.mark.parametrize("kernel", ["mat", "vec", "num"])
def test_kpnn_starts_as_ipnn(kernel: str) -> None:
    model = registry.build("kpnn", INPUTS, {**SMALL, "kernel": kernel})
    ipnn = registry.build("ipnn", INPUTS, SMALL)
    randomize(ipnn)
    for name in ("embeddings", "tower", "head"):
        model.get_layer(name).set_weights(ipnn.get_layer(name).get_weights())
    np.testing.assert_allclose(logits(model), logits(ipnn), rtol=1e-6)


def test_kernels_are_penalized() -> None:
    params = {**SMALL, "l2": 0.0, "kernel": "num", "kernel_l2": 0.5}
    model = registry.build("kpnn", INPUTS, params)
    assert float(sum(model.losses)) == pytest.approx(0.25 * 3)
