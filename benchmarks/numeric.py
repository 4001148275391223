"""Encoders of numeric features compared by what models make of them.

Every training keeps its result in a file of its own, so that a run that was cut off
goes on, and more seeds or encoders add to what is there.
"""

import logging
import os
import pathlib
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import rich.console
import typer
from kept_results import KeptResults
from numeric_document import write_document
from numeric_trials import (
    AUTO,
    RULES,
    STEP_ENCODERS,
    Result,
    Settings,
    Trial,
    ZooRows,
    run_step,
)

from clickwright.schemas.numeric_encoding import ENCODERS

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared" / "data"

STEP = Settings(
    part="step",
    model="one_number",
    params={"embedding_dim": 16, "l2": 0.0, "embedding_stddev": 0.1},
    training={
        "batch_size": 256,
        "epochs": 40,
        "early_stop": 10,
        "learning_rate": 0.003,
        "learning_rate_decay": 0.7,
        "monitor": "auc_minus_logloss",
    },
    data={"rows": 20_000},
)
ADULT = Settings(
    part="adult",
    model="deepfm",
    params={
        "embedding_dim": 8,
        "hidden_units": (64, 32),
        "l2": 0.01,
        "embedding_stddev": 0.05,
        "dropout": 0.2,
    },
    training={
        "batch_size": 256,
        "epochs": 30,
        "early_stop": 4,
        "learning_rate_decay": 0.3,
        "monitor": "auc_minus_logloss",
    },
)
CRITEO = Settings(
    part="criteo_8k",
    model="deepfm",
    params={
        "embedding_dim": 8,
        "hidden_units": (64, 32),
        "batch_norm": False,
        "dropout": 0.3,
        "l2": 0.1,
    },
    training={"batch_size": 256, "monitor": "auc_minus_logloss"},
)
MARKETPLACE = tuple(
    Settings(
        part="marketplace",
        model=model,
        params={"l2": 0.15, "hidden_units": (400, 400, 400)},
        training={"batch_size": 2048},
        data={"impressions": 200_000, "seed": 7},
    )
    for model in ("deepfm", "dcnv2")
)
RAW = ("adult", "criteo_8k")
"""Parts that need raw files."""
SEEDS = {"step": 3, "adult": 5, "criteo_8k": 5, "marketplace": 3}

SHOP_ENCODERS = ("linear", "buckets", "piecewise_linear", "periodic", "autodis")

console = rich.console.Console(log_path=False)


def main(
    data: Annotated[
        pathlib.Path,
        typer.Option(
            help="Folder with `adult` and `criteo_8k`; what is not there is left out."
        ),
    ] = SHARED,
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder of prepared data and results.")
    ] = pathlib.Path("out") / "bench" / "numeric",
    docs: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder of the document; `--out` without it."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Parts, models or encoders to train; all without it. Repeat it to "
            "name several: `--only adult --only autodis`."
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Seeds of everything; 3, on Adult and Criteo 5, without it.", min=1
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Most epochs, for a smoke test.", min=1)
    ] = None,
) -> None:
    """Compare encoders of numeric features.

    A step function of one number, by a linear layer on its embedding: the AUC of
    `x * v` and of AutoDis with and without biases. Adult: test error, AUC and log loss
    of DeepFM with each encoder for all six numeric features, with what the
    Discretizer decides by itself (`rules`) and with what a search finds (`auto`),
    beside published errors. The first 8,000 rows of Criteo's log: the same for its 13
    numbers. The simulated shop: AUC and gap to the true click probabilities, of DeepFM
    and DCNv2.

    The validation split ends each training and chooses its epoch; the test split is
    scored once, in the end. Writes `numeric.md`, `numeric.json` and charts.

        python benchmarks/numeric.py --docs docs/benchmarks

        python benchmarks/numeric.py --only adult --only linear --seeds 1 --epochs 2
    """
    logging.disable(logging.WARNING)
    results = KeptResults(out / "results", Result)
    lines = [(s, e) for s in _settings(epochs) for e in _encoders(s)]
    wanted = _wanted(lines, only or ())
    absent = [part for part in RAW if not (data / part).is_dir()]
    skipped = f"Left out, for want of raw files: {', '.join(absent)}" if absent else ""
    for part in absent:
        console.log(f"{part} is left out: there is no folder {data / part}")
    wanted = [line for line in wanted if line[0].part not in absent]
    runners: dict[str, ZooRows] = {}

    def runner(settings: Settings) -> Callable[[Trial], Result]:
        if settings.part == "step":
            return run_step
        key = settings.part
        if key not in runners:
            raw = data / key if key in RAW else None
            with console.status(f"Reading {key}"):
                runners[key] = ZooRows.prepare(settings, raw, out / "data")
        return lambda trial: runners[key].run(trial, out / "searches")

    failures = _train(
        [
            Trial(settings=settings, encoder=encoder, seed=seed)
            for settings, encoder in wanted
            for seed in range(seeds or SEEDS[settings.part])
        ],
        results,
        runner,
    )
    found = [
        [r for t in _trials(s, e, seeds) if (r := results.find(t.name))]
        for s, e in lines
    ]
    bayes = _bayes(out / "data", _settings(epochs))
    document = write_document(
        [rows for rows in found if rows], bayes, docs or out, skipped
    )
    console.log(f"document: {document}")
    if failures:
        raise typer.Exit(1)


def _settings(epochs: int | None) -> list[Settings]:
    """All settings, with fewer epochs where that is asked for."""
    if epochs is None:
        return [STEP, ADULT, CRITEO, *MARKETPLACE]
    return [
        s.model_copy(update={"training": {**s.training, "epochs": epochs}})
        for s in (STEP, ADULT, CRITEO, *MARKETPLACE)
    ]


def _encoders(settings: Settings) -> Sequence[str]:
    match settings.part:
        case "step":
            return tuple(STEP_ENCODERS)
        case "adult" | "criteo_8k":
            return (*ENCODERS, RULES, AUTO)
        case _ if settings.model == "deepfm":
            return (*SHOP_ENCODERS, AUTO)
        case _:
            return ("linear", "autodis")


def _trials(settings: Settings, encoder: str, seeds: int | None) -> Iterable[Trial]:
    count = seeds or SEEDS[settings.part]
    return [Trial(settings=settings, encoder=encoder, seed=n) for n in range(count)]


def _wanted(
    lines: Sequence[tuple[Settings, str]], only: Sequence[str]
) -> list[tuple[Settings, str]]:
    """The lines that are named: some of their parts, models and encoders each."""
    kinds = [
        {s.part for s, _ in lines},
        {s.model for s, _ in lines},
        {e for _, e in lines},
    ]
    unknown = set(only) - set().union(*kinds)
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: choose from "
            f"{', '.join(sorted(set().union(*kinds)))}",
            param_hint="--only",
        )
    named = [set(only) & kind or kind for kind in kinds]
    return [
        (s, e)
        for s, e in lines
        if s.part in named[0] and s.model in named[1] and e in named[2]
    ]


def _train(
    trials: Sequence[Trial],
    results: KeptResults[Result],
    runner: Callable[[Settings], Callable[[Trial], Result]],
) -> int:
    """Trains what has no result; returns how many trainings failed."""
    from clickwright.schemas.errors import ClickwrightError

    open_ = [trial for trial in trials if results.find(trial.name) is None]
    console.log(f"{len(trials) - len(open_)} of {len(trials)} trainings are there")
    started, failures = time.monotonic(), 0
    for n, trial in enumerate(open_, 1):
        title = f"{trial.settings.part} {trial.settings.model} {trial.encoder}"
        title += f", seed {trial.seed}"
        try:
            with console.status(f"[{n}/{len(open_)}] {title}"):
                result = runner(trial.settings)(trial)
        except ClickwrightError as error:
            failures += 1
            console.log(f"[{n}/{len(open_)}] {title} failed: {error}", markup=False)
            continue
        results.keep(result)
        left = (time.monotonic() - started) / n * (len(open_) - n)
        console.log(
            f"[{n}/{len(open_)}] {title}: test AUC {result.auc:.4f}, error "
            f"{100 * result.error:.2f} %, {result.epochs} epochs in "
            f"{result.seconds:.0f} s; about {left / 60:.0f} min left",
            markup=False,
            highlight=False,
        )
    return failures


def _bayes(folder: pathlib.Path, settings: Sequence[Settings]) -> float | None:
    """Test AUC of the true click probabilities, where the shop was simulated."""
    shop = next(s for s in settings if s.part == "marketplace")
    return ZooRows.bayes_auc(shop, folder)


if __name__ == "__main__":
    typer.run(main)
