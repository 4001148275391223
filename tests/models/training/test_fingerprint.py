"""What a training depends on."""

import pathlib

from clickwright.models.training.fingerprint import fingerprint


def test_the_fingerprint_changes_with_everything_but_the_folder(
    tmp_path: pathlib.Path,
) -> None:
    def lay(folder: str, rows: bytes = b"0123456789", vocabulary: str = "a") -> str:
        split = tmp_path / folder / "Split-train"
        graph = tmp_path / folder / "graph"
        for path in (split, graph / "assets"):
            path.mkdir(parents=True, exist_ok=True)
        (split / "part.gz").write_bytes(rows)
        (graph / "assets" / "item").write_text(vocabulary)
        settings = {"training": {"epochs": 3}}
        return fingerprint(settings, [split / "part.gz"], graph)

    here = lay("here")
    assert here == lay("there") and len(here) == 16
    assert here != lay("rows", rows=b"0123456780")
    assert here != lay("longer", rows=b"00123456789")
    assert here != lay("vocabulary", vocabulary="b")
    files, graph = [tmp_path / "here/Split-train/part.gz"], tmp_path / "here/graph"
    assert here == fingerprint({"training": {"epochs": 3}}, files, graph)
    assert here != fingerprint({"training": {"epochs": 4}}, files, graph)
