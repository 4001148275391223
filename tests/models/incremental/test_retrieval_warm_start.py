"""Warm starts of models that rank the whole catalogue."""

import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from warm_rows import NEW, OLD, SPEC, inputs_of

from clickwright.models import registry
from clickwright.models.incremental.keep_state import keep_state
from clickwright.models.incremental.warm_start import WarmStart, learned_variables
from clickwright.models.training.placement import placement
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.training.retrieval_trainer import RetrievalTrainer
from clickwright.schemas.incremental import Incremental

PARAMS: dict[str, dict[str, Any]] = {
    "gru4rec": {"embedding_dim": 4, "units": [4]},
    "sasrec": {"embedding_dim": 4},
    "bert4rec": {"embedding_dim": 4, "heads": 2},
    "two_tower": {"embedding_dim": 4},
}


def trainer_of(name: str, vocabularies: dict[str, list[str]]) -> RetrievalTrainer:
    params = RetrievalTrainingParams(batch_size=8, epochs=1)
    with placement(params):
        keras.utils.set_random_seed(0)
        model = registry.build(name, inputs_of(vocabularies), PARAMS[name])
        return RetrievalTrainer(model, params)


@pytest.mark.parametrize("name", PARAMS)
def test_items_keep_their_rows_and_slots_and_new_ones_start_as_unknown(
    tmp_path: pathlib.Path, name: str
) -> None:
    parent, child = trainer_of(name, OLD), trainer_of(name, NEW)
    rng = np.random.default_rng(1)
    trained = [s.variable for s in parent._kept.slots()]
    trained += parent.model.trainable_variables
    for variable in trained:
        variable.assign(rng.normal(size=variable.shape))
    keep_state(
        tmp_path / "state",
        parent.model,
        parent.optimizer_state(),
        name=name,
        params=registry.parse_params(name, PARAMS[name]),
        training=RetrievalTrainingParams(),
        spec=SPEC,
        plan=None,
        vocabularies=OLD,
        rows=1,
        span=1,
        start=None,
    )
    start = WarmStart.of(
        tmp_path / "state",
        Incremental(),
        name=name,
        params=registry.parse_params(name, PARAMS[name]),
        spec=SPEC,
        plan=None,
        vocabularies=NEW,
        inputs=inputs_of(NEW),
    )
    child.start_from(start)
    # Padding and 14 items; unknown ones; what models lay behind them.
    source = [*range(15), 15, 15, *range(15, 99)]
    new = [15, 16]
    grown = 0
    before, after = (learned_variables(t.model) for t in (parent, child))
    users = 1 + len(OLD["user"]) + 2
    for variable in before:
        old, now = before[variable].numpy(), after[variable].numpy()
        if len(old.shape) and old.shape != now.shape:
            if not after[variable].trainable:
                continue  # told by the data
            if len(old) == users and name == "two_tower":
                np.testing.assert_array_equal(now[:10], old[:10])
                np.testing.assert_array_equal(now[13:], old[10:])
                continue
            grown += 1
            np.testing.assert_array_equal(now, old[source[: len(now)]])
        else:
            np.testing.assert_array_equal(now, old)
    assert grown == (2 if name in ("gru4rec", "bert4rec") else 1)
    old_slots = {(s.of, s.kind): s.variable.numpy() for s in parent._kept.slots()}
    for slot in child._kept.slots():
        old, now = old_slots[slot.of, slot.kind], slot.variable.numpy()
        if old.shape == now.shape:
            np.testing.assert_array_equal(now, old)
        elif len(old) != users or name != "two_tower":
            assert not now[new].any()
            np.testing.assert_array_equal(now[:15], old[:15])
            np.testing.assert_array_equal(now[17:], old[15:])


def test_a_warm_start_goes_on_with_the_last_stage_and_the_parents_optimizer(
    tmp_path: pathlib.Path,
) -> None:
    trainer = trainer_of("sasrec", OLD)
    for slot in trainer._kept.slots():
        slot.variable.assign(slot.variable + 1.0)
    trainer._started = True
    trainer._begin_epoch(1)
    assert all(s.variable.numpy().min() == 1.0 for s in trainer._kept.slots())
    assert trainer._first_epochs == 0 and trainer._stage(1) == trainer.model.stages[-1]
