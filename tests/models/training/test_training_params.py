"""What a configuration may say about training."""

from typing import Any

import pytest

from clickwright.models.training.params import TrainingParams


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("early_stop", 0),
        ("early_stopp", 3),
        ("monitor", "logloss"),
        ("seeds", 0),
        ("precision", "float16"),
        ("device", "tpu"),
        ("strategy", "horovod"),
        ("tensorboard", True),
        ("checkpoint_seconds", 0.0),
        ("checkpoint_steps", 0),
    ],
)
def test_unknown_names_and_values_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        TrainingParams(**{field: value})


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="does not go with `strategy: mirrored`"):
        TrainingParams(jit_compile=True, strategy="mirrored")
    with pytest.raises(ValueError, match="must not exceed"):
        TrainingParams(seed=2**32 - 1, seeds=2)
