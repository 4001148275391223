"""Ingestion and Transform on the simulated shop's log: ours beside stock TFX.

All steps run in one go, one after the other, on the same rows and with one worker
process, so the ratios hold on any machine; the rows per second do not.
"""

import json
import logging
import os
import pathlib
import tempfile
import warnings
from collections.abc import Mapping
from typing import Annotated, Any

import rich.console
import rich.table
import typer
from run_component import run_component

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")
console = rich.console.Console()


def main(
    rows: Annotated[int, typer.Option(help="Rows of the log.", min=1000)] = 1_000_000,
    stock_rows: Annotated[
        int | None,
        typer.Option(help="Rows for stock TFX, where all of them take too long."),
    ] = None,
    transform: Annotated[
        bool, typer.Option(help="Whether to time Transform on both results, too.")
    ] = True,
    folder: Annotated[
        pathlib.Path | None,
        typer.Option(help="Where to work; else the temporary folder."),
    ] = None,
) -> None:
    """Time LogExampleGen and Transform beside stock CsvExampleGen and Transform.

    Stock CsvExampleGen reads the rows as CSV, with lists as text (CSV knows no lists
    and it makes none of them). Ours reads them as Parquet and as the same CSV, with
    lists as lists. The executors are called as TFX calls them.

    Stock Transform runs on the stock examples and ours on our own, with the same
    preprocessing_fn, without the list columns that the stock examples lack.

        python benchmarks/ingest.py --rows 100000
    """
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        steps = _steps(pathlib.Path(work), rows, stock_rows or rows, transform)
    console.print(_table(steps))


def _steps(
    work: pathlib.Path, rows: int, stock_rows: int, transform: bool
) -> list[tuple[str, int, float, int]]:
    """Runs everything; returns name, rows, seconds and bytes of each step."""
    with console.status("Loading TFX"):
        from tfx.components import CsvExampleGen, Transform
        from tfx.proto import example_gen_pb2, transform_pb2
        from tfx.types import channel_utils, standard_artifacts

        from clickwright.components.discretizer.artifacts import DiscretizationPlan
        from clickwright.components.ingestion.component import LogExampleGen
        from clickwright.components.transform.component import SpecTransform
        from clickwright.models.preprocessing import PLAN_KEY, SPEC_KEY
        from clickwright.schemas.marketplace.source import (
            MarketplaceOptions,
            MarketplaceSource,
        )
        from clickwright.schemas.metadata import write_schema
        from clickwright.schemas.spec import FeatureSpec

    spec = MarketplaceSource.spec()
    with console.status(f"Simulating {rows:,} rows"):
        source = MarketplaceSource(MarketplaceOptions(impressions=rows))
        parquet = source.prepare(None, work / "prepared").directory
        csv = _as_csv(parquet / "all", work / "csv", spec, rows)
        stock_csv = csv
        if stock_rows < rows:
            stock_csv = _as_csv(parquet / "all", work / "stock", spec, stock_rows)

    split = example_gen_pb2.SplitConfig.Split
    generators = {
        "CsvExampleGen, stock": CsvExampleGen(
            input_base=str(stock_csv / "all"),
            output_config=example_gen_pb2.Output(
                split_config=example_gen_pb2.SplitConfig(
                    splits=[
                        split(name="train", hash_buckets=8),
                        split(name="valid", hash_buckets=1),
                        split(name="test", hash_buckets=1),
                    ]
                )
            ),
        ),
        "LogExampleGen, CSV": LogExampleGen(str(csv), spec, file_format="csv"),
        "LogExampleGen, Parquet": LogExampleGen(str(parquet), spec),
    }
    steps = []
    examples = {}
    for name, generator in generators.items():
        outputs, seconds = _run(generator, {}, work / name)
        (examples[name],) = outputs["examples"]
        size = sum(file.stat().st_size for file in (work / name).rglob("*.gz"))
        count = stock_rows if "stock" in name else rows
        steps.append((name, count, seconds, size))
    if not transform:
        return steps

    shown = spec.model_dump(mode="json", exclude_unset=True)
    for name, feature in spec.features.items():
        if feature.kind in ("multi_hot", "sequence"):
            del shown["features"][name]
    flat = FeatureSpec.model_validate_json(json.dumps(shown))
    schema = standard_artifacts.Schema()
    schema.uri = str(work / "schema")
    (work / "schema").mkdir()
    write_schema(flat, work / "schema" / "schema.pbtxt")
    plan = _plan(flat, parquet / "all")
    plan_artifact = DiscretizationPlan()
    plan_artifact.uri = str(work / "plan")
    (work / "plan").mkdir()
    plan.write(work / "plan")
    for name, kind, of in (
        ("Transform, stock", "stock", "CsvExampleGen, stock"),
        ("Transform, ours", "ours", "LogExampleGen, Parquet"),
    ):
        inputs = {"examples": [examples[of]], "schema": [schema]}
        if kind == "ours":
            inputs["plan"] = [plan_artifact]
        channels = {k: channel_utils.as_channel(v) for k, v in inputs.items()}
        if kind == "ours":
            component = SpecTransform(**channels, spec=flat)
        else:
            component = Transform(
                **channels,
                preprocessing_fn="clickwright.models.preprocessing.preprocessing_fn",
                splits_config=transform_pb2.SplitsConfig(
                    analyze=["train"], transform=["train", "valid", "test"]
                ),
                custom_config={
                    SPEC_KEY: flat.model_dump_json(),
                    PLAN_KEY: plan.model_dump_json(),
                },
            )
        _, seconds = _run(component, inputs, work / name)
        size = sum(
            file.stat().st_size
            for file in (work / name / "transformed_examples").rglob("*.gz")
        )
        steps.append((name, stock_rows if kind == "stock" else rows, seconds, size))
    return steps


def _plan(spec: Any, folder: pathlib.Path) -> Any:
    """The plan of the numeric features, made of all rows at once."""
    import pyarrow.parquet as pq

    from clickwright.components.discretizer.plan_of import plan_of

    names = [spec.column_of(name) for name in spec.numeric_features()]
    table = pq.read_table(folder, columns=names)
    return plan_of(spec, {name: table[name].to_numpy() for name in names})


def _run(
    component: Any, inputs: Mapping[str, list[Any]], folder: pathlib.Path
) -> tuple[dict[str, list[Any]], float]:
    """Calls a component's executor; returns its outputs and the seconds it took."""
    with console.status(folder.name):
        outputs, seconds = run_component(component, inputs, folder)
    console.print(f"{folder.name}: {seconds:.1f} s")
    return outputs, seconds


def _as_csv(
    source: pathlib.Path, target: pathlib.Path, spec: Any, rows: int
) -> pathlib.Path:
    """Writes the spec's columns as one CSV file a Parquet file, in a folder `all`."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq

    (target / "all").mkdir(parents=True)
    for path in sorted(source.glob("*.parquet")):
        table = pq.read_table(path, columns=list(spec.columns())).slice(0, rows)
        for index, field in enumerate(table.schema):
            if pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
                lists = table.column(index).combine_chunks()
                lists = lists.cast(pa.list_(pa.string()))
                cells = pc.binary_join(lists, "|")
                table = table.set_column(index, field.name, cells)
        if table.num_rows:
            with (target / "all" / f"{path.stem}.csv").open("wb") as file:
                # By hand: pyarrow quotes names, which stock TFX takes for letters.
                file.write(f"{','.join(table.column_names)}\n".encode())
                options = pyarrow.csv.WriteOptions(include_header=False)
                pyarrow.csv.write_csv(table, file, options)
        rows -= table.num_rows
    return target


def _table(steps: list[tuple[str, int, float, int]]) -> rich.table.Table:
    """The figures; every ratio is of rows per second, to the stock step above it."""
    table = rich.table.Table(title="One process, gzipped TFRecords of tf.Example")
    table.add_column("step")
    for column in ("rows", "seconds", "rows/s", "MB written", "x stock"):
        table.add_column(column, justify="right")
    stock = 0.0
    for name, rows, seconds, size in steps:
        speed = rows / seconds
        stock = speed if "stock" in name else stock
        table.add_row(
            name,
            f"{rows:,}",
            f"{seconds:.1f}",
            f"{speed:,.0f}",
            f"{size / 1e6:,.1f}",
            f"{speed / stock:.1f}",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
