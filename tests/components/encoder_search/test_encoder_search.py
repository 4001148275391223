"""The logic of the search, with a trainer whose losses are known."""

import collections
import itertools
import math
import pathlib
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from clickwright.components.encoder_search.found import Found
from clickwright.components.encoder_search.params import SearchParams
from clickwright.components.encoder_search.rung import planned_epochs, rungs
from clickwright.components.encoder_search.screening import design, effects, options
from clickwright.components.encoder_search.search import search
from clickwright.components.encoder_search.trial import Trial, TrialResult
from clickwright.components.encoder_search.trial_store import FILE_NAME, TrialStore
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.numeric_encoding import ENCODERS

COMMON: Mapping[str, float] = {
    "linear": 0.003,
    "log_linear": 0.002,
    "buckets": 0.0006,
    "piecewise_linear": 0.0004,
    "periodic": 0.001,
    "autodis": 0.0003,
    "nary": 0.0011,
    "mlp": 0.0012,
}
"""What each encoder adds to the loss, for most fields."""
ODD: Mapping[str, float] = {**COMMON, "piecewise_linear": 0.0, "autodis": 0.0015}
"""For fields that want another encoder than most."""
AMPLE = 10_000


def uniform(rng: np.random.Generator) -> dict[str, float]:
    return {encoder: float(rng.uniform(0.0, 0.002)) for encoder in ENCODERS}


class FakeTrainer:
    """Losses that add up over the fields, with an effect of the seed and noise."""

    def __init__(
        self,
        tables: Sequence[Mapping[str, float]],
        noise: float = 0.0,
        draw: int = 0,
    ) -> None:
        self.trials: list[Trial] = []
        self._tables = tables
        self._noise = noise
        self._draw = draw

    def loss(self, encoders: tuple[str, ...]) -> float:
        """Expected loss, without what seed and epochs add."""
        return 0.4 + sum(t[e] for t, e in zip(self._tables, encoders, strict=True))

    def __call__(self, trial: Trial) -> TrialResult:
        self.trials.append(trial)
        own = np.random.default_rng(zlib.crc32(repr((trial, self._draw)).encode()))
        # The effect of the seed is larger than all differences.
        seed = np.random.default_rng(trial.seed).normal(0.0, 0.01)
        loss = self.loss(trial.encoders) + seed + 0.02 / trial.epochs
        return TrialResult(loss + own.normal(0.0, self._noise), trial.epochs)


def _uniform(
    fields: int, encoders: tuple[str, ...] = ENCODERS
) -> list[tuple[str, ...]]:
    return [(encoder,) * fields for encoder in encoders]


def _names(fields: int) -> list[str]:
    return [f"x{n}" for n in range(fields)]


def _search(
    trainer: Callable[[Trial], TrialResult],
    fields: int,
    budget: int = AMPLE,
    params: SearchParams | None = None,
    candidates: list[tuple[str, ...]] | None = None,
) -> Found:
    return search(
        _names(fields),
        candidates or _uniform(fields),
        params or SearchParams(),
        trainer,
        seed=7,
        epochs=6,
        budget=budget,
    )


@pytest.mark.parametrize("winner", ENCODERS)
def test_the_best_encoder_of_a_single_field_wins(winner: str) -> None:
    trainer = FakeTrainer([{**COMMON, winner: 0.0}])

    found = _search(trainer, fields=1)

    assert found.encoders == (winner,)
    assert found.uniform
    account = found.searches["x0"]
    assert account.winner == winner
    second = min(loss for name, loss in COMMON.items() if name != winner)
    assert account.margin == pytest.approx(second)
    assert {c.encoder for c in account.candidates} == set(ENCODERS)


def test_fields_that_want_another_encoder_get_it() -> None:
    tables = [ODD if n in (1, 4) else COMMON for n in range(6)]
    trainer = FakeTrainer(tables)

    found = _search(trainer, fields=6)

    assert found.encoders == tuple(
        "piecewise_linear" if n in (1, 4) else "autodis" for n in range(6)
    )
    assert not found.uniform
    # Against piecewise_linear for all: 4 fields gain 0.0001 each.
    assert found.searches["x0"].margin == pytest.approx(0.0004)
    assert "switch" in found.reasons["x1"] or "without" in found.reasons["x1"]


@pytest.mark.parametrize("draw", range(10))
def test_the_choice_is_not_worse_than_the_best_uniform_one_beyond_noise(
    draw: int,
) -> None:
    rng = np.random.default_rng(draw)
    tables = [uniform(rng) for _ in range(8)]
    noise = 0.0002
    trainer = FakeTrainer(tables, noise, draw)
    finals = {
        e: trainer.loss((e,) * 8) for e in ENCODERS
    }  # before any trial: exact losses

    found = _search(trainer, fields=8)

    assert trainer.loss(found.encoders) < min(finals.values()) + 3 * noise


def test_mixing_pays_on_fields_that_differ() -> None:
    gains = []
    for draw in range(10):
        rng = np.random.default_rng(100 + draw)
        tables = [uniform(rng) for _ in range(8)]
        trainer = FakeTrainer(tables, 0.0002, draw)
        found = _search(trainer, fields=8)
        best = min(trainer.loss((e,) * 8) for e in ENCODERS)
        gains.append(best - trainer.loss(found.encoders))
    assert np.mean(gains) > 0.001


def test_pure_noise_changes_the_expected_loss_by_nothing_and_ends() -> None:
    trainer = FakeTrainer([dict.fromkeys(ENCODERS, 0.0)] * 13, noise=0.001)

    found = _search(trainer, fields=13)

    assert trainer.loss(found.encoders) == pytest.approx(0.4)
    assert all(account.margin >= 0.0 for account in found.searches.values())


def test_rivals_are_always_compared_with_the_same_seeds_and_epochs() -> None:
    trainer = FakeTrainer([ODD, *[COMMON] * 4], noise=0.0001)

    found = _search(trainer, fields=5)

    seeds = collections.defaultdict(set)
    for trial in trainer.trials:
        seeds[trial.encoders].add((trial.epochs, trial.seed))
    full = {(6, seed) for seed in (7, 8, 9)}
    assert full <= seeds[found.encoders]
    assert full <= seeds[("autodis",) * 5]
    halves = [s for e, s in seeds.items() if len(set(e)) == 1]
    assert all((3, 7) in s for s in halves)
    assert len(trainer.trials) == len(set(trainer.trials)), "a trial ran twice"


def test_a_seed_that_is_worse_for_all_decides_nothing() -> None:
    # Unpaired, a deviation of 0.01 between seeds would drown a gain of 0.0001.
    trainer = FakeTrainer([COMMON] * 3)

    found = _search(trainer, fields=3)

    assert found.encoders == ("autodis",) * 3
    assert found.searches["x0"].margin == pytest.approx(0.0003)
    assert found.searches["x0"].candidates[0].deviation > 0.001


def test_what_the_rules_say_is_a_candidate() -> None:
    tables = [COMMON, {**COMMON, "linear": 0.0}]
    rules = ("piecewise_linear", "linear")
    params = SearchParams(finalists=1)

    found = _search(FakeTrainer(tables), 2, 0, params, [*_uniform(2), rules])

    assert found.encoders == rules
    assert found.uniform, "it is one of the candidates, not a mixture"


@pytest.mark.parametrize("budget", [100, 160, 240, 400])
def test_the_budget_holds(budget: int) -> None:
    trainer = FakeTrainer([ODD, *[COMMON] * 12], noise=0.0005)

    found = _search(trainer, fields=13, budget=budget)

    spent = sum(trial.epochs for trial in trainer.trials)
    assert spent == found.epochs
    assert spent <= budget


def test_without_budget_the_best_uniform_choice_is_taken_and_said_to_be() -> None:
    trainer = FakeTrainer([ODD, *[COMMON] * 12])

    found = _search(trainer, fields=13, budget=0)

    assert found.encoders == ("piecewise_linear",) * 13
    planned = planned_epochs(rungs(8, SearchParams(), 6))
    assert found.epochs == planned
    assert "budget" in found.reasons["x0"]


def test_epochs_that_early_stopping_spares_count_as_left() -> None:
    short = FakeTrainer([ODD, *[COMMON] * 5])

    def train(trial: Trial) -> TrialResult:
        return TrialResult(short(trial).logloss, 1)

    found = _search(train, fields=6, budget=90)

    assert not found.uniform


def test_halving_keeps_the_better_half_down_to_the_finalists() -> None:
    rounds = rungs(9, SearchParams(seeds=3, finalists=3), epochs=6)

    assert [(r.candidates, r.seeds, r.epochs) for r in rounds] == [
        (9, 1, 3),
        (5, 2, 6),
        (3, 3, 6),
    ]
    # 9 x 3, 5 x 2 x 6, and of the finalists the third seed alone.
    assert planned_epochs(rounds) == 27 + 60 + 18


def test_few_candidates_are_all_finalists() -> None:
    rounds = rungs(2, SearchParams(), epochs=4)
    assert [(r.candidates, r.seeds, r.epochs) for r in rounds] == [(2, 3, 4)]


def test_an_encoder_that_diverges_loses_and_the_plan_stays_finite() -> None:
    trainer = FakeTrainer([COMMON] * 2)

    def train(trial: Trial) -> TrialResult:
        if "autodis" in trial.encoders:
            return TrialResult(math.inf, trial.epochs)
        return trainer(trial)

    found = _search(train, fields=2)

    assert found.encoders == ("piecewise_linear",) * 2
    account = found.searches["x0"]
    assert "autodis" not in {c.encoder for c in account.candidates}
    assert math.isfinite(account.margin)


def test_divergence_of_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="diverges with every encoder"):
        _search(lambda trial: TrialResult(math.inf, trial.epochs), fields=2)


def test_one_candidate_needs_no_rival() -> None:
    found = _search(FakeTrainer([COMMON]), 1, candidates=[("mlp",)])
    assert found.encoders == ("mlp",)
    assert found.searches["x0"].margin == 0.0


def test_repeated_encoders_are_refused() -> None:
    with pytest.raises(ValueError, match="must differ"):
        SearchParams(encoders=("mlp", "mlp"))


def test_least_squares_finds_additive_effects_exactly() -> None:
    finalists = [("a", "a", "a"), ("b", "b", "b"), ("c", "b", "c")]
    choices = options(finalists)
    assert choices == (("a", "b", "c"), ("a", "b"), ("a", "b", "c"))
    worth: list[Mapping[str, float]] = [
        {"a": 0.0, "b": 1.0, "c": -2.0},
        {"a": 0.0, "b": 3.0},
        {"b": 5, "c": 7},
    ]
    seeds = (1, 2)
    trials = design(choices, [], seeds, 12, random_seed=0)
    observed = [
        (e, s, 10.0 * s + sum(w.get(x, 0.0) for w, x in zip(worth, e, strict=True)))
        for e, s in trials
    ]

    found = {(s.field, s.encoder): s for s in effects(choices, observed, seeds)}

    assert {key: s.effect for key, s in found.items()} == pytest.approx(
        {(0, "b"): 1, (0, "c"): -2, (1, "b"): 3, (2, "b"): 5, (2, "c"): 7}
    )
    assert all(s.error < 1e-9 for s in found.values())


def test_the_errors_of_the_effects_cover_the_truth() -> None:
    choices = (("a", "b"),) * 5
    seeds = (1, 2, 3)
    within = []
    for draw in range(100):
        rng = np.random.default_rng(draw)
        trials = design(choices, [], seeds, 16, random_seed=draw)
        observed = [(e, s, float(rng.normal())) for e, s in trials]
        within += [
            abs(s.effect) < 2 * s.error for s in effects(choices, observed, seeds)
        ]
    # Student's t with 8 degrees of freedom: 92 % within two errors.
    assert 0.88 < np.mean(within) < 0.96


def test_a_design_gives_every_option_about_equally_often() -> None:
    choices = (("a", "b", "c"),) * 4
    trials = design(choices, [], (1, 2, 3), 13, random_seed=3)
    for column in zip(*(encoders for encoders, _ in trials), strict=True):
        assert set(collections.Counter(column).values()) == {4, 5}


def test_a_resumed_search_trains_only_what_is_missing(tmp_path: pathlib.Path) -> None:
    tables = [ODD if n in (1, 4) else COMMON for n in range(6)]
    whole = FakeTrainer(tables, noise=0.0003)
    expected = _search(whole, fields=6, budget=300)

    class KilledError(Exception):
        pass

    trained: list[Trial] = []
    found = None
    for kill_after in itertools.chain([1, 10, 14], itertools.repeat(None)):
        trainer, store = FakeTrainer(tables, noise=0.0003), TrialStore(tmp_path)

        def train(
            trial: Trial,
            trainer: FakeTrainer = trainer,
            store: TrialStore = store,
            kill_after: int | None = kill_after,
        ) -> TrialResult:
            kept = store.get(trial)
            if kept is not None:
                return kept
            if kill_after is not None and len(trainer.trials) == kill_after:
                with (tmp_path / FILE_NAME).open("a") as file:
                    file.write('\n{"encoders": ["autodis", "auto')  # cut off
                raise KilledError
            result = trainer(trial)
            store.add(trial, result)
            return result

        try:
            found = _search(train, fields=6, budget=300)
        except KilledError:
            trained += trainer.trials
            continue
        trained += trainer.trials
        break

    assert found == expected
    assert trained == whole.trials


def test_a_diverged_trial_is_kept_too(tmp_path: pathlib.Path) -> None:
    trial = Trial(("mlp",), 1, 2)
    TrialStore(tmp_path / "new").add(trial, TrialResult(math.inf, 2))
    assert TrialStore(tmp_path / "new").get(trial) == TrialResult(math.inf, 2)


def test_a_store_without_a_folder_forgets(tmp_path: pathlib.Path) -> None:
    store = TrialStore(None)
    store.add(Trial(("mlp",), 1, 2), TrialResult(0.5, 2))
    assert len(store) == 1
    assert list(tmp_path.iterdir()) == []
