"""The rounds of successive halving."""

import dataclasses
import math

from clickwright.components.encoder_search.params import SearchParams


@dataclasses.dataclass(frozen=True)
class Rung:
    """One round.

    Attributes:
        candidates: how many take part: the best of the round before.
        seeds: seeds that each is trained with.
        epochs: epochs of each trial.
    """

    candidates: int
    seeds: int
    epochs: int


def rungs(candidates: int, params: SearchParams, epochs: int) -> tuple[Rung, ...]:
    """The rounds that lead from all candidates to the finalists.

    Each halves the candidates. The first trains half of the epochs with one seed;
    later ones train all epochs and double the seeds, so that a trial of one round
    also counts in the next. The finalists get all seeds.

    Args:
        candidates: how many there are.
        params: the search's parameters.
        epochs: epochs of a full trial.
    """
    finalists = min(candidates, params.finalists)
    made: list[Rung] = []
    while candidates > finalists:
        first = not made
        seeds = min(params.seeds, 2 ** len(made))
        made.append(Rung(candidates, seeds, math.ceil(epochs / 2) if first else epochs))
        candidates = max(finalists, math.ceil(candidates / 2))
    return (*made, Rung(finalists, params.seeds, epochs))


def planned_epochs(rounds: tuple[Rung, ...]) -> int:
    """Most epochs that the rounds train; no trial is trained twice."""
    total = seeds = epochs = 0
    for rung in rounds:
        known = seeds if rung.epochs == epochs else 0
        total += rung.candidates * (rung.seeds - known) * rung.epochs
        seeds, epochs = rung.seeds, rung.epochs
    return total
