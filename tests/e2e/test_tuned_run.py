"""A search by itself, and a run that takes what it has found."""

import json
import pathlib

import pytest
from tiny_shop import CONFIG, Command, make_shop

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_run_trains_what_a_search_has_found(
    tmp_path: pathlib.Path, command: Command
) -> None:
    shop = make_shop(tmp_path)
    section = {
        "trials": 4,
        "algorithm": "random",
        "space": {"training": {"learning_rate": [0.05]}},
        "only": ["training.learning_rate", "model.l2"],
    }
    training = {**CONFIG["training"], "learning_rate": 1e-5}
    shop.write_config({**CONFIG, "training": training, "tuner": section})

    code, shown, seen = command("tune", "-c", shop.config, "--out", shop.out)
    assert code == 0, seen
    assert "learning_rate: 0.05" in shown and "report: " in shown
    assert not shop.published() and not (shop.out / "summary.json").exists()
    assert "Better parameters found" in (shop.out / "tuning.html").read_text()

    code, shown, seen = command("run", "-c", shop.config, "--out", shop.out, "--json")
    assert code == 0, seen
    summary = json.loads(shown)
    states = {c["name"]: c["state"] for c in summary["components"]}
    assert states["Tuner"] == "cached" and states["Trainer"] == "complete"
    assert summary["tuning"]["changed"]["training.learning_rate"] == 0.05
    assert summary["blessed"]
    (log,) = shop.out.rglob("training_log.jsonl")
    first = json.loads(log.read_text().splitlines()[0])
    assert first["learning_rate"] == pytest.approx(0.05)
