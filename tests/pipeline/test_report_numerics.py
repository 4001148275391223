"""The section of numeric fields."""

import json
import pathlib
import re
from typing import Any

import plotly.graph_objects as go
import pytest
from numeric_report import ENCODINGS, GRID, numeric_report
from report_page import Page, figures, table
from report_record import HOSTILE, finished_run

from clickwright.pipeline.report.render import render
from clickwright.schemas.autodis_report import FILE_NAME, AutoDisReport, FieldReport
from clickwright.schemas.errors import DataError

BINNED = [n for n, (_, bins) in ENCODINGS.items() if bins]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(finished_run(numerics=numeric_report())))


def drawn(page: Page, chart: str) -> dict[str, Any]:
    """A chart's figures by field."""
    names = [*ENCODINGS, "gone"]
    prefix = f"numeric/{chart}/"
    return {
        names[int(key.removeprefix(prefix))]: figure
        for key, figure in figures(page).items()
        if key.startswith(prefix)
    }


def test_a_run_without_numeric_fields_has_no_such_section() -> None:
    empty = AutoDisReport(spec_name="shop", response_rows=512, fields={})
    for report in (None, empty):
        page = Page(render(finished_run(numerics=report)))
        assert "Numeric fields" not in page.text
        assert not [key for key in figures(page) if key.startswith("numeric")]


def test_every_field_has_the_charts_that_its_encoder_allows(page: Page) -> None:
    assert list(drawn(page, "response")) == list(ENCODINGS)
    assert list(drawn(page, "path")) == list(ENCODINGS)
    assert list(drawn(page, "bins")) == BINNED
    assert list(drawn(page, "usage")) == BINNED
    charts = [a["id"] for t, a in page.tags if a.get("class") == "chart"]
    (select,) = [
        a["data-chart"]
        for t, a in page.tags
        if "numeric" in (a.get("data-chart") or "")
    ]
    assert select is not None
    assert select.split(" ") == [c for c in charts if c and "numeric" in c]
    assert len(select.split(" ")) == 4


def test_charts_show_the_report_s_numbers(page: Page) -> None:
    field = numeric_report().fields["price"]
    predicted, missing, clicked, rows = drawn(page, "response")["price"]["data"]
    assert predicted["y"] == list(field.response)
    assert missing["y"] == [0.15]
    assert clicked["y"] == [0.08, 0.16, 0.31, 0.125]
    assert rows["y"] == [b.rows for b in field.click_rates] + [240]
    # 0.5 is the grid's first value, 900 its last; 30 lies between two of them.
    assert clicked["x"][0] == 0
    (place,) = [i for i in range(23) if GRID[i] <= 30 < GRID[i + 1]]
    between = place + (30 - GRID[place]) / (GRID[place + 1] - GRID[place])
    assert clicked["x"][2] == pytest.approx((between + 23) / 2)

    heat, strongest = drawn(page, "bins")["age"]["data"]
    weights = numeric_report().fields["age"].assignments
    assert weights is not None
    assert len(heat["z"]) == 4 and len(heat["z"][0]) == 24
    for i, row in enumerate(weights):
        assert [heat["z"][b][i] for b in range(4)] == pytest.approx(row, abs=1e-4)
        assert strongest["y"][i] == row.index(max(row))
    colors = drawn(page, "usage")["age"]["data"][0]["marker"]["color"]
    assert colors == ["var(--train)"] * 3 + ["var(--bad)"]


def test_plotly_knows_every_property(page: Page) -> None:
    for key, figure in figures(page).items():
        if key.startswith("numeric"):
            plain = json.loads(re.sub(r"var\(--\w+\)", "red", json.dumps(figure)))
            go.Figure(plain)  # raises ValueError for what Plotly does not know


def test_the_overview_tells_bins_temperature_and_drift(page: Page) -> None:
    rows = {row[0]: row[1:] for row in table(page, "What the model makes")}

    assert rows["price"] == [
        "autodis",
        "14.0 of 20",
        "1",
        "0.0478",
        "0.0312",
        "0.1000 to 0.3000",
        "0.1500",
    ]
    assert rows["hour"] == ["periodic", *"––––", "0.1000 to 0.3000", "0.1500"]
    assert rows["gone"] == ["linear", *"––––––"]


def test_values_outside_the_training_range_stand_by_split(page: Page) -> None:
    caption = "outside the range of the training split: train · valid · test"
    rows = {row[0]: row[1:] for row in table(page, caption)}

    assert rows["price"] == [
        "3.00% · 1.00% · 2.00%",
        "0% · 0% · 0%",
        "0% · 0.10% · 0%",
        "0% · 0.20% · 0.40%",
    ]
    assert rows["gone"][0] == "100% · – · –"


def test_the_plan_stands_with_its_reasons(page: Page) -> None:
    rows = [row for row in table(page, "The discretization plan") if row[0] == "price"]

    assert rows == [
        [
            "price",
            "scaling",
            "log1p",
            "data",
            "the outer percent reaches 40 times the middle half",
        ],
        ["price", "encoder", "autodis", "spec", "the spec asks for autodis"],
        [
            "price",
            "missing",
            "an embedding of its own",
            "data",
            "2% of the rows have no value",
        ],
        ["price", "temperature", "0.05", "data", "bins are few"],
    ]


def test_a_search_shows_winner_margin_and_candidates(page: Page) -> None:
    assert table(page, "Encoders compared by training")[1:] == [
        ["price", "autodis", "0.00123", "autodis", "0.34567", "0.00020", "3"],
        ["", "", "", "linear", "0.34690", "0.00010", "3"],
    ]


def test_every_number_of_the_charts_stands_in_a_table(page: Page) -> None:
    clicks = table(page, "Training rows and their click rate by price")[1:]
    assert [(row[0], row[2]) for row in clicks] == [
        ("0.5", "0.0800"),
        ("0.5 to 30", "0.1600"),
        ("30 to 900", "0.3100"),
        ("missing", "0.1250"),
    ]
    curve = table(page, "Predicted click rate by price")[1:]
    assert len(curve) == 24 + 1
    weights = numeric_report().fields["price"].assignments
    assert weights is not None
    strongest = max(range(20), key=weights[9].__getitem__)
    share = f"{weights[9][strongest]:.2%}"
    predicted = f"{0.1 + 0.2 * 9 / 23:.4f}"
    assert curve[9][1:] == [predicted, f"{strongest} ({share})"]
    assert curve[-1] == ["missing", "0.1500", "–"]


def test_warnings_come_first(page: Page) -> None:
    section = page.text.split("Numeric fields")[-1]
    first, second = section.split("Field ")[0].strip().split("warning ")[1:]
    assert first == "price: 1 of 20 bins of autodis are dead"
    assert second.split("\n")[0] == "gone: the training split holds no value"


def test_hostile_names_stay_text() -> None:
    report = numeric_report()
    field = report.fields["price"]
    hostile = field.model_copy(
        update={
            "warnings": (HOSTILE,),
            "plan": field.plan.model_copy(update={"reasons": {HOSTILE: HOSTILE}}),
            "splits": {HOSTILE: field.splits["train"]},
        }
    )
    found = report.model_copy(update={"fields": {HOSTILE: hostile}})

    text = render(finished_run(numerics=found))
    page = Page(text)

    assert len(page.scripts) == 3
    assert "<script>document" not in text
    assert page.text.count(HOSTILE) >= 5


def test_the_page_still_loads_nothing(page: Page) -> None:
    for _, attributes in page.tags:
        for name in ("src", "href"):
            link = attributes.get(name)
            assert link is None or link.startswith(("#", "data:,"))


def test_a_report_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    numeric_report().write(tmp_path)
    assert AutoDisReport.read(tmp_path) == numeric_report()


@pytest.mark.parametrize("text", [None, "{}", "[", '{"version": 2}'])
def test_a_file_that_is_no_report_is_refused_by_name(
    tmp_path: pathlib.Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(DataError, match=f"{FILE_NAME}: There is no readable report"):
        AutoDisReport.read(tmp_path)


def test_curves_of_another_grid_are_refused() -> None:
    field = numeric_report().fields["price"].model_dump()
    with pytest.raises(ValueError, match=r"`response` .*, 24\. Received: 1"):
        FieldReport.model_validate({**field, "response": (0.1,)})
