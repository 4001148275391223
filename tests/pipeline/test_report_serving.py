"""What the report says of the model in a server."""

import math

from report_page import Page, table
from report_record import finished_run

from clickwright.components.serving_validator.result import Latency, ValidationResult
from clickwright.pipeline.report.render import render
from clickwright.serving.skew_report import SignatureSkew, SkewReport

SKEW = SkewReport(
    (
        SignatureSkew("predict_raw", "SavedModel", 3, 1041, 2.5e-7),
        SignatureSkew("predict_raw", "gRPC", 3, 1041, 0.0),
        SignatureSkew("rank", "SavedModel", 1, 100, math.inf, "request 2, x[0]"),
        SignatureSkew("rank", "gRPC", 0, 0, 0.0, problem="request 2: UNAVAILABLE"),
    )
)
RESULT = ValidationResult(
    blessed=True,
    server="clickwright serve",
    tolerance=1e-5,
    skew=SKEW,
    latencies=(
        Latency("rank", 1000, 100, 4.25, 9.5, 1234.5, 2.125),
        Latency("predict_raw", 1, 100, 0.5, 0.75, 3000.0),
    ),
    memory_mb=512.25,
    ready_seconds=7.2,
)


def test_differences_and_times_are_shown_as_they_were_measured() -> None:
    page = Page(render(finished_run(serving=RESULT)))

    assert "clickwright serve: ready after 7.2 s, 512.2 MB of memory" in page.text
    assert table(page, "Largest difference")[0][3:] == ["SavedModel", "gRPC"]
    assert table(page, "Largest difference")[1:] == [
        ["predict_raw", "3", "1,041", "2.5e-07", "0"],
        ["rank", "1", "100", "inf", "failed"],
    ]
    assert table(page, "Time of a request")[1:] == [
        ["rank", "1,000", "4.25 ms", "9.50 ms", "1,234", "2.00"],
        ["predict_raw", "1", "0.50 ms", "0.75 ms", "3,000", "–"],
    ]
    assert "1e-05 is allowed" in page.text


def test_a_model_that_failed_in_the_server_is_the_verdict() -> None:
    sentence = "`rank` over gRPC: off by 0.25, 1e-05 is allowed"
    result = ValidationResult(blessed=False, failures=(sentence,))

    page = Page(render(finished_run(serving=result, published=None)))

    assert "Failed in the server" in page.text
    assert "passed every threshold, and was not published" in page.text
    assert page.text.count(sentence) == 2  # in the verdict and in the section
    assert "did not come to answer" in page.text


def test_a_model_that_was_not_tried_says_why() -> None:
    result = ValidationResult(blessed=False, skipped="nobody blessed it")

    page = Page(render(finished_run(serving=result, blessed=False, published=None)))

    assert "not tried in a server: nobody blessed it." in page.text
    assert "Not blessed" in page.text


def test_a_run_without_serving_validation_has_no_such_section() -> None:
    page = Page(render(finished_run()))

    assert "Serving" not in [line.strip() for line in page.text.splitlines()]
