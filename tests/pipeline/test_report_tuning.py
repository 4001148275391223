"""What the report and the console say of a search for parameters."""

import io
import pathlib
from typing import Any

import plotly.graph_objects as go
import rich.console
from report_page import Page, figures, table
from report_record import HOSTILE, finished_run

from clickwright.components.tuner.result import TuningResult
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.pipeline import tuning
from clickwright.pipeline.report.render import render


def trial(number: int, dropout: float, units: Any, **fields: Any) -> TrialOutcome:
    values = {"model.dropout": dropout, "model.hidden_units": units}
    return TrialOutcome(trial=f"{number:02d}", values=values, **fields)


RESULT = TuningResult(
    model="dnn",
    algorithm="random",
    objective="auc",
    direction="max",
    configured={"model.dropout": 0.2, "model.hidden_units": [8]},
    best="02",
    trials=(
        trial(0, 0.2, [8], state="complete", score=0.70, epochs=4, seconds=3.0),
        trial(1, 0.5, [8], state="pruned", score=0.60, epochs=2),
        trial(2, 0.1, [8], state="complete", score=0.75, epochs=4),
        trial(3, 0.9, [16, 8], state="diverged", message="not finite"),
        trial(4, 0.3, [16, 8], state="failed", message=f"Traceback\n{HOSTILE}"),
    ),
    importance={"model.dropout": 0.9, "model.hidden_units": 0.1},
    seconds=9.0,
)


def test_the_report_shows_the_best_trial_and_what_matters() -> None:
    page = Page(render(finished_run(tuning=RESULT)))
    assert "The best of 5 trials has the auc 0.7500" in page.text
    assert "as it stands has 0.7000: +0.0500" in page.text
    assert table(page, "Parameters that were searched")[1:] == [
        ["model.dropout", "0.2", "0.1", "90.00%"],
        ["model.hidden_units", "[8]", "[8]", "10.00%"],
    ]
    rows = table(page, "All trials")[1:]
    assert [row[0] for row in rows] == ["3", "1", "2", "4", "5"]
    assert rows[0][1:4] == ["complete", "0.7500", "4"]
    assert "Trial 4: not finite" in page.text
    assert HOSTILE in page.text  # as text


def test_the_charts_are_valid_and_hold_all_trials() -> None:
    found = figures(Page(render(finished_run(tuning=RESULT))))
    bars = found["tuning/importance"]["data"][0]
    assert bars["x"] == [0.9, 0.1]
    best, complete, pruned = found["tuning/trials"]["data"]
    assert best["x"] == [1, 2, 3] and best["y"] == [0.70, 0.70, 0.75]
    assert complete["x"] == [1, 3] and pruned["x"] == [2]
    for name in ("importance", "trials"):
        figure = dict(found[f"tuning/{name}"])
        layout = {k: v for k, v in figure["layout"].items() if k != "template"}
        for axis in ("data", "layout"):
            assert "NaN" not in str(figure[axis])
        go.Figure({"data": [_plain(t) for t in figure["data"]], "layout": layout})


def test_where_less_is_better_the_least_is_the_best_so_far() -> None:
    result = RESULT.model_copy(update={"direction": "min", "best": "01"})
    found = figures(Page(render(finished_run(tuning=result))))
    assert found["tuning/trials"]["data"][0]["y"] == [0.70, 0.60, 0.60]
    rows = table(Page(render(finished_run(tuning=result))), "All trials")
    assert [row[0] for row in rows[1:3]] == ["2", "1"]


def test_a_search_alone_ends_in_a_verdict_of_its_own() -> None:
    record = finished_run(
        tuning=RESULT, evaluation=None, blessed=False, published=None, version=None
    )
    assert "Better parameters found" in Page(render(record)).text
    same = RESULT.model_copy(update={"best": "00"})
    record = finished_run(
        tuning=same, evaluation=None, blessed=False, published=None, version=None
    )
    assert "No better parameters found" in Page(render(record)).text


def test_a_run_without_a_search_has_no_such_section() -> None:
    assert "Search for parameters" not in Page(render(finished_run())).text
    few = RESULT.model_copy(update={"importance": {}})
    assert "tuning/importance" not in figures(Page(render(finished_run(tuning=few))))


def test_the_console_shows_the_best_values_as_a_yaml_takes_them() -> None:
    assert tuning.figures(None) is None
    found = tuning.figures(RESULT)
    assert found is not None and found["changed"] == {"model.dropout": 0.1}
    out = io.StringIO()
    tuning.show(found, pathlib.Path("tuning.html"), rich.console.Console(file=out))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "3 0.7500 4 dropout 0.1" in lines
    assert "1 0.7000 4 as configured" in lines
    assert "2 0.6000 2 dropout 0.5, (pruned)" in lines
    assert "model:" in lines and "params: {dropout: 0.1}" in lines
    (failed,) = (line for line in lines if "failed: 1;" in line)
    assert "trial 5" in failed and HOSTILE in failed
    same = tuning.figures(RESULT.model_copy(update={"best": "00"}))
    assert same is not None
    tuning.show(same, pathlib.Path("tuning.html"), rich.console.Console(file=out))
    assert "nothing was better than the configuration" in out.getvalue()


def _plain(trace: dict[str, Any]) -> dict[str, Any]:
    """Colours are CSS variables, which Plotly's own checks do not know."""
    return {k: v for k, v in trace.items() if k not in ("marker", "line")}
