"""Training on from day to day against a full window each day.

Every day keeps its result in a file of its own, so that a run that was cut off goes
on.
"""

import os
import pathlib
import statistics
import warnings
from collections.abc import Mapping
from typing import Annotated, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import rich.console
import typer
from incremental_days import Arm, Day
from incremental_document import MOST_LOST, differences, later, write_document
from kept_results import KeptResults
from shop_training import SETTLING

FULL, ALL, FROZEN = "full_window", "all", "frozen"
# About the rate at which a cold start has its best epoch: a larger one undoes what its
# last epochs were for, and one day has too few rows to make up for that.
_WARM_RATE = 1e-5
_LABELS = {
    FULL: "full window",
    FROZEN: "the first model, as it is",
    ALL: "reservoir and distillation",
    "no_distillation": "reservoir alone",
    "no_reservoir": "distillation alone",
    "plain": "neither",
}

console = rich.console.Console(log_path=False)


def main(
    impressions: Annotated[
        int, typer.Option(help="Rows of all days.", min=14_000)
    ] = 700_000,
    first: Annotated[
        int, typer.Option(help="Day of the first model; its window ends there.", min=1)
    ] = 7,
    last: Annotated[int, typer.Option(help="Day of the last model.", min=2)] = 10,
    window: Annotated[int, typer.Option(help="Days of the full window.", min=1)] = 7,
    rate: Annotated[
        float, typer.Option(help="Learning rate of warm starts.")
    ] = _WARM_RATE,
    weight: Annotated[float, typer.Option(help="Weight of the distillation.")] = 0.5,
    seeds: Annotated[int, typer.Option(help="Trainings of everything.", min=1)] = 2,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Some of {', '.join(_LABELS)}; the first two are in."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Most epochs from scratch, for a smoke test.")
    ] = None,
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder of runs and results.")
    ] = pathlib.Path("out") / "bench" / "incremental",
    docs: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder of the document; `--out` without it."),
    ] = None,
) -> None:
    """Train DeepFM on the simulated shop, day by day, in several ways.

    The exit code is 1 where reservoir and distillation together lose more AUC against
    the full window than is allowed, or take longer than it.
    """
    shop = {"impressions": impressions, "days": last + 1, "seed": 7}
    training: dict[str, Any] = {"batch_size": 2048, **SETTLING}
    if epochs is not None:
        training["epochs"] = epochs
    trainings = [{**training, "seed": seed} for seed in range(seeds)]
    reservoir = impressions // (last + 1)
    warm = {"learning_rate": rate}
    ways: Mapping[str, dict[str, Any]] = {
        FULL: {"warm_start": False},
        ALL: {**warm, "reservoir": reservoir, "distillation": {"weight": weight}},
        "no_distillation": {**warm, "reservoir": reservoir},
        "no_reservoir": {**warm, "distillation": {"weight": weight}},
        "plain": warm,
    }
    kept = KeptResults(out / "results", Day)

    def day_of(arm: Arm, day: int, *, frozen: bool = False) -> Day:
        key = FROZEN if frozen else arm.key
        found = kept.find(f"{key}-{day:02d}-{arm.setting}")
        if found is None:
            found = arm.score_frozen(first, day) if frozen else arm.train(day)
            kept.keep(found)
        console.log(
            f"{_LABELS[key]}, seed {found.seed}, day {day}: AUC of the next "
            f"{found.auc:.4f}, Trainer {found.trainer_seconds:.0f} s, "
            f"run {found.run_seconds:.0f} s"
        )
        return found

    days = range(first, last + 1)
    results: dict[str, list[Day]] = {}
    for key, label in _LABELS.items():
        if key == FROZEN or (only and key not in (FULL, *only)):
            continue
        section = {"window": window, **ways[key]}
        results[label] = []
        for chosen in trainings:
            arm = Arm(key, label, section, shop, chosen, out)
            results[label].append(day_of(arm, first))
            if key == FULL:  # its first model, before later ones take its place
                frozen = [day_of(arm, day, frozen=True) for day in days]
                results.setdefault(_LABELS[FROZEN], []).extend(frozen)
            results[label].extend(day_of(arm, day) for day in days[1:])
    path = write_document(results, window, rate, shop, docs or out)
    console.print(path.read_text(), highlight=False, markup=False)
    if _LABELS[ALL] in results and not _good(
        results[_LABELS[ALL]], results[_LABELS[FULL]]
    ):
        raise typer.Exit(1)


def _good(arm: list[Day], full: list[Day]) -> bool:
    lost = -statistics.fmean(differences(arm, full))
    seconds = [sum(d.run_seconds for d in later(days)) for days in (arm, full)]
    return lost <= MOST_LOST and seconds[0] < seconds[1]


if __name__ == "__main__":
    typer.run(main)
