"""A tiny shop with files of its own, and the command line run on it."""

import dataclasses
import json
import pathlib
import sys
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from clickwright.pipeline import cli

SPEC: dict[str, Any] = {
    "name": "tiny",
    "labels": {"click": {}},
    "group_key": "user",
    "split": {"kind": "given"},
    "slices": [["device"]],
    "features": {
        "user": {"kind": "categorical", "role": "user", "dtype": "int64"},
        "item": {
            "kind": "categorical",
            "role": "item",
            "dtype": "int64",
            "vocabulary": {"kind": "learned", "max_size": 100},
        },
        "device": {
            "kind": "categorical",
            "role": "context",
            "values": ["phone", "desktop"],
            "drift": {"linf": 0.2},
        },
        "price": {"kind": "numeric", "role": "item", "min": 0.0},
    },
}
CONFIG: dict[str, Any] = {
    "name": "tiny",
    "data": {"spec": "features.yaml", "path": "log"},
    "model": {"name": "logistic_regression"},
    "training": {"epochs": 2, "batch_size": 256},
    "evaluation": {"thresholds": {"auc": {"min": 0.5}}},
}
ROWS = {"train": 2000, "valid": 600, "test": 600}


@dataclasses.dataclass
class Shop:
    """Configuration, spec, log and output folder of a tiny shop."""

    folder: pathlib.Path

    @property
    def out(self) -> pathlib.Path:
        return self.folder / "out"

    @property
    def log(self) -> pathlib.Path:
        return self.folder / "log"

    @property
    def config(self) -> pathlib.Path:
        return self.folder / "config.yaml"

    def write_config(self, content: dict[str, Any]) -> None:
        self.config.write_text(yaml.safe_dump(content, sort_keys=False))

    def write_spec(self, content: dict[str, Any]) -> None:
        path = self.folder / "features.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def write_log(self, tables: dict[str, pa.Table], to: str = "log") -> pathlib.Path:
        for split, table in tables.items():
            target = self.folder / to / split
            target.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, target / "part-0.parquet")
        return self.folder / to

    def published(self) -> list[str]:
        """Everything below the serving root, hidden files included."""
        root = self.out / "serving"
        return sorted(str(p.relative_to(root)) for p in root.rglob("*"))

    def summary(self) -> dict[str, Any]:
        return dict(json.loads((self.out / "summary.json").read_text()))

    def unfinished_executions(self) -> list[str]:
        """Executions that ML Metadata believes to be under way."""
        from ml_metadata.metadata_store import metadata_store
        from ml_metadata.proto import metadata_store_pb2
        from tfx.orchestration import metadata

        database = self.out / "metadata.sqlite"
        if not database.exists():
            return []
        store = metadata_store.MetadataStore(
            metadata.sqlite_metadata_connection_config(str(database))
        )
        names = metadata_store_pb2.Execution.State.Name
        return [
            names(e.last_known_state)
            for e in store.get_executions()
            if names(e.last_known_state) in ("NEW", "RUNNING")
        ]


def make_log(seed: int = 0, phones: float = 0.5) -> dict[str, pa.Table]:
    """Splits whose clicks hang on item and device."""
    rng = np.random.default_rng(seed)
    tables = {}
    for split, rows in ROWS.items():
        item = rng.integers(0, 40, rows)
        phone = rng.random(rows) < phones
        logit = -1.0 + 0.08 * (item - 20) + 0.8 * phone
        tables[split] = pa.table(
            {
                "click": (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype("int64"),
                "user": rng.integers(0, 50, rows),
                "item": item,
                "device": np.where(phone, "phone", "desktop"),
                "price": np.exp(rng.normal(3, 1, rows)).astype("float32"),
                "unused": rng.random(rows),
            }
        )
    return tables


def make_shop(folder: pathlib.Path) -> Shop:
    shop = Shop(folder)
    shop.write_spec(SPEC)
    shop.write_config(CONFIG)
    shop.write_log(make_log())
    return shop


class Shown(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str
    """In one line."""


@dataclasses.dataclass
class Command:
    """Calls `clickwright` in this process and keeps what it showed."""

    monkeypatch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | pathlib.Path) -> Shown:
        """Returns exit code, standard output and standard error."""
        argv = ["clickwright", *(str(argument) for argument in arguments)]
        self.monkeypatch.setattr(sys, "argv", argv)
        self.capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
            raise SystemExit(0)
        shown = self.capfd.readouterr()
        code = caught.value.code
        return Shown(int(code or 0), shown.out, " ".join(shown.err.split()))
