from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.layers.feature_hint import FeatureHint

FEATURES = [
    np.array([[1.0, 2.0], [0.0, 1.0]], np.float32),
    np.array([[3.0, 2.0], [0.0, 0.0]], np.float32),
    np.array([[2.0, 2.0], [0.0, 3.0]], np.float32),
]


def test_training_adds_the_mean_squared_distances_from_the_last() -> None:
    layer = FeatureHint(0.1)
    layer(FEATURES, training=True)
    # (1 + 0 + 0 + 4) / 4 and (1 + 0 + 0 + 9) / 4
    assert float(sum(layer.losses)) == pytest.approx(0.1 * (1.25 + 2.5))


def test_inference_adds_nothing_and_features_pass_unchanged() -> None:
    layer = FeatureHint(0.1)
    layer(FEATURES, training=True)
    got = layer(FEATURES, training=False)
    assert layer.losses == []
    for features, passed in zip(FEATURES, got, strict=True):
        np.testing.assert_array_equal(passed, features)


@pytest.mark.parametrize("detach", [False, True])
def test_the_teacher_moves_unless_it_is_detached(detach: bool) -> None:
    layer = FeatureHint(1.0, detach_teacher=detach)
    features = [tf.constant(f) for f in FEATURES]
    with tf.GradientTape() as tape:
        tape.watch(features)
        layer(features, training=True)
        penalty = sum(layer.losses)
    *students, teacher = tape.gradient(penalty, features)
    for student, gradient in zip(FEATURES, students, strict=False):
        np.testing.assert_allclose(gradient, (student - FEATURES[-1]) / 2)
    if detach:
        assert teacher is None
    else:
        total: Any = sum(np.asarray(g) for g in students)
        np.testing.assert_allclose(teacher, -total)


def test_a_hint_is_rebuilt_from_its_config() -> None:
    layer = FeatureHint(0.2, detach_teacher=True)
    symbolic = [keras.Input((2,)), keras.Input((2,))]
    assert [o.shape for o in layer(symbolic)] == [(None, 2), (None, 2)]
    again = FeatureHint.from_config(layer.get_config())
    assert (again.weight, again.detach_teacher) == (0.2, True)
    with pytest.raises(ValueError, match="`weight` must not be negative"):
        FeatureHint(-0.1)
