"""Which encoder each field gets: the logic of the search, without any training.

1. Successive halving. Candidates are each encoder for all searched fields, and what
   the rules say. All are trained with the same seeds, and ranked by validation log
   loss; the finalists in full, with all seeds. The best is the incumbent.
2. Screening. Trials that give each field one of the finalists' encoders, at random but
   balanced, estimate what every single switch is worth (`screening`).
3. Confirmation. All switches that seem worth more than a standard error are made at
   once, and the mixture is trained with the seeds of the incumbent. It wins when its
   mean gain over the paired seeds exceeds one standard error; else the better half of
   the switches is tried, and so on.

So the choice is never worse than the best fixed encoder by more than the noise of the
trials, and its cost grows with the number of fields, not with its square.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence

from clickwright.components.encoder_search.found import Found
from clickwright.components.encoder_search.params import SearchParams
from clickwright.components.encoder_search.rung import rungs
from clickwright.components.encoder_search.screening import (
    Switch,
    design,
    effects,
    options,
    switches,
)
from clickwright.components.encoder_search.trial import (
    Assignment,
    Trial,
    TrialResult,
)
from clickwright.schemas.discretization_plan import Candidate, Search
from clickwright.schemas.errors import ConfigError

_TRIALS_A_SWITCH = 1.5
"""Trials of the screening for each switch; below 1 its effects are not known."""


def search(
    fields: Sequence[str],
    candidates: Sequence[Assignment],
    params: SearchParams,
    train: Callable[[Trial], TrialResult],
    *,
    seed: int,
    epochs: int,
    budget: int,
) -> Found:
    """Searches the encoders of all fields.

    Args:
        fields: names of the fields.
        candidates: assignments to start from; repeated ones count once.
        params: the search's parameters.
        train: trains a trial. It is asked for each trial once, and always for the same
            ones as long as its answers are the same.
        seed: first seed; the others follow it.
        epochs: epochs of a full trial.
        budget: most epochs to spend. The halving takes what it needs; screening and
            confirmation what is left.

    Raises:
        ConfigError: the training diverges with every encoder.
    """
    return _Search(fields, params, train, seed, epochs, budget).run(candidates)


@dataclasses.dataclass(frozen=True)
class _Gain:
    """How much better one assignment is than another over paired seeds."""

    mean: float
    error: float
    """Standard error; infinite with a single pair."""

    @property
    def clear(self) -> bool:
        return self.mean > max(self.error, 0.0)


class _Search:
    def __init__(
        self,
        fields: Sequence[str],
        params: SearchParams,
        train: Callable[[Trial], TrialResult],
        seed: int,
        epochs: int,
        budget: int,
    ) -> None:
        self._fields = fields
        self._params = params
        self._train = train
        self._seeds = tuple(seed + n for n in range(params.seeds))
        self._epochs = epochs
        self._left = budget
        self._results: dict[Trial, TrialResult] = {}
        self._note = ""

    def run(self, candidates: Sequence[Assignment]) -> Found:
        candidates = list(dict.fromkeys(candidates))
        finalists = self._halve(candidates)
        incumbent = finalists[0]
        if not math.isfinite(self._mean(incumbent)):
            raise ConfigError(
                "The training diverges with every encoder, from the first epochs on.",
                where="encoder search",
                fix="lower `learning_rate` or `global_clipnorm`, or name an encoder "
                "for each numeric feature",
            )
        compared = list(candidates)
        chosen = self._mix(incumbent, finalists, compared)
        return self._found(chosen, incumbent, compared, chosen in candidates)

    def _halve(self, candidates: list[Assignment]) -> list[Assignment]:
        """The finalists, best first."""
        for rung in rungs(len(candidates), self._params, self._epochs):
            seeds = self._seeds[: rung.seeds]
            losses = {
                a: statistics.fmean(self._losses(a, rung.epochs, seeds))
                for a in candidates[: rung.candidates]
            }
            candidates = sorted(losses, key=losses.__getitem__)
        return candidates

    def _mix(
        self,
        incumbent: Assignment,
        finalists: list[Assignment],
        compared: list[Assignment],
    ) -> Assignment:
        """The incumbent, or a mixture that is clearly better."""
        finalists = [a for a in finalists if math.isfinite(self._mean(a))]
        for count in range(len(finalists), 1, -1):
            choices = options(finalists[:count])
            if sum(len(column) > 1 for column in choices) < 2:
                continue  # a single field: all there is has been trained
            wanted = len(switches(choices))
            confirmation = len(self._seeds)
            affordable = self._left // self._epochs - confirmation
            if affordable >= wanted:
                trials = min(math.ceil(_TRIALS_A_SWITCH * wanted), affordable)
                return self._mixture(incumbent, choices, trials, compared)
            self._note = "the budget left no room to mix encoders"
        return incumbent

    def _mixture(
        self,
        incumbent: Assignment,
        choices: Sequence[Sequence[str]],
        trials: int,
        compared: list[Assignment],
    ) -> Assignment:
        self._note = "no mixture of encoders was clearly better"
        worth = self._screen(choices, trials)
        while worth:
            challenger = tuple(
                next((s.encoder for s in worth if s.field == f), encoder)
                for f, encoder in enumerate(incumbent)
            )
            if not self._affordable(challenger):
                self._note = "the budget left no room to confirm a better mixture"
                return incumbent
            self._mean(challenger)
            if challenger not in compared:
                compared.append(challenger)
            if self._gain(challenger, incumbent).clear:
                return challenger
            worth = worth[: len(worth) // 2]
        return incumbent

    def _screen(self, choices: Sequence[Sequence[str]], trials: int) -> list[Switch]:
        """At most one switch a field, each of some worth, best first."""
        open_ = [set(column) for column in choices]
        known = [
            t
            for t in self._results
            if t.epochs == self._epochs
            and all(e in column for e, column in zip(t.encoders, open_, strict=True))
        ]
        laid_out = design(
            choices,
            [(t.encoders, t.seed) for t in known],
            self._seeds,
            trials,
            self._seeds[0],
        )
        drawn = [Trial(encoders, s, self._epochs) for encoders, s in laid_out]
        observed = [
            (t.encoders, t.seed, self._result(t).logloss)
            for t in dict.fromkeys([*known, *drawn])
        ]
        found = sorted(
            effects(choices, observed, self._seeds), key=lambda switch: switch.effect
        )
        best: dict[int, Switch] = {}
        for switch in found:
            if switch.effect < -switch.error:
                best.setdefault(switch.field, switch)
        return list(best.values())

    def _affordable(self, assignment: Assignment) -> bool:
        trials = [Trial(assignment, s, self._epochs) for s in self._seeds]
        new = sum(t not in self._results for t in trials)
        return new * self._epochs <= self._left

    def _result(self, trial: Trial) -> TrialResult:
        if trial not in self._results:
            result = self._train(trial)
            self._results[trial] = result
            self._left -= result.epochs
        return self._results[trial]

    def _losses(
        self, assignment: Assignment, epochs: int, seeds: Sequence[int]
    ) -> list[float]:
        return [self._result(Trial(assignment, s, epochs)).logloss for s in seeds]

    def _mean(self, assignment: Assignment) -> float:
        return statistics.fmean(self._losses(assignment, self._epochs, self._seeds))

    def _gain(self, better: Assignment, worse: Assignment) -> _Gain:
        """The gain by the longest trials that both have had, with their seeds."""
        ours, theirs = self._trained(better), self._trained(worse)
        common = ours.keys() & theirs.keys()
        epochs = max((epochs for epochs, _ in common), default=0)
        gains = [
            theirs[key] - ours[key]
            for key in sorted(common)
            if key[0] == epochs and math.isfinite(theirs[key] - ours[key])
        ]
        if not gains:
            return _Gain(math.nan, math.inf)
        error = math.inf
        if len(gains) > 1:
            error = statistics.stdev(gains) / math.sqrt(len(gains))
        return _Gain(statistics.fmean(gains), error)

    def _trained(self, assignment: Assignment) -> dict[tuple[int, int], float]:
        """Losses of its trials, by epochs and seed."""
        return {
            (t.epochs, t.seed): result.logloss
            for t, result in self._results.items()
            if t.encoders == assignment
        }

    def _candidate(self, field: int, assignment: Assignment) -> Candidate | None:
        """The account of an assignment by its longest trials; None if all diverged."""
        trained = self._trained(assignment)
        longest = max(epochs for epochs, _ in trained)
        losses = [
            loss
            for (epochs, _), loss in trained.items()
            if epochs == longest and math.isfinite(loss)
        ]
        if not losses:
            return None
        return Candidate(
            encoder=assignment[field],
            logloss=statistics.fmean(losses),
            deviation=statistics.stdev(losses) if len(losses) > 1 else 0.0,
            seeds=len(losses),
        )

    def _found(
        self,
        chosen: Assignment,
        incumbent: Assignment,
        compared: Sequence[Assignment],
        uniform: bool,
    ) -> Found:
        searches, reasons = {}, {}
        # Longest trained first, then by loss; the chosen one stands for its encoders.
        ranked = sorted(compared, key=self._rank)
        for f, name in enumerate(self._fields):
            best: dict[str, tuple[Assignment, Candidate]] = {}
            for assignment in (chosen, *ranked):
                candidate = self._candidate(f, assignment)
                if candidate is not None:
                    best.setdefault(candidate.encoder, (assignment, candidate))
            gains = {
                encoder: self._margin(chosen, incumbent, assignment)
                for encoder, (assignment, _) in best.items()
                if encoder != chosen[f]
            }
            second = min(gains, key=lambda e: gains[e].mean, default=None)
            searches[name] = Search(
                winner=chosen[f],
                margin=gains[second].mean if second else 0.0,
                candidates=tuple(candidate for _, candidate in best.values()),
            )
            said = [_winner(best[chosen[f]][1])]
            said.append(
                _runner_up(second, gains[second])
                if second
                else "nothing else could be compared"
            )
            said.append(self._note if uniform else _mixed(chosen[f], incumbent[f]))
            reasons[name] = "; ".join(filter(None, said))
        return Found(
            encoders=chosen,
            searches=searches,
            reasons=reasons,
            uniform=uniform,
            trials=len(self._results),
            epochs=sum(result.epochs for result in self._results.values()),
        )

    def _rank(self, assignment: Assignment) -> tuple[int, int, float]:
        trained = self._trained(assignment)
        longest = max(epochs for epochs, _ in trained)
        losses = [loss for (epochs, _), loss in trained.items() if epochs == longest]
        return -longest, -len(losses), statistics.fmean(losses)

    def _margin(
        self, chosen: Assignment, incumbent: Assignment, other: Assignment
    ) -> _Gain:
        """How much worse the other is; by way of the incumbent where it must be."""
        gain = self._gain(chosen, other)
        if math.isfinite(gain.mean):
            return gain
        first, second = self._gain(chosen, incumbent), self._gain(incumbent, other)
        return _Gain(first.mean + second.mean, math.hypot(first.error, second.error))


def _winner(candidate: Candidate) -> str:
    return (
        f"`encoder: auto`: `{candidate.encoder}` has the validation log loss "
        f"{candidate.logloss:.5f}, deviation {candidate.deviation:.5f} over "
        f"{candidate.seeds} seeds"
    )


def _runner_up(encoder: str, gain: _Gain) -> str:
    error = f" +- {gain.error:.5f}" if math.isfinite(gain.error) else ""
    return f"the runner-up `{encoder}` has {gain.mean:.5f}{error} more"


def _mixed(own: str, uniform: str) -> str:
    if own == uniform:
        return f"other fields switch away from `{uniform}`, the best for all"
    return f"the best for all fields is `{uniform}`; this one does better without"
