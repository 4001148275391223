"""Puts results beside published figures."""

import statistics
from collections.abc import Mapping, Sequence

from clickwright.models.published.published_board import PublishedBoard
from clickwright.models.published.published_run import PublishedRun
from clickwright.pipeline.bench.records import BoardRow, Machine, State, TrialResult
from clickwright.pipeline.bench.trial import Trial


def board_rows(
    board: PublishedBoard,
    trials: Mapping[str, Trial],
    results: Mapping[str, Sequence[TrialResult]],
    machines: Sequence[Machine],
) -> tuple[BoardRow, ...]:
    """One row a run of the board, in the board's order.

    Args:
        board: settings and published figures.
        trials: a trial of each run.
        results: results of each run; none where it was not trained.
        machines: all machines of the results.
    """
    means = {
        key: statistics.fmean(result.test_auc for result in found)
        for key, found in results.items()
        if found
    }
    return tuple(
        _row(key, run, trials[key], results.get(key, ()), means, machines)
        for key, run in board.runs.items()
    )


def _row(
    key: str,
    run: PublishedRun,
    trial: Trial,
    results: Sequence[TrialResult],
    means: Mapping[str, float],
    machines: Sequence[Machine],
) -> BoardRow:
    figures = run.published
    auc = means.get(key)
    required = run.required_auc if run.at_least is None else means.get(run.at_least)
    published = figures.expected_auc if figures else None
    expected = None
    if results and figures and figures.parameters and figures.table_rows:
        more = results[0].table_rows - figures.table_rows
        expected = figures.parameters + more * results[0].row_width
    return BoardRow(
        key=key,
        model=run.model,
        settings=trial.params.model_dump(mode="json", exclude_defaults=True)
        | run.training
        | ({"min_count": run.min_count} if run.min_count > 1 else {}),
        source=figures.source if figures else None,
        note=run.note,
        published_auc=figures.auc if figures else None,
        published_auc_mean=figures.auc_mean if figures else None,
        published_auc_std=figures.auc_std if figures else None,
        published_logloss=figures.logloss if figures else None,
        published_parameters=figures.parameters if figures else None,
        required_auc=required,
        required_of=run.at_least,
        state=_state(run, auc, required),
        seeds=tuple(result.seed for result in results),
        auc=auc,
        auc_std=_deviation([result.test_auc for result in results]),
        difference=None if auc is None or published is None else auc - published,
        logloss=_mean([result.test_logloss for result in results]),
        parameters=results[0].parameters if results else None,
        expected_parameters=expected,
        epochs=_mean([len(result.curve) for result in results]),
        seconds=_mean([result.seconds for result in results]),
        examples_per_second=_mean([r.examples_per_second for r in results]),
        peak_memory_bytes=max((r.peak_memory_bytes for r in results), default=None),
        machines=tuple(sorted({machines.index(r.machine) for r in results})),
        curves={result.seed: result.curve for result in results},
    )


def _state(run: PublishedRun, auc: float | None, required: float | None) -> State:
    if run.required_auc is None and run.at_least is None:
        return "free"
    if auc is None or required is None:
        return "open"
    return "met" if auc >= required else "missed"


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.pstdev(values) if len(values) > 1 else None
