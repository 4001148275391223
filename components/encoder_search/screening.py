"""What each field's switch of encoder is worth, from trials that switch many at once.

One field at a time, `F` switches would take `F` trials and more, each compared with one
other. When every trial gives every field one of its options, balanced and unrelated
between fields, each trial informs on all fields, and least squares takes them apart:
the loss is a constant a seed plus one effect a switch.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from clickwright.components.encoder_search.trial import Assignment

_DRAWS = 64
"""Random designs of which the most informative one is taken."""

Observation = tuple[Assignment, int, float]
"""Encoders, seed and loss of a trial."""


@dataclasses.dataclass(frozen=True)
class Switch:
    """Another encoder for one field.

    Attributes:
        field: number of the field.
        encoder: its encoder instead of the incumbent's.
        effect: what it adds to the loss.
        error: standard error of the effect.
    """

    field: int
    encoder: str
    effect: float
    error: float


def options(finalists: Sequence[Assignment]) -> tuple[tuple[str, ...], ...]:
    """The encoders that the finalists give each field, the first one's first."""
    return tuple(
        tuple(dict.fromkeys(column)) for column in zip(*finalists, strict=True)
    )


def switches(choices: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """Field and encoder of each switch away from the first options."""
    return [(f, e) for f, column in enumerate(choices) for e in column[1:]]


def design(
    choices: Sequence[Sequence[str]],
    known: Sequence[tuple[Assignment, int]],
    seeds: Sequence[int],
    trials: int,
    random_seed: int,
) -> list[tuple[Assignment, int]]:
    """Encoders and seeds of the trials to run.

    Every option of a field comes about equally often. Of some random designs the one
    with the largest determinant is taken, together with the trials known already.

    Args:
        choices: the options of each field.
        known: trials that have been run.
        seeds: seeds to go through in turn.
        trials: how many trials to lay out.
        random_seed: decides the design.
    """
    rng = np.random.default_rng(random_seed)
    own = [seeds[n % len(seeds)] for n in range(trials)]
    best: tuple[float, list[tuple[Assignment, int]]] | None = None
    for _ in range(_DRAWS):
        columns = [
            [column[k % len(column)] for k in rng.permutation(trials)]
            for column in choices
        ]
        drawn = list(zip(zip(*columns, strict=True), own, strict=True))
        x = _matrix(choices, [*known, *drawn], seeds)
        _, volume = np.linalg.slogdet(x.T @ x)  # -inf where effects are confounded
        if best is None or volume > best[0]:
            best = float(volume), drawn
    return best[1] if best else []


def effects(
    choices: Sequence[Sequence[str]],
    observed: Sequence[Observation],
    seeds: Sequence[int],
) -> list[Switch]:
    """The effect of every switch, by least squares; diverged trials count for nothing.

    Args:
        choices: the options of each field; effects are against the first ones.
        observed: the trials.
        seeds: all seeds among them; each has a loss of its own to start from.
    """
    finite = [o for o in observed if np.isfinite(o[2])]
    x = _matrix(choices, [(encoders, seed) for encoders, seed, _ in finite], seeds)
    losses = np.array([loss for _, _, loss in finite])
    inverse = np.linalg.pinv(x.T @ x)
    estimates = inverse @ x.T @ losses
    free = len(losses) - int(np.linalg.matrix_rank(x))
    residual = float(np.sum((losses - x @ estimates) ** 2))
    # Without a trial to spare nothing is known of the noise.
    variance = residual / free if free > 0 else 0.0
    errors = np.sqrt(variance * np.diag(inverse).clip(0.0))
    first = len(seeds)
    return [
        Switch(field, encoder, float(estimates[n]), float(errors[n]))
        for n, (field, encoder) in enumerate(switches(choices), first)
    ]


def _matrix(
    choices: Sequence[Sequence[str]],
    trials: Sequence[tuple[Assignment, int]],
    seeds: Sequence[int],
) -> npt.NDArray[np.float64]:
    """One row a trial: its seed, then its switches, as 0 and 1."""
    number: Mapping[int, int] = {seed: n for n, seed in enumerate(seeds)}
    x = np.zeros((len(trials), len(seeds) + len(switches(choices))))
    for row, (encoders, seed) in zip(x, trials, strict=True):
        row[number[seed]] = 1.0
        for n, (field, encoder) in enumerate(switches(choices), len(seeds)):
            row[n] = encoders[field] == encoder
    return x
