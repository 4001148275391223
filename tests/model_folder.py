"""Folders laid out as SavedModels, for what only moves files."""

import pathlib

FILES = {
    "saved_model.pb": b"graph",
    "assets/vocabulary": b"apple\npear\n",
    "assets.extra/tf_serving_warmup_requests": b"requests",
    "variables/variables.index": b"index",
    "variables/variables.data-00000-of-00001": b"\x00\x01" * 5_000,
}


def make_model(folder: pathlib.Path, graph: bytes = b"graph") -> pathlib.Path:
    """A folder laid out as a SavedModel; models of two graphs differ."""
    for name, content in (FILES | {"saved_model.pb": graph}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
