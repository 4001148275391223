"""The image's steps in a Debian 13 of their own: TFX's own wheels, and a whole run."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("native_wheels.sh")


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("debootstrap") is None,
    reason="needs root and debootstrap",
)
def test_the_image_works_in_debian_13_with_the_wheels_of_tfx(
    tmp_path: pathlib.Path,
) -> None:
    # A folder that is kept makes the next time shorter.
    folder = pathlib.Path(os.environ.get("CLICKWRIGHT_DEBIAN", tmp_path / "debian"))

    subprocess.run(["bash", SCRIPT, folder, sys.executable], check=True)

    facts = dict(
        line.split("=", 1) for line in (folder / "facts.txt").read_text().splitlines()
    )
    assert facts["debian"].startswith("13")
    assert facts["python"].startswith("3.13.")
    assert tuple(map(int, facts["glibc"].split("."))) >= (2, 39)
    assert facts["user"] == "10001"
    assert facts["compilers"] == ""
    for name in ("ml-metadata", "tensorflow-data-validation", "tfx-bsl"):
        assert facts[f"version.{name}"].startswith("1.21.")
        for tag in facts[f"wheel.{name}"].split():
            assert re.fullmatch(r"cp313-cp313-manylinux_2_\d+_x86_64", tag)
    # TFX without any lock or override comes to the same versions.
    plain = dict(pin.split("==") for pin in facts["plain"].split())
    for name in ("tfx", "ml-metadata", "tensorflow-data-validation"):
        assert plain[name] == facts[f"version.{name}"]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["blessed"] is True
    assert "/out/serving/marketplace/" in summary["published"]
    assert 0.52 < summary["metrics"]["test"]["auc"] < summary["bayes"]["test"]["auc"]
    assert facts["replayed.state"] == "complete"
    assert float(facts["replayed.auc"]) == pytest.approx(
        summary["metrics"]["test"]["auc"], abs=1e-6
    )
