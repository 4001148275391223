"""Models of a history compared, and what history and item vectors are worth to them.

Every training keeps its result in a file of its own, so that a run that was cut off
goes on, and more seeds or models add to what is there.
"""

import logging
import os
import pathlib
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import rich.console
import typer
from kept_results import KeptResults
from sequence_document import write_document
from sequence_trials import Ablation, DataSet, Result, Trial
from shop_training import SETTLING
from shop_truth import truth_without

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared" / "data"

TABLES: Mapping[str, dict[str, Any]] = {
    # Most users of the shop are seen too seldom for less.
    "marketplace": {"embedding_dim": 16, "l2": 0.15},
    "collm_ml1m": {"embedding_dim": 16, "l2": 0.3, "embedding_stddev": 1e-2},
}
"""Parameters of the embeddings by data set, the same for all models."""
_TOWER = {"hidden_units": (256, 128, 64), "dropout": 0.1, "batch_norm": True}
_LONG = {**_TOWER, "short_length": 10}
_DIN = {**_TOWER, "attention_units": (32,)}
MODELS: Mapping[str, dict[str, Any]] = {
    "qin": {"layers": 3, "rows": 2},
    "din": _DIN,
    "dien": _TOWER,
    "bst": _TOWER,
    "miss": {"base": "din", "base_params": _DIN},
    "sim": {**_LONG, "top": 10},
    "eta": {**_LONG, "top": 10},
    "sdim": _LONG,
    "twin": {**_LONG, "top": 10},
    "deepfm": _TOWER,
    "dcnv2": _TOWER,
}
"""Parameters by model, alike where models have the same ones; searches find 10 items,
so that there is something to leave out."""
OPTIONS: Mapping[str, Sequence[dict[str, Any]]] = {
    "marketplace": (
        {"impressions": 200_000, "seed": 7},
        # So many items that clicks teach little of a single one: what is known of it
        # stands in its vector.
        {"impressions": 200_000, "items": 20_000, "seed": 7},
    ),
    "collm_ml1m": ({},),
}
"""Options of each data set; the shop comes in two sizes."""
TRAINING: Mapping[str, dict[str, Any]] = {
    "marketplace": {"batch_size": 2048, "epochs": 30, **SETTLING},
    "collm_ml1m": {"batch_size": 512, "epochs": 30},
}
ABLATIONS: tuple[Ablation, ...] = ("full", "no history", "no vectors")
SEEDS = 3

console = rich.console.Console(log_path=False)


def main(
    data: Annotated[
        pathlib.Path,
        typer.Option(help="Folder with `collm_ml1m`; without it, the shop alone."),
    ] = SHARED,
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder of prepared data and results.")
    ] = pathlib.Path("out") / "bench" / "sequence",
    docs: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder of the document; `--out` without it."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Data sets, models or ablations to train; all without it. Repeat it "
            "to name several: `--only collm_ml1m --only din`."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of everything.", min=1)] = SEEDS,
    epochs: Annotated[
        int | None, typer.Option(help="Most epochs, for a smoke test.", min=1)
    ] = None,
    impressions: Annotated[
        int | None,
        typer.Option(help="Rows of the shop, for a smoke test.", min=1000),
    ] = None,
) -> None:
    """Compare models of a history.

    Test AUC, GAUC, log loss, parameters and examples a second, on the simulated shop
    with the gap to its true click probabilities and on MovieLens-1M as CoLLM splits it.
    Each model is trained with everything, without histories and without item vectors.

    The validation split ends each training and chooses its epoch; the test split is
    scored once, in the end. Writes `sequence.md`, `sequence.json` and charts.

        python benchmarks/sequence.py --docs docs/benchmarks

        python benchmarks/sequence.py --only marketplace --only din --epochs 1 \\
            --impressions 5000 --seeds 1
    """
    logging.disable(logging.WARNING)
    results = KeptResults(out / "results", Result)
    lines = _lines(seeds, epochs, impressions)
    wanted = _wanted(lines, only or ())
    notes = []
    if not (data / "collm_ml1m").is_dir():
        notes.append(
            f"MovieLens-1M is left out: there is no folder {data / 'collm_ml1m'}"
        )
        console.log(notes[0])
        wanted = [line for line in wanted if line[0].dataset != "collm_ml1m"]
    sets: dict[str, DataSet] = {}

    def data_set(trial: Trial) -> DataSet:
        if trial.data not in sets:
            raw = None if trial.dataset == "marketplace" else data / trial.dataset
            with console.status(f"Reading {trial.data}"):
                sets[trial.data] = DataSet(trial, raw, out / "data")
        return sets[trial.data]

    failures = _train([trial for line in wanted for trial in line], results, data_set)
    found = [[r for t in line if (r := results.find(t.name))] for line in lines]
    told = [line for line in found if line]
    shops = {
        line[0].trial.data: line[0].trial.options
        for line in told
        if line[0].trial.dataset == "marketplace"
    }
    truths = {shop: truth_without(options) for shop, options in shops.items()}
    if told:
        console.log(f"document: {write_document(told, truths, docs or out, notes)}")
    if failures:
        raise typer.Exit(1)


def _lines(
    seeds: int, epochs: int | None, impressions: int | None
) -> list[list[Trial]]:
    """The trials of all seeds, by data set, model and ablation."""
    fewer = {} if epochs is None else {"epochs": epochs}
    smaller = {} if impressions is None else {"impressions": impressions}
    return [
        [
            Trial(
                dataset=dataset,
                options={**said, **(smaller if "impressions" in said else {})},
                model=model,
                params=_with_tables(params, TABLES[dataset]),
                training={**TRAINING[dataset], **fewer},
                ablation=ablation,
                seed=seed,
            )
            for seed in range(seeds)
        ]
        for dataset, several in OPTIONS.items()
        for said in several
        for model, params in MODELS.items()
        for ablation in ABLATIONS
    ]


def _with_tables(
    params: Mapping[str, Any], tables: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters with those of the embeddings, which a plug-in leaves its base."""
    if "base_params" in params:
        return {**params, "base_params": {**tables, **params["base_params"]}}
    return {**tables, **params}


def _wanted(
    lines: Sequence[Sequence[Trial]], only: Sequence[str]
) -> list[Sequence[Trial]]:
    """The lines that are named: some data sets, models and ablations each."""
    kinds: list[set[str]] = [set(OPTIONS), set(MODELS), set(ABLATIONS)]
    known = set().union(*kinds)
    unknown = set(only) - known
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: choose from {', '.join(sorted(known))}",
            param_hint="--only",
        )
    named = [set(only) & kind or kind for kind in kinds]
    return [
        line
        for line in lines
        if line[0].dataset in named[0]
        and line[0].model in named[1]
        and line[0].ablation in named[2]
    ]


def _train(trials: Sequence[Trial], results: KeptResults[Result], data_set: Any) -> int:
    """Trains what has no result; returns how many trainings failed."""
    from clickwright.schemas.errors import ClickwrightError

    open_ = [trial for trial in trials if results.find(trial.name) is None]
    console.log(f"{len(trials) - len(open_)} of {len(trials)} trainings are there")
    started, failures = time.monotonic(), 0
    for n, trial in enumerate(open_, 1):
        title = f"{trial.data} {trial.model}, {trial.ablation}, seed {trial.seed}"
        place = f"[{n}/{len(open_)}]"
        try:
            with console.status(f"{place} {title}"):
                result = data_set(trial).run(trial)
        except ClickwrightError as error:
            failures += 1
            console.log(f"{place} {title} failed: {error}", markup=False)
            continue
        results.keep(result)
        left = (time.monotonic() - started) / n * (len(open_) - n)
        console.log(
            f"{place} {title}: test AUC {result.auc:.4f}, GAUC {result.gauc:.4f}, "
            f"{result.epochs} epochs in {result.seconds:.0f} s; about "
            f"{left / 60:.0f} min left",
            markup=False,
            highlight=False,
        )
    return failures


if __name__ == "__main__":
    typer.run(main)
