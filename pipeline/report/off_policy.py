"""What the report says of a model that was held against logged choices."""

from dataclasses import dataclass

from clickwright.experiments.off_policy.off_policy_report import OffPolicyReport
from clickwright.schemas.html_page import formats


@dataclass(frozen=True)
class OffPolicyView:
    """The figures of the table."""

    sentence: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    refusals: tuple[str, ...]


def off_policy_view(report: OffPolicyReport | None) -> OffPolicyView | None:
    """The table of estimates; None where the model was not held against a log."""
    if report is None:
        return None
    overlap = report.overlap
    logged = (
        f"{report.logged:.5g}",
        _interval(report.logged_low, report.logged_high),
        "",
        "",
    )
    estimates = (
        (
            e.estimator,
            (
                f"{e.value:.5g}",
                _interval(e.low, e.high),
                formats.signed(e.difference),
                _interval(e.difference_low, e.difference_high),
            ),
        )
        for e in report.estimates
    )
    return OffPolicyView(
        f"{overlap.rows:,} choices of {overlap.units:,} units, worth "
        f"{overlap.effective_units:,.0f} once they are weighted; intervals of "
        f"{report.options.confidence:.0%}.",
        (("the log itself", logged), *estimates),
        report.refusals,
    )


def _interval(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}"
