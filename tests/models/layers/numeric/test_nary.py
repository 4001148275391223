import numpy as np
import pytest

from clickwright.models.layers.numeric.nary import Nary
from clickwright.schemas.numeric_encoding import NaryEncoding


def made(**settings: object) -> Nary:
    layer = Nary(["x"], [NaryEncoding.model_validate(settings, strict=False)], 4)
    layer.build((None, 1))
    return layer


def codes(layer: Nary, *values: float) -> list[list[float]]:
    x = np.array(values, np.float32)[:, None]
    return [np.round(row, 4).tolist() for row in np.asarray(layer.code(x))[0]]


def test_whole_numbers_have_hard_digits_and_others_lie_between() -> None:
    layer = made(low=0.0, high=8.0, bases=(3,), digits=(2,))
    # Lowest place first: digits 0, 1, 2 of the units, then of the threes.
    assert codes(layer, 0, 1, 5, 8, 5.25) == [
        [1, 0, 0, 1, 0, 0],
        [0, 1, 0, 1, 0, 0],
        [0, 0, 1, 0, 1, 0],
        [0, 0, 1, 0, 0, 1],
        [0.25, 0, 0.75, 0, 0.75, 0.25],
    ]


def test_values_beyond_the_range_are_cut_to_it() -> None:
    layer = made(low=-1.0, high=1.0)
    assert codes(layer, -7.0, 9.0) == codes(layer, -1.0, 1.0)


@pytest.mark.parametrize(("base", "digits"), [(2, 16), (10, 4), (5, 2), (65_536, 1)])
def test_every_number_of_a_system_has_its_digits(base: int, digits: int) -> None:
    top = base**digits - 1
    layer = made(low=0.0, high=float(top), bases=(base,), digits=(digits,))
    numbers = np.unique(np.linspace(0, top, 37).astype(int))
    code = np.asarray(layer.code(numbers[:, None].astype(np.float32)))[0]
    hard = code.reshape(len(numbers), digits, base).argmax(axis=2)
    want = np.stack([numbers // base**n % base for n in range(digits)], axis=1)
    np.testing.assert_array_equal(hard, want)
    np.testing.assert_allclose(
        code.reshape(len(numbers), digits, base).sum(axis=2), 1.0, atol=0.02
    )


def test_it_is_continuous() -> None:
    layer = made()
    for w in layer.weights:
        w.assign(np.random.default_rng(0).normal(size=w.shape))
    x = np.linspace(-0.1, 1.1, 20_001, dtype=np.float32)[:, None]
    got = np.asarray(layer(x))[:, 0]
    assert np.ptp(got, axis=0).min() > 0.3
    assert np.abs(np.diff(got, axis=0)).max() < 0.01


def test_it_refuses_number_systems_too_fine_for_float32() -> None:
    with pytest.raises(ValueError, match="at most 65536. Received: 131072"):
        Nary(["x"], [NaryEncoding(bases=(2,), digits=(17,))], 4)
