"""Training of DeepFM: ours beside FuxiCTR, DeepCTR and stock Keras, and by table size.

All rows of the table come out of one run, each from a process of its own, one after
the other and with the same number of threads, so the ratios hold on any machine; the
examples per second do not.
"""

import dataclasses
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
from typing import Annotated, Any

import numpy as np
import rich.console
import rich.filesize
import rich.table
import typer

HERE = pathlib.Path(__file__).resolve().parent
FRAPPE = HERE.parent.parent / "shared" / "data" / "frappe"
FIELDS = [
    "user",
    "item",
    "daytime",
    "weekday",
    "isweekend",
    "homework",
    "cost",
    "weather",
    "country",
    "city",
]
VALUES = (954, 4082, 7, 7, 2, 3, 2, 9, 80, 233)
"""Values of each field in Frappe_x1's training split."""
TRAIN_ROWS, VALID_ROWS = 202_027, 57_722
SIDE_BY_SIDE = 1_000_000
TABLE_ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
TOWER, SMALL_TOWER = "400,400,400", "128,64"
"""Published, and small: the more there is to multiply, the less the tables tell."""
WANTED = {
    "ours / FuxiCTR": 1.5,
    f"ours / stock Keras, tower {SMALL_TOWER}": 2.5,
    "step at most rows / at 10k rows": 1.3,
}

console = rich.console.Console()


@dataclasses.dataclass(frozen=True)
class Timing:
    """One training.

    Attributes:
        name: row of the table.
        rows: training examples an epoch.
        seconds: of each epoch, without validation.
        step: seconds a step, in the median of the epochs after the first.
        parameters: trainable weights.
        rss: most memory that the process held, in bytes.
        version: of what ran.
    """

    name: str
    rows: int
    seconds: list[float]
    step: float
    parameters: int
    rss: int
    version: str

    @property
    def speed(self) -> float:
        """Examples a second, in the median of the epochs after the first."""
        return self.rows / statistics.median(self.seconds[1:] or self.seconds)


def main(
    data: Annotated[
        pathlib.Path, typer.Option(help="Frappe; drawn in its shape where absent.")
    ] = FRAPPE,
    fuxictr_python: Annotated[
        pathlib.Path | None,
        typer.Option(help="Python with FuxiCTR; see train_fuxictr.py."),
    ] = None,
    deepctr_python: Annotated[
        pathlib.Path | None,
        typer.Option(help="Python with DeepCTR; see train_deepctr.py."),
    ] = None,
    epochs: Annotated[
        int, typer.Option(help="Epochs each; the first is not counted.", min=2)
    ] = 4,
    steps: Annotated[
        int, typer.Option(help="Steps an epoch where tables are large.", min=1)
    ] = 50,
    batch_size: Annotated[int, typer.Option(help="Rows a step.", min=1)] = 4096,
    threads: Annotated[int, typer.Option(help="Threads of each process.", min=1)] = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help="Smoke test: a few steps, small tables.")
    ] = False,
    json_file: Annotated[
        pathlib.Path | None, typer.Option("--json", help="Also write all figures here.")
    ] = None,
) -> None:
    """Time training epochs of DeepFM, without validation.

    On Frappe, at BARS's settings (batch 4096, embeddings of 10, a tower of 3 x 400 with
    batch normalization and dropout 0.2, an L2 penalty of 0.05 on all rows, Adam,
    gradients clipped at a norm of 10): ours, FuxiCTR in both of its file formats, and
    DeepCTR. Peers run in a Python of their own, through their public training path;
    those without a Python are left out.

    On ten fields with a million rows of 16 in all, drawn at random, without penalty:
    ours with its sparse updates, and ten keras.layers.Embedding with
    keras.optimizers.Adam in model.fit, once with that tower and once with a small one.
    Then ours alone with 10 thousand to 10 million rows.

        python benchmarks/train.py --fuxictr-python fuxictr/bin/python --json train.json

        python benchmarks/train.py --quick
    """
    table_rows = TABLE_ROWS[:2] if quick else TABLE_ROWS
    side_by_side = table_rows[-1] if quick else SIDE_BY_SIDE
    if quick:
        epochs, steps = 2, 3
    flags = [f"--epochs={epochs}", f"--batch-size={batch_size}", f"--threads={threads}"]
    ours, stock = "train_keras.py ours", "train_keras.py stock"
    timings: dict[str, Timing] = {}

    def run(name: str, python: pathlib.Path | str, command: str, *more: str) -> None:
        with console.status(name):
            timings[name] = _run(name, str(python), command.split(), [*more, *flags])
        console.print(f"{name}: {timings[name].speed:,.0f} examples/s")

    with tempfile.TemporaryDirectory() as work:
        rows = steps * batch_size if quick else TRAIN_ROWS
        source = _write_frappe(data, pathlib.Path(work), rows)
        run("Frappe, ours", sys.executable, "train_keras.py frappe", f"--folder={work}")
        if fuxictr_python:
            for kind in ("parquet", "npz"):
                command = f"train_fuxictr.py {work} --format={kind}"
                run(f"Frappe, FuxiCTR, {kind}", fuxictr_python, command)
        if deepctr_python:
            run("Frappe, DeepCTR", deepctr_python, f"train_deepctr.py {work}")
    for tower in (TOWER, SMALL_TOWER):
        for count in table_rows:
            more = [f"--table-rows={count}", f"--steps={steps}", f"--tower={tower}"]
            if count == side_by_side:
                name = f"{_large_name(count, tower)}, stock Keras"
                run(name, sys.executable, stock, *more)
            if count == side_by_side or tower == TOWER:
                name = f"{_large_name(count, tower)}, ours"
                run(name, sys.executable, ours, *more)

    ratios = _ratios(timings, side_by_side, table_rows)
    console.print(_table(timings, threads, source))
    for version in dict.fromkeys(timing.version for timing in timings.values()):
        console.print(version, highlight=False)
    for name, ratio in ratios.items():
        wanted = WANTED.get(name)
        bound = "at most" if "rows" in name else "at least"
        asked = f" (wanted: {bound} {wanted})" if wanted else ""
        console.print(f"{name}: {ratio:.2f}{asked}")
    if json_file is not None:
        figures = {
            "machine": {"cpu": platform.processor(), "cpus": os.cpu_count()},
            "threads": threads,
            "batch_size": batch_size,
            "frappe": source,
            "trainings": [
                dataclasses.asdict(t) | {"examples_per_second": t.speed}
                for t in timings.values()
            ],
            "ratios": ratios,
            "wanted": WANTED,
        }
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


def _run(name: str, python: str, command: list[str], flags: list[str]) -> Timing:
    script, *arguments = command
    threads = flags[-1].rpartition("=")[2]
    done = subprocess.run(
        [python, str(HERE / script), *arguments, *flags],
        env={**os.environ, "OMP_NUM_THREADS": threads, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        console.print(done.stderr[-4000:], markup=False)
        raise typer.Exit(1)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    batch = int(flags[-2].rpartition("=")[2])
    counted = found["seconds"][1:] or found["seconds"]
    step = statistics.median(counted) / -(-found["rows"] // batch)
    return Timing(name=name, step=step, **found)


def _write_frappe(data: pathlib.Path, work: pathlib.Path, rows: int) -> str:
    """Writes the first rows as CSV and as ids; returns where they are from."""
    files = [*data.glob("**/train.csv"), *data.glob("**/train_redrawn_negatives.csv")]
    if files:
        train = _read_csv(files[0])
        valid = _read_csv(files[0].with_name("valid.csv"))
    else:
        train, valid = _drawn(TRAIN_ROWS, seed=1), _drawn(VALID_ROWS, seed=2)
    train, valid = train[:rows], valid[:rows]
    header = ",".join(["label", *FIELDS])
    for name, table in (("train", train), ("valid", valid)):
        np.savetxt(work / f"{name}.csv", table, "%d", ",", header=header, comments="")
    ids = {
        # Row 0 is for missing values, the last one for those not in the split.
        field: np.unique(train[:, n], return_inverse=True)[1].astype(np.int32) + 1
        for n, field in enumerate(FIELDS, 1)
    }
    np.savez(work / "train.npz", label=train[:, 0].astype(np.float32), **ids)
    return files[0].name if files else "drawn at random in its shape"


def _read_csv(path: pathlib.Path) -> np.ndarray[Any, Any]:
    """`[rows, 1 + fields]`, the label first."""
    with path.open() as file:
        names = file.readline().strip().split(",")
        table = np.loadtxt(file, np.int64, delimiter=",")
    return table[:, [names.index(name) for name in ("label", *FIELDS)]]


def _drawn(rows: int, seed: int) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(seed)
    return random.integers(0, (3, *VALUES), (rows, 1 + len(VALUES))) // ([2] + [1] * 10)


def _ratios(
    timings: dict[str, Timing], side_by_side: int, table_rows: tuple[int, ...]
) -> dict[str, float]:
    """How many times as fast ours is; of the tables, how much slower a step gets."""
    ours = timings["Frappe, ours"].speed
    fuxictr = [t.speed for name, t in timings.items() if "FuxiCTR" in name]
    ratios = {}
    if fuxictr:
        ratios["ours / FuxiCTR"] = ours / max(fuxictr)
    if "Frappe, DeepCTR" in timings:
        ratios["ours / DeepCTR"] = ours / timings["Frappe, DeepCTR"].speed
    for tower in (SMALL_TOWER, TOWER):
        name = _large_name(side_by_side, tower)
        ours_there, stock = (
            timings[f"{name}, {who}"] for who in ("ours", "stock Keras")
        )
        ratios[f"ours / stock Keras, tower {tower}"] = ours_there.speed / stock.speed
    first, last = (
        timings[f"{_large_name(n, TOWER)}, ours"]
        for n in table_rows[:: len(table_rows) - 1]
    )
    ratios["step at most rows / at 10k rows"] = last.step / first.step
    return ratios


def _table(timings: dict[str, Timing], threads: int, source: str) -> rich.table.Table:
    table = rich.table.Table(
        title=f"DeepFM, {threads} threads; Frappe: {source}", title_style=""
    )
    table.add_column("training")
    for column in ("parameters", "examples/s", "ms a step", "most memory"):
        table.add_column(column, justify="right")
    for name, timing in timings.items():
        table.add_row(
            name,
            f"{timing.parameters:,}",
            f"{timing.speed:,.0f}",
            f"{1000 * timing.step:.1f}",
            rich.filesize.decimal(timing.rss),
        )
    return table


def _large_name(rows: int, tower: str) -> str:
    return f"{_short(rows)} rows, tower {tower}"


def _short(rows: int) -> str:
    return f"{rows // 10**6}M" if rows >= 10**6 else f"{rows // 1000}k"


if __name__ == "__main__":
    typer.run(main)
