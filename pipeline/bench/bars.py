"""Runs a board of the BARS benchmark, and writes what came out."""

import dataclasses
import logging
import pathlib
from collections.abc import Iterable, Sequence

import rich.console

from clickwright.models.published.boards import load_board
from clickwright.models.published.published_board import PublishedBoard
from clickwright.models.training.params import TrainingParams
from clickwright.pipeline.bench.board_data import BoardData
from clickwright.pipeline.bench.board_progress import BoardProgress
from clickwright.pipeline.bench.document import write_document
from clickwright.pipeline.bench.records import BoardRecord, TrialResult
from clickwright.pipeline.bench.results import Results
from clickwright.pipeline.bench.rows import board_rows
from clickwright.pipeline.bench.table import board_table
from clickwright.pipeline.bench.trial import Trial, protocol
from clickwright.pipeline.console import quiet, watched
from clickwright.pipeline.lock import exclusive
from clickwright.schemas import strict_yaml
from clickwright.schemas.datasets import source_class
from clickwright.schemas.errors import (
    ClickwrightError,
    ConfigError,
    did_you_mean,
    storage_error,
)

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class BoardOutcome:
    """What a board came to.

    Attributes:
        record: all figures.
        document: the Markdown file that was written.
        failures: why trainings came to nothing, by run and seed.
    """

    record: BoardRecord
    document: pathlib.Path
    failures: dict[str, str]

    @property
    def good(self) -> bool:
        """Whether nothing failed and no required figure was missed."""
        return not self.failures and all(r.state != "missed" for r in self.record.rows)


def run_board(
    name: str,
    *,
    models: Sequence[str] = (),
    seeds: int = 1,
    data: pathlib.Path | None = None,
    out: pathlib.Path | None = None,
    docs: pathlib.Path | None = None,
    fresh: bool = False,
    verbose: bool = False,
) -> BoardOutcome:
    """Trains what is not trained yet, and writes document, JSON and curves.

    Args:
        name: name of the board.
        models: models or keys of runs; all runs of the board when empty.
        seeds: trainings a run, from seed 0 on.
        data: folder of the raw files; `data/<data set>` when None.
        out: folder of results and unfinished states; `out/bench/<name>` when None.
        docs: folder of the document; `out` when None.
        fresh: train again what is trained.
        verbose: show what the libraries print.

    Raises:
        ClickwrightError: a name is unknown, data are absent or broken, or `out` cannot
            be written.
    """
    board = load_board(name, where="--dataset")
    if board.dataset is None:
        raise ConfigError(
            f"The board `{name}` has settings and figures, but no data come with it.",
            where="--dataset",
            fix=f"train with `model: {{preset: {name}}}` on files of your own",
        )
    keys = select(board, models)
    out = out or pathlib.Path("out") / "bench" / name
    raw = data or pathlib.Path("data") / board.dataset
    results = Results(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, out) from error
    with quiet(out / "log.txt", verbose) as console:
        with watched(console, f"Prepare {board.dataset}"):
            rows = BoardData(source_class(board.dataset)(), raw, out / "data")
        trials = [
            Trial.of(board, key, seed, rows.fingerprint)
            for seed in range(seeds)
            for key in keys
        ]
        failures = _train_all(trials, rows, results, fresh, console)
    record = _record(board, rows, results)
    document = write_document(record, docs or out)
    return BoardOutcome(record, document, failures)


def select(board: PublishedBoard, names: Iterable[str]) -> tuple[str, ...]:
    """Keys of the runs that are meant: by key, or all of a model's.

    Raises:
        ConfigError: a name is neither a run of the board nor a model on it.
    """
    wanted: set[str] = set()
    known = {*board.runs, *(run.model for run in board.runs.values())}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"Unknown model `{name}`.{did_you_mean(name, sorted(known))}",
                where="--models",
                fix=f"use some of {', '.join(sorted(known))}",
            )
        if name in board.runs:
            wanted.add(name)
        else:
            wanted |= {k for k, run in board.runs.items() if run.model == name}
    return tuple(key for key in board.runs if key in wanted or not wanted)


def show(outcome: BoardOutcome, console: rich.console.Console) -> None:
    """Prints the board, what failed, and where the document is."""
    console.print(board_table(outcome.record.rows))
    for name, why in outcome.failures.items():
        console.print(f"{name} failed: {why}", highlight=False, soft_wrap=True)
    console.print(f"document: {outcome.document}", highlight=False, soft_wrap=True)


def _train_all(
    trials: Sequence[Trial],
    data: BoardData,
    results: Results,
    fresh: bool,
    console: rich.console.Console,
) -> dict[str, str]:
    """Trains what has no result yet; one failure does not cost the others."""
    if fresh:
        for trial in trials:
            results.forget(trial)
    found = [results.find(trial) for trial in trials]
    shown = BoardProgress(
        console, len(trials), (r.seconds for r in found if r is not None)
    )
    failures = {}
    for trial, result in zip(trials, found, strict=True):
        if result is not None:
            shown.finished(result, cached=True)
            continue
        shown.start(trial)
        why = ""
        try:
            result = _train(trial, data, results)
        except ClickwrightError as error:
            why = str(error)
        except Exception as error:
            _logger.exception("%s, seed %d", trial.key, trial.seed)
            why = f"{type(error).__name__}: {error} (more in the log)"
        finally:
            shown.stop()
        if result is None:
            failures[f"{trial.key}, seed {trial.seed}"] = why
            shown.failed(trial, why)
        else:
            shown.finished(result, cached=False)
    return failures


def _train(trial: Trial, data: BoardData, results: Results) -> TrialResult:
    # Imported here: TensorFlow takes seconds, which a board that is done need not pay.
    from clickwright.models.training.checkpoint import Checkpoint
    from clickwright.pipeline.bench.training import train

    folder = results.checkpoint_folder(trial)
    with exclusive(folder):
        result = train(trial, data, Checkpoint(folder))
        results.save(trial, result)
    return result


def _record(board: PublishedBoard, data: BoardData, results: Results) -> BoardRecord:
    trials = {key: Trial.of(board, key, 0, data.fingerprint) for key in board.runs}
    found = {key: results.all_of(trial) for key, trial in trials.items()}
    machines = []
    for result in (result for of_run in found.values() for result in of_run):
        if result.machine not in machines:
            machines.append(result.machine)
    return BoardRecord(
        name=board.name,
        title=board.title,
        data=board.dataset or "",
        train_file=data.train_file,
        train_note=board.train_notes.get(data.train_file, ""),
        fingerprint=data.fingerprint,
        training=protocol(
            strict_yaml.parse(TrainingParams, board.training, board.name)
        ),
        machines=tuple(machines),
        rows=board_rows(board, trials, found, machines),
    )
