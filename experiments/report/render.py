"""Writes the report of an experiment: one HTML file that needs no network."""

import functools
import pathlib
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup

from clickwright.experiments.report import charts
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.known_truth import KnownTruth
from clickwright.experiments.statistics.effect import Effect
from clickwright.experiments.statistics.slice_effect import SliceEffect
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.html_page import formats
from clickwright.schemas.html_page.card import Card
from clickwright.schemas.html_page.figure import Figure
from clickwright.schemas.html_page.page import page_template, render_page

FOLDER = pathlib.Path(__file__).parent
SECTIONS = {
    "verdict": "Verdict",
    "health": "Health",
    "effects": "Effects",
    "cumulative": "Over time",
    "slices": "Slices",
    "novelty": "Novelty",
    "arms": "Arms",
    "decisions": "Decisions",
    "definition": "Definition",
}
"""Sections by id."""
_TONES = {"better": "good", "worse": "bad", "harm": "bad", "untrusted": "bad"}


def write_report(report: AbReport, path: pathlib.Path | str) -> int:
    """Writes the report; a reader sees the old file or the new one, never a part.

    Returns:
        The size of the file in bytes.

    Raises:
        MachineError: the folder cannot be written to or the disk is full.
    """
    page = render(report)
    write_text(pathlib.Path(path), page)
    return len(page.encode())


def render(report: AbReport) -> str:
    """Returns the whole page."""
    figures: dict[str, Figure] = {}
    view = _view(report, figures)
    return render_page(_template(), view, figures, list(SECTIONS.items()))


@dataclass(frozen=True)
class _SliceGroup:
    """The values of one slice, for one arm."""

    name: str
    arm: str
    found: list[SliceEffect]
    heterogeneity_p: float | None


@functools.cache
def _template() -> jinja2.Template:
    return page_template(FOLDER, "ab_report.html.j2", code=_code)


def _view(report: AbReport, figures: dict[str, Figure]) -> dict[str, Any]:
    """Everything that the template needs; adds the charts to `figures`."""
    truths = {(truth.metric, truth.arm): truth.lift for truth in report.truth}
    shown = [effect for effect in report.effects if effect.lift is not None]
    if shown:
        figures["effects"] = charts.effects(shown, truths)
    arms = list(dict.fromkeys(effect.arm for effect in report.effects))
    metrics = list(dict.fromkeys(effect.metric for effect in report.effects))
    for i, arm in enumerate(arms):
        for j, metric in enumerate(metrics):
            points = [
                point
                for point in report.cumulative
                if (point.effect.arm, point.effect.metric) == (arm, metric)
            ]
            figure = charts.cumulative(points, truths.get((metric, arm)))
            if figure:
                figures[f"cumulative/{i}/{j}"] = figure
        figure = charts.novelty([d for d in report.novelty if d.effect.arm == arm])
        if figure:
            figures[f"novelty/{i}"] = figure
    overall = {effect.arm: effect.lift for effect in report.primary()}
    groups = _slice_groups(report)
    for i, group in enumerate(groups):
        figure = charts.slices(group.found, overall.get(group.arm))
        if figure:
            figures[f"slices/{i}"] = figure
    return {
        "report": report,
        "experiment": report.experiment,
        "tone": _TONES.get(report.verdict.outcome, "warn"),
        "cards": _cards(report),
        "tones": [_tone(report, effect) for effect in report.effects],
        "arms": arms,
        "metrics": metrics,
        "groups": groups,
        "drawn": {name.split("/")[0] for name in figures},
        "definition": report.experiment.model_dump(mode="json"),
    }


def _cards(report: AbReport) -> list[Card]:
    """Big figures; effects only where they can be trusted."""
    units = sum(arm.units for arm in report.arms)
    failed, warned = (
        sum(check.status == status for check in report.health.checks)
        for status in ("fail", "warn")
    )
    cards = [
        Card(
            "Health",
            "trusted" if report.health.trusted else "untrusted",
            f"{failed} failed, {warned} warned of {len(report.health.checks)} checks",
            "good" if report.health.trusted else "bad",
        )
    ]
    if report.health.trusted:
        cards += [_lift_card(report, effect) for effect in report.primary()]
        primary = report.experiment.primary.name
        cards += [_truth_card(report, t) for t in report.truth if t.metric == primary]
    return [
        *cards,
        Card("Units", formats.count(units), "each in one arm"),
        Card("Exposures", formats.count(report.exposures), "answered requests"),
    ]


def _lift_card(report: AbReport, effect: Effect) -> Card:
    always = report.experiment.stopping.rule == "sequential"
    low, high = (
        (effect.always_low, effect.always_high)
        if always
        else (effect.lift_low, effect.lift_high)
    )
    tone = {"better": "good", "worse": "bad", "same": ""}[_tone(report, effect)]
    return Card(
        f"{effect.metric}, {effect.arm}",
        formats.signed_share(effect.lift),
        f"{formats.signed_share(low)} to {formats.signed_share(high)}, "
        + ("always valid" if always else "fixed horizon"),
        tone,
    )


def _truth_card(report: AbReport, truth: KnownTruth) -> Card:
    always = report.experiment.stopping.rule == "sequential"
    covered = truth.always_covered if always else truth.covered
    note, tone = "there is no interval", ""
    if covered is not None:
        note = f"the interval {'covers' if covered else 'misses'} it"
        tone = "good" if covered else "bad"
    return Card(
        f"True lift, {truth.metric}", formats.signed_share(truth.lift), note, tone
    )


def _tone(report: AbReport, effect: Effect) -> str:
    """`better` or `worse` where the rule's test is sure of it, else `same`."""
    stopping = report.experiment.stopping
    p_value = effect.p_value if effect.adjusted_p is None else effect.adjusted_p
    sure = (
        effect.always_significant
        if stopping.rule == "sequential"
        else p_value is not None and p_value < stopping.alpha
    )
    if not sure or not effect.difference:
        return "same"
    grows = effect.difference > 0
    return "better" if grows == (effect.direction == "increase") else "worse"


def _slice_groups(report: AbReport) -> list[_SliceGroup]:
    groups: dict[tuple[str, str], list[SliceEffect]] = {}
    for item in report.slices:
        groups.setdefault((item.slice, item.effect.arm), []).append(item)
    return [
        _SliceGroup(name, arm, found, found[0].heterogeneity_p)
        for (name, arm), found in groups.items()
    ]


def _code(text: str) -> Markup:
    """Text with its names in backticks as code."""
    parts = [Markup.escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return Markup.escape(text)  # a backtick without its other
    return Markup().join(
        Markup('<span class="mono">{}</span>').format(part) if i % 2 else part
        for i, part in enumerate(parts)
    )
