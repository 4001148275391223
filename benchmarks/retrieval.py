"""Retrieval models compared with published figures, and SASRec's speed with PyTorch's.

Every training keeps its result in a file of its own, so that a run that was cut off
goes on, and more seeds or models add to what is there.
"""

import json
import logging
import os
import pathlib
import statistics
import subprocess
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import numpy as np
import rich.console
import typer
from document_parts import table
from kept_results import KeptResults
from retrieval_trials import DataSet, Result, Trial

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared" / "data"

_ENCODER = "S3Rec without pre-training"
_NEXT: Mapping[str, dict[str, Any]] = {
    "SASRec": {"model": "sasrec"},
    _ENCODER: {"model": "s3rec", "params": {"pretraining": False}},
    "S3Rec": {"model": "s3rec", "training": {"pretrain_epochs": 100}},
    "GRU4Rec": {
        "model": "gru4rec",
        "training": {"optimizer": "adagrad", "learning_rate": 0.1},
    },
    "BERT4Rec": {
        "model": "bert4rec",
        "training": {"optimizer": "adamw", "global_clipnorm": 5.0},
    },
    "HSTU": {
        "model": "hstu",
        "training": {"optimizer": "adamw", "weight_decay": 0.0, "batch_size": 128},
    },
}
# With six videos a person, a low temperature fits the hardest negatives by heart.
_WARM = {"temperature": 0.2}
_TOWERS: Mapping[str, dict[str, Any]] = {
    "Two towers": {"model": "two_tower", "params": _WARM},
    "Two towers, ids alone": {
        "model": "two_tower",
        "params": _WARM,
        "without": ("image", "audio"),
    },
}
_WATCHING = {
    "monitor": "recall@20",
    "batch_size": 1024,
    "valid_every": 2,
    "early_stop": 5,
}
LINES: Mapping[str, tuple[Mapping[str, dict[str, Any]], dict[str, Any]]] = {
    "beauty": (_NEXT, {}),
    "toys": (_NEXT, {}),
    "tiktok": (_TOWERS, _WATCHING),
}
"""Models and training parameters by data set; what is absent is the default."""
FOLDERS = {"beauty": "s3rec_seq", "toys": "s3rec_seq", "tiktok": "diffmm_tiktok"}
SHOWN = {
    "beauty": ("hr@5", "ndcg@5", "hr@10", "ndcg@10", "mrr@10"),
    "toys": ("hr@5", "ndcg@5", "hr@10", "ndcg@10", "mrr@10"),
    "tiktok": ("recall@20", "ndcg@20", "hr@20"),
}
PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "beauty": {
        "PopRec": {"hr@10": 0.0152},
        "GRU4Rec": {"hr@10": 0.0283},
        "BERT4Rec": {"hr@10": 0.0347},
        "SASRec, as S3Rec's authors have it": {"hr@10": 0.0605, "ndcg@10": 0.0318},
        "S3Rec": {"hr@10": 0.0647, "ndcg@10": 0.0327},
    },
    "toys": {
        "SASRec, as S3Rec's authors have it": {"hr@10": 0.0675, "ndcg@10": 0.0374},
        "S3Rec": {"hr@10": 0.0700},
    },
    "tiktok": {
        "MF-BPR": {"recall@20": 0.0346, "ndcg@20": 0.0130},
        "VBPR": {"recall@20": 0.0380, "ndcg@20": 0.0134},
        "MMGCN": {"recall@20": 0.0730, "ndcg@20": 0.0307},
        "LightGCN": {"recall@20": 0.0653, "ndcg@20": 0.0282},
        "BM3": {"recall@20": 0.0957, "ndcg@20": 0.0404},
        "DiffMM": {"recall@20": 0.1129, "ndcg@20": 0.0456},
    },
}
"""Full ranking, as the repositories RUCAIBox/CIKM2020-S3Rec and HKUDS/DiffMM say."""
RUN_AGAIN: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "toys": {
        "SASRec": {
            "hr@5": 0.0432,
            "ndcg@5": 0.0294,
            "hr@10": 0.0640,
            "ndcg@10": 0.0362,
        },
        "S3Rec, from the weights they published": {
            "hr@5": 0.0321,
            "ndcg@5": 0.0204,
            "hr@10": 0.0560,
            "ndcg@10": 0.0281,
        },
    },
}
"""What `run_finetune_full.py` of RUCAIBox/CIKM2020-S3Rec gives on these files, with its
defaults (seed 42) and PyTorch 2.13 on a CPU: less than is published."""
SEEDS = 3
SPEED_FILE = "speed.json"

app = typer.Typer(add_completion=False)
console = rich.console.Console(log_path=False)
Data = Annotated[pathlib.Path, typer.Option(help="Folder of the raw files' folders.")]
Out = Annotated[pathlib.Path, typer.Option(help="Folder of data and results.")]
Docs = Annotated[
    pathlib.Path | None,
    typer.Option(help="Folder of the document; `--out` without it."),
]
_OUT = pathlib.Path("out") / "bench" / "retrieval"


@app.command()
def quality(
    data: Data = SHARED,
    out: Out = _OUT,
    docs: Docs = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Data sets or registered models to train; all without it."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of everything.", min=1)] = SEEDS,
    epochs: Annotated[
        int | None, typer.Option(help="Most epochs a stage, for a smoke test.", min=1)
    ] = None,
) -> None:
    """Train all models, rank the whole catalogue for the test split once each.

    The validation split ends each training and chooses its epoch. Writes
    `retrieval.md` and `retrieval.json`.

        python benchmarks/retrieval.py quality --docs docs/benchmarks

        python benchmarks/retrieval.py quality --only tiktok --epochs 1 --seeds 1
    """
    logging.disable(logging.WARNING)
    results = KeptResults(out / "results", Result)
    lines = _lines(seeds, epochs)
    sets: dict[str, DataSet] = {}
    open_ = [
        t
        for line in _wanted(lines, only or ())
        for t in line
        if results.find(t.name) is None
    ]
    started = time.monotonic()
    for n, trial in enumerate(open_, 1):
        if trial.dataset not in sets:
            sets = {
                trial.dataset: DataSet(
                    trial.dataset, data / FOLDERS[trial.dataset], out / "data"
                )
            }
        title = f"{trial.dataset}: {trial.title}, seed {trial.seed}"
        with console.status(f"[{n}/{len(open_)}] {title}"):
            result = sets[trial.dataset].run(trial)
        results.keep(result)
        shown = SHOWN[trial.dataset][-1]
        left = (time.monotonic() - started) / n * (len(open_) - n)
        console.log(
            f"[{n}/{len(open_)}] {title}: test {shown} {result.test[shown]:.4f}, "
            f"{result.epochs} epochs in {result.seconds:.0f} s; about "
            f"{left / 60:.0f} min left",
            markup=False,
            highlight=False,
        )
    _write(lines, results, out, docs or out)


@app.command()
def speed(
    torch_python: Annotated[
        pathlib.Path, typer.Option(help="A Python with PyTorch; see sasrec_torch.py.")
    ],
    data: Data = SHARED,
    out: Out = _OUT,
    docs: Docs = None,
    threads: Annotated[int, typer.Option(help="Cores of either.", min=1)] = 2,
    epochs: Annotated[int, typer.Option(help="The first warms up.", min=2)] = 4,
    repeats: Annotated[int, typer.Option(help="Runs of each, in turn.", min=1)] = 3,
) -> None:
    """Training sequences a second of SASRec on Beauty, here and in PyTorch.

    The same rows, widths, batches and cores; the median of all epochs but the first
    ones. Either reads from memory; ours also draws negatives that the user never took,
    and checks that the loss is finite.

        python benchmarks/retrieval.py speed --torch-python torch/bin/python
    """
    logging.disable(logging.WARNING)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from clickwright.models.training.retrieval_params import RetrievalTrainingParams
    from clickwright.models.training.retrieval_trainer import RetrievalTrainer

    beauty = DataSet("beauty", data / FOLDERS["beauty"], out / "data")
    train, length, batch_size = beauty.examples["train"], 50, 128
    batches = list(train.batches(batch_size, length, 0, (0, 0)))
    file = out / "sequences.npz"
    np.savez(
        file,
        history=np.concatenate([batch["history"] for batch in batches]),
        target=np.concatenate([batch["target"] for batch in batches]),
        items=len(train.is_item),
    )
    trial = Trial(dataset="beauty", title="SASRec", model="sasrec", seed=0)
    seconds: dict[str, list[float]] = {"ours": [], "PyTorch": []}
    version = ""
    for n in range(repeats):
        params = RetrievalTrainingParams(
            epochs=epochs,
            batch_size=batch_size,
            valid_every=epochs,
            early_stop=epochs,
            tensorboard="off",
        )
        with console.status(f"[{n + 1}/{repeats}] ours"):
            trainer = RetrievalTrainer(beauty.build(trial), params)
            records = trainer.train(train, beauty.examples["valid"])
        rates = [r.examples_per_second or 0.0 for r in records[1:]]
        seconds["ours"] += [train.rows / rate for rate in rates]
        command = [str(torch_python), str(HERE / "sasrec_torch.py"), str(file)]
        command += ["--epochs", str(epochs), "--threads", str(threads)]
        command += ["--batch-size", str(batch_size)]
        with console.status(f"[{n + 1}/{repeats}] PyTorch"):
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        said = json.loads(done.stdout.splitlines()[-1])
        seconds["PyTorch"] += said["seconds"][1:]
        version = said["torch"]
    found = {
        name: {
            "sequences_per_second": train.rows / statistics.median(of_epochs),
            "seconds": of_epochs,
        }
        for name, of_epochs in seconds.items()
    }
    about = {"threads": threads, "torch": version, "tensorflow": tf.__version__}
    (out / SPEED_FILE).write_text(json.dumps({**about, **found}, indent=1) + "\n")
    for name, figures in found.items():
        console.log(f"{name}: {figures['sequences_per_second']:.0f} sequences/s")
    _write(_lines(SEEDS, None), KeptResults(out / "results", Result), out, docs or out)


def _lines(seeds: int, epochs: int | None) -> list[list[Trial]]:
    """The trials of all seeds, by data set and model."""
    found = []
    for dataset, (models, training) in LINES.items():
        for title, said in models.items():
            own = {**training, **said.get("training", {}), "tensorboard": "off"}
            if epochs is not None:
                own |= {"epochs": epochs, "pretrain_epochs": epochs}
            rest = {k: v for k, v in said.items() if k != "training"}
            found.append(
                [
                    Trial(dataset=dataset, title=title, training=own, seed=seed, **rest)
                    for seed in range(seeds)
                ]
            )
    return found


def _wanted(
    lines: Sequence[Sequence[Trial]], only: Sequence[str]
) -> list[Sequence[Trial]]:
    """The lines that are named: some data sets, and some models."""
    kinds = [{line[0].dataset for line in lines}, {line[0].model for line in lines}]
    known = set().union(*kinds)
    if unknown := set(only) - known:
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: choose from {', '.join(sorted(known))}",
            param_hint="--only",
        )
    sets, models = (set(only) & kind or kind for kind in kinds)
    return [
        line for line in lines if line[0].dataset in sets and line[0].model in models
    ]


def _write(
    lines: Sequence[Sequence[Trial]],
    results: KeptResults[Result],
    out: pathlib.Path,
    docs: pathlib.Path,
) -> None:
    found = [[r for t in line if (r := results.find(t.name))] for line in lines]
    parts = [
        "# Retrieval models\n",
        (
            "Written by `benchmarks/retrieval.py`. Every figure ranks the whole catalogue "
            "for each request of the test split, less what the user had taken before; an "
            "item ranks behind all that it is tied with. The validation split chose the "
            "epoch. Published figures are those of the repositories that the splits come "
            "from, of one run each.\n"
        ),
    ]
    kept = []
    for dataset, names in SHOWN.items():
        rows = []
        for line in found:
            if line and line[0].trial.dataset == dataset:
                rows.append(_row(line, names))
                kept.append([result.model_dump(mode="json") for result in line])
        if not rows:
            continue
        for title, figures in PUBLISHED[dataset].items():
            cells = (f"{figures[n]:.4f}" if n in figures else "–" for n in names)
            rows.append([f"published: {title}", *cells, "–", "–", "–"])
        for title, figures in RUN_AGAIN.get(dataset, {}).items():
            cells = (f"{figures[n]:.4f}" if n in figures else "–" for n in names)
            rows.append(
                [f"the authors' code, run here: {title}", *cells, "–", "–", "–"]
            )
        header = ["", *names, "seeds", "epochs", "rows/s"]
        parts += [f"## {dataset.capitalize()}\n", table(header, rows)]
    speed_file = out / SPEED_FILE
    speeds = json.loads(speed_file.read_text()) if speed_file.exists() else None
    if speeds is not None:
        ours, theirs = (speeds[n]["sequences_per_second"] for n in ("ours", "PyTorch"))
        parts += [
            "## Speed of SASRec\n",
            (
                f"Training on Beauty, {speeds['threads']} cores, batches of 128, 50 places, "
                f"width 50, two blocks: {ours:,.0f} sequences a second, and "
                f"{theirs:,.0f} by the same architecture in PyTorch {speeds['torch']} "
                f"(`benchmarks/sasrec_torch.py`): {ours / theirs:.2f} times as many.\n"
            ),
        ]
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "retrieval.md").write_text("\n".join(parts))
    whole = {"quality": kept, "speed": speeds}
    (docs / "retrieval.json").write_text(json.dumps(whole, indent=1) + "\n")
    console.log(f"document: {docs / 'retrieval.md'}")


def _row(line: Sequence[Result], names: Sequence[str]) -> list[str]:
    cells = []
    for name in names:
        values = [result.test[name] for result in line]
        spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        cells.append(f"{statistics.fmean(values):.4f}{spread}")
    epochs = f"{statistics.fmean(r.epochs for r in line):.0f}"
    rate = f"{statistics.median(r.sequences_per_second for r in line):,.0f}"
    return [line[0].trial.title, *cells, str(len(line)), epochs, rate]


if __name__ == "__main__":
    app()
