"""The Beam steps that read the training split and make the plan of it."""

import dataclasses
import json
import logging
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam
from tfx.utils import io_utils

from clickwright.components.discretizer.column_sketches import ColumnSketches
from clickwright.components.discretizer.example_columns import ExampleColumns
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec

progress = logging.getLogger("clickwright.progress")


@dataclasses.dataclass(frozen=True)
class Part:
    """Neighbouring files, numbered from `first` on in the order of their names."""

    first: int
    paths: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Sketched:
    """What a part gave: sketches, or what is wrong with it."""

    first: int
    sketches: ColumnSketches | None
    problem: tuple[str, str, str] | None = None


class SketchFiles(beam.DoFn):
    """Sketches the numeric columns of a `Part`, file after file.

    What is wrong with the data is yielded, not raised: Beam would flatten the error
    of a worker process into text.

    Args:
        spec: the feature spec, as JSON.
        total_rows: rows that all files hold together.
    """

    def __init__(self, spec: str, total_rows: int) -> None:
        super().__init__()
        self._spec = spec
        self._total_rows = total_rows
        self._rows = 0

    def process(self, part: Part) -> Iterator[Sketched]:
        """Reads the files."""
        columns = ExampleColumns.of(FeatureSpec.model_validate_json(self._spec))
        whole = ColumnSketches(columns.names)
        path = ""
        try:
            for number, path in enumerate(part.paths, part.first):
                whole.merge(self._sketch(columns, number, path))
        except DataError as error:
            problem = (error.what, error.where or path, error.fix)
            yield Sketched(part.first, None, problem)
        else:
            whole.compact()
            yield Sketched(part.first, whole)

    def _sketch(
        self, columns: ExampleColumns, number: int, path: str
    ) -> ColumnSketches:
        sketches = ColumnSketches(columns.names)
        for values, weights in columns.read(path):
            before = sketches.rows_read
            sketches.add(values, weights, part=number, first=before)
            self._rows += sketches.rows_read - before
            progress.info(
                "numbers read", extra={"rows": self._rows, "total": self._total_rows}
            )
        return sketches


class WritePlan(beam.DoFn):
    """Merges the parts in order and writes the plan, or what is wrong, as JSON.

    Args:
        spec: the feature spec, as JSON.
        path: the file.
    """

    def __init__(self, spec: str, path: str) -> None:
        super().__init__()
        self._spec = spec
        self._path = path

    def process(self, parts: Iterable[Sketched]) -> None:
        """Writes the file."""
        io_utils.write_string_file(self._path, json.dumps(self._outcome(parts)))

    def _outcome(self, parts: Iterable[Sketched]) -> dict[str, object]:
        spec = FeatureSpec.model_validate_json(self._spec)
        whole = ColumnSketches(list(spec.numeric_features()))
        for part in sorted(parts, key=lambda part: part.first):
            if part.sketches is None:
                return {"problem": part.problem}
            whole.merge(part.sketches)
        try:
            plan = whole.plan(spec)
        except DataError as error:
            return {"problem": (error.what, error.where, error.fix)}
        return {"rows": whole.rows_read, "plan": plan.model_dump_json()}
