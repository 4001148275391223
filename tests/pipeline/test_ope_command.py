"""`clickwright ope`: a log and a policy in files, an answer for people and programs."""

import contextlib
import datetime
import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tiny_shop import Command

from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.log_options import LogOptions
from clickwright.schemas.events import Exposure, Outcome


@pytest.fixture
def log(tmp_path: pathlib.Path) -> pathlib.Path:
    """Even choices of two offers, of which `b` earns more on phones."""
    rng = np.random.default_rng(0)
    phone, second = rng.random((2, 3000)) < 0.5
    table = pa.table(
        {
            "offer": np.where(second, "b", "a"),
            "device": np.where(phone, "phone", "desktop"),
            "click": (rng.random(3000) < np.where(phone & second, 0.6, 0.2)) * 1,
            "p": np.full(3000, 0.5),
            "new": np.where(second, 0.9, 0.1),
            "user": rng.integers(800, size=3000),
        }
    )
    path = tmp_path / "log.parquet"
    pq.write_table(table, path)
    return path


@pytest.fixture
def policy(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "phones.csv"
    path.write_text("device,action,probability\nphone,b,1\ndesktop,a,1\n")
    return path


NAMES = ("--action", "offer", "--reward", "click", "--propensity", "p")


def test_a_table_of_a_policy_is_judged_by_the_log(
    command: Command, log: pathlib.Path, policy: pathlib.Path
) -> None:
    table = pq.read_table(log).to_pandas()
    same = (table.offer == "b") == (table.device == "phone")

    code, shown, _ = command("ope", log, *NAMES, "--policy", policy, "--unit", "user")
    _, as_json, _ = command("ope", log, *NAMES, "--policy", policy, "--json")

    assert code == 0
    report = json.loads(as_json)
    estimates = {e["estimator"]: e for e in report["estimates"]}
    assert sorted(estimates) == ["clipped", "dm", "dr", "ips", "snips"]
    assert estimates["ips"]["value"] == pytest.approx((table.click * same * 2).mean())
    assert estimates["snips"]["value"] == pytest.approx(table.click[same].mean())
    assert estimates["dr"]["difference_low"] > 0
    assert "3,000 choices of" in shown
    rows = [line.split() for line in shown.splitlines() if line.strip()]
    values = {row[0]: row[1] for row in rows if len(row) > 1}
    assert values["snips"] == f"{estimates['snips']['value']:.5g}"
    assert values["logged"] == f"{table.click.mean():.5g}"


def test_a_column_of_a_policy_is_judged_without_a_reward_model(
    command: Command, log: pathlib.Path
) -> None:
    _, shown, _ = command("ope", log, *NAMES, "--target", "new", "--json")

    estimates = json.loads(shown)["estimates"]
    assert [e["estimator"] for e in estimates] == ["ips", "snips", "clipped"]


def test_a_csv_is_read_as_parquet_is(
    command: Command, log: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    pyarrow.csv.write_csv(pq.read_table(log), tmp_path / "log.csv")

    arguments = (*NAMES, "--policy", "uniform", "--context", "device", "--json")
    found = [
        command("ope", path, *arguments)[1] for path in (log, tmp_path / "log.csv")
    ]

    assert found[0] == found[1]
    assert json.loads(found[0])["overlap"]["effective_units"] == 3000


def test_too_little_overlap_gives_reasons_in_place_of_numbers(
    command: Command, log: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "new.csv").write_text("action,probability\nc,1\n")

    code, shown, _ = command("ope", log, *NAMES, "--policy", tmp_path / "new.csv")

    assert code == 1
    assert "No estimate." in shown
    assert "100.00% of the new policy's choices are nowhere in the log" in shown
    assert "snips" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "is a table, or a column of the log"),
        (("--policy", "uniform", "--target", "new"), "give one of them"),
        (("--policy", "absent.csv"), "cannot be read"),
        (("--target", "newer"), "no column `newer`. Did you mean `new`?"),
        (("--policy", "uniform", "--context", "age"), "no column `age`"),
    ],
)
def test_what_does_not_fit_is_one_message(
    command: Command, log: pathlib.Path, arguments: tuple[str, ...], message: str
) -> None:
    code, shown, said = command("ope", log, *NAMES, *arguments)

    assert code == 1
    assert message in said
    assert "Fix:" in said
    assert shown == ""


# The arms of an experiment as choices.

DEFINITION = """
id: crosses
hypothesis: The treatment pays on phones alone.
model: ctr
arms:
  control: {weight: 0.75, target: {model: ctr, label: stable}}
  treatment: {weight: 0.25, target: {model: ctr, label: canary}}
start: 2026-11-01T00:00:00Z
end: 2026-11-15T00:00:00Z
metrics:
  - {name: clicks, kind: mean, value: click, role: primary, minimum_effect: 0.1}
slices: [device]
"""
START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


@pytest.fixture
def experiment(tmp_path: pathlib.Path) -> pathlib.Path:
    """A definition; beside it the logs of 1,200 units, two exposures each."""
    rng = np.random.default_rng(0)
    phone = rng.random(1200) < 0.5
    treated = rng.random(1200) < 0.25
    clicks = rng.random((2, 1200)) < np.where(phone & treated, 0.5, 0.2)
    folder = tmp_path / "log"
    with (
        contextlib.closing(
            EventLog(folder, "exposure", LogOptions(sync="never"))
        ) as shown,
        contextlib.closing(
            EventLog(folder, "outcome", LogOptions(sync="never"))
        ) as did,
    ):
        for visit, unit in np.ndindex(2, 1200):
            request, at = f"{unit}-{visit}", START + datetime.timedelta(hours=visit)
            shown.append(
                Exposure(
                    request_id=request,
                    unit=f"u{unit}",
                    experiment="crosses",
                    variant="treatment" if treated[unit] else "control",
                    model="ctr",
                    version=1,
                    bucket=0,
                    propensity=0.25 if treated[unit] else 0.75,
                    at=at,
                    latency_ms=1.0,
                    candidates=1,
                    attributes={"device": "phone" if phone[unit] else "desktop"},
                )
            )
            if clicks[visit, unit]:
                did.append(
                    Outcome(
                        outcome_id=f"c{request}",
                        request_id=request,
                        name="click",
                        value=1.0,
                        at=at + datetime.timedelta(minutes=1),
                    )
                )
    path = tmp_path / "crosses.yaml"
    path.write_text(DEFINITION)
    return path


def test_an_experiment_tells_what_other_ways_of_giving_its_arms_would_earn(
    command: Command, experiment: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "phones.csv").write_text(
        "device,action,probability\nphone,treatment,1\ndesktop,control,1\n"
    )
    arguments = ("ope", tmp_path / "log", "--experiment", experiment, "--json")

    _, shown, _ = command(
        *arguments, "--reward", "click", "--policy", tmp_path / "phones.csv"
    )
    code, _, said = command(*arguments, "--reward", "clik", "--policy", "uniform")

    report = json.loads(shown)
    assert report["overlap"]["units"] == 1200
    dr = next(e for e in report["estimates"] if e["estimator"] == "dr")
    assert dr["low"] < 2 * (0.5 * 0.5 + 0.5 * 0.2) < dr["high"]
    assert dr["difference_low"] > 0
    assert code == 1
    assert "has no outcome `clik`. Did you mean `click`?" in said
