"""Where a run's files lie below its output folder."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class RunPaths:
    """Folders and files below one `--out`.

    Attributes:
        out: the output folder.
    """

    out: pathlib.Path

    @property
    def data(self) -> pathlib.Path:
        """Prepared Parquet, one folder a data set and fingerprint."""
        return self.out / "data"

    @property
    def artifacts(self) -> pathlib.Path:
        """Artifacts of the components."""
        return self.out / "artifacts"

    @property
    def database(self) -> pathlib.Path:
        """ML Metadata."""
        return self.out / "metadata.sqlite"

    @property
    def checkpoints(self) -> pathlib.Path:
        """Training states, from which a killed run goes on."""
        return self.out / "checkpoints"

    def serving_root(self, directory: str | None) -> str:
        """Published models, `<name>/<version>`: the directory given, else our own."""
        if directory is None:
            return str(self.out / "serving")
        return (
            directory if "://" in directory else str(pathlib.Path(directory).resolve())
        )

    @property
    def steps(self) -> pathlib.Path:
        """Signatures of the components that ended well."""
        return self.out / "steps.json"

    @property
    def spans(self) -> pathlib.Path:
        """The journal of spans."""
        return self.out / "spans.jsonl"

    @property
    def tuning(self) -> pathlib.Path:
        """Report of the last search for parameters."""
        return self.out / "tuning.html"

    @property
    def summary(self) -> pathlib.Path:
        """The last run in figures."""
        return self.out / "summary.json"

    @property
    def report(self) -> pathlib.Path:
        """The last run for people."""
        return self.out / "report.html"

    def run(self, run_id: str) -> pathlib.Path:
        """Log, summary and report of one run."""
        return self.out / "runs" / run_id
