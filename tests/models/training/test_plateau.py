"""The protocol of learning rate, best epoch and early stopping."""

import math

import pytest
from training_rows import RECORD

from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.plateau import Plateau


def after(auc: float | None, logloss: float | None = 0.5) -> EpochRecord:
    return RECORD.model_copy(update={"valid_auc": auc, "valid_logloss": logloss})


def test_the_rate_falls_at_once_and_two_bad_epochs_end_the_training() -> None:
    plateau = Plateau(TrainingParams())
    seen = []
    for auc in (0.7, 0.8, 0.8 + 5e-7, 0.81, 0.80, 0.80):
        assert not plateau.stop
        best = plateau.update(after(auc))
        seen.append((best, plateau.learning_rate))
    assert plateau.stop
    # The third gain is below min_delta; the improvement after it does not raise the
    # rate again; the last two are bad in a row.
    assert [best for best, _ in seen] == [True, True, False, True, False, False]
    assert [rate for _, rate in seen] == pytest.approx(
        [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-6]
    )
    assert plateau.best_epoch == after(0.81)


def test_small_gains_add_up_against_the_last_best_epoch() -> None:
    plateau = Plateau(TrainingParams(min_delta=0.01, early_stop=9))
    aucs = (0.70, 0.706, 0.712, 0.718)
    assert [plateau.update(after(auc)) for auc in aucs] == [True, False, True, False]


def test_the_rate_stays_above_its_floor() -> None:
    plateau = Plateau(TrainingParams(early_stop=9))
    for _ in range(8):
        plateau.update(after(0.5))
    assert plateau.learning_rate == 1e-6


def test_patience_counts_bad_epochs_in_a_row() -> None:
    plateau = Plateau(TrainingParams(early_stop=3))
    for auc in (0.7, 0.6, 0.6, 0.8, 0.7, 0.7):
        plateau.update(after(auc))
        assert not plateau.stop
    plateau.update(after(0.7))
    assert plateau.stop


def test_the_monitor_may_weigh_the_log_loss_as_well() -> None:
    plateau = Plateau(TrainingParams(monitor="auc_minus_logloss"))
    assert plateau.update(after(0.80, 0.40))
    assert plateau.best == pytest.approx(0.40)
    assert plateau.update(after(0.79, 0.38))  # less AUC, yet more of both
    assert not plateau.update(after(0.81, 0.41))


@pytest.mark.parametrize("auc", [None, math.nan])
def test_an_unknown_auc_is_no_improvement(auc: float | None) -> None:
    plateau = Plateau(TrainingParams())
    assert not plateau.update(after(auc))
    assert plateau.best_epoch is None
