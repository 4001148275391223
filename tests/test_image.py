"""What Dockerfile and .dockerignore name is there, and is what they say."""

import importlib.metadata
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib

import packaging.requirements
import packaging.utils
import pytest
from image_root import BASE_IMAGE, ROOT, Instruction, Stage, context_files, copy, stages

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PYPROJECT["project"]["version"]
FOLDERS = ("components", "experiments", "models", "pipeline", "schemas", "serving")
STAGES = stages((ROOT / "Dockerfile").read_text())
VARIANTS = ("cpu", "gpu")
PYTHON_313 = {
    "python_version": "3.13",
    "python_full_version": "3.13.5",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
}


def lineage(stage: str) -> list[Instruction]:
    """All instructions that a stage's image is made by, the base's first."""
    if stage == BASE_IMAGE:
        return []
    parent, own = STAGES[stage]
    return lineage(parent) + own


def last(stage: str, name: str) -> str:
    return next(step.value for step in reversed(lineage(stage)) if step.name == name)


def runs(stage: str) -> list[list[str]]:
    """Words of each command that RUN has in a stage's lineage."""
    text = "\n".join(step.value for step in lineage(stage) if step.name == "RUN")
    return [shlex.split(command) for command in re.split(r"&&|\n", text)]


def pins(name: str) -> dict[str, str]:
    """Versions that a file of requirements pins for Python 3.13, by package."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text())
    found: dict[str, str] = {}
    for line in re.findall(r"(?m)^[a-z].*$", text):
        requirement, *hashes = line.split(" --hash=")
        parsed = packaging.requirements.Requirement(requirement.split("    #")[0])
        assert hashes, line
        if parsed.marker is None or parsed.marker.evaluate(PYTHON_313):
            (pin,) = parsed.specifier
            assert pin.operator == "=="
            found[packaging.utils.canonicalize_name(parsed.name)] = pin.version
    return found


def wanted(
    texts: list[str], extra: str = ""
) -> list[packaging.requirements.Requirement]:
    parsed = [packaging.requirements.Requirement(text) for text in texts]
    environment = PYTHON_313 | {"extra": extra}
    return [r for r in parsed if r.marker is None or r.marker.evaluate(environment)]


# The Dockerfile.


def test_the_linter_finds_nothing_in_the_dockerfile() -> None:
    linter = pathlib.Path(sys.executable).with_name("hadolint")

    done = subprocess.run(
        [linter, "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_every_stage_comes_from_debian_13_and_copies_from_a_stage_before_it() -> None:
    before = {BASE_IMAGE}
    for name, (parent, instructions) in STAGES.items():
        assert parent in before
        for step in instructions:
            if step.name == "COPY" and step.copied[0] is not None:
                assert step.copied[0] in before
        before.add(name)
    assert list(STAGES)[-1] == "cpu"  # what a build without --target makes


def test_whatever_is_copied_is_let_into_the_build() -> None:
    inside = set(context_files())
    for _, instructions in STAGES.values():
        for step in instructions:
            if step.name == "COPY" and step.copied[0] is None:
                for source in step.copied[1]:
                    path = ROOT / source
                    files = path.rglob("*.*") if path.is_dir() else [path]
                    names = {
                        f.relative_to(ROOT).as_posix()
                        for f in files
                        if f.is_file() and "__pycache__" not in f.parts
                    }
                    assert names and names <= inside


def test_the_build_is_given_the_product_and_nothing_else() -> None:
    copied = {
        source
        for _, instructions in STAGES.values()
        for step in instructions
        if step.name == "COPY" and step.copied[0] is None
        for source in step.copied[1]
    }

    assert copied >= {*FOLDERS, "pyproject.toml"}
    for name in context_files():
        assert name in copied or name.split("/")[0] in copied, name
        assert not name.endswith(".pyc")


def test_what_the_wheel_is_built_of_is_copied() -> None:
    project, sources = PYPROJECT["project"], set()
    for step in STAGES["product"][1]:
        if step.name == "COPY":
            sources |= set(step.copied[1])

    folders = set(PYPROJECT["tool"]["setuptools"]["package-dir"].values())
    assert sources == folders | {
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
    }


def test_the_installer_is_the_one_that_made_the_lock() -> None:
    (version,) = re.findall(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())

    assert any(f"uv=={version}" in words for words in runs("environment"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_entry_point_is_the_command_in_the_environment_that_was_made(
    variant: str,
) -> None:
    (made,) = [words[-1] for words in runs("environment") if "venv" in words][1:]
    environment: dict[str, str] = {}
    for step in lineage(variant):
        if step.name == "ENV":
            environment |= step.pairs

    assert last(variant, "ENTRYPOINT") == '["clickwright"]'
    assert "clickwright" in PYPROJECT["project"]["scripts"]
    assert environment["PATH"].split(":")[0] == f"{made}/bin"
    assert ("environment", [made], made) in [
        step.copied for step in lineage(variant) if step.name == "COPY"
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_user_is_the_one_that_was_added_and_owns_where_artifacts_are_laid(
    variant: str,
) -> None:
    (add,) = [words for words in runs(variant) if words[0] == "useradd"]
    (folders,) = [words for words in runs(variant) if words[0] == "install"]
    number = add[add.index("--uid") + 1]

    assert int(number) > 0
    assert last(variant, "USER") == f"{number}:{number}"
    assert folders[folders.index("--owner") + 1] == add[-1]
    assert {"/gcs", "/minio", "/s3", last(variant, "WORKDIR")} <= set(folders)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_image_is_given_python_and_certificates_and_no_tool_to_build_with(
    variant: str,
) -> None:
    installed = {
        word
        for words in runs(variant)
        if words[:2] == ["apt-get", "install"]
        for word in words[2:]
        if not word.startswith("-")
    }

    assert installed == {"ca-certificates", "python3"}
    # What the stages that build are made of stays behind but for two folders.
    copied = [step.copied for step in lineage(variant) if step.name == "COPY"]
    assert {sources[0] for _, sources, _ in copied} == {
        "/opt/clickwright",
        "/installed",
    }


def test_the_gpu_variant_is_the_other_and_cudas_libraries() -> None:
    cpu, gpu = ({repr(s) for s in lineage(variant)} for variant in ("cpu", "gpu"))
    added = [step for step in lineage("gpu") if repr(step) not in cpu]

    assert cpu < gpu
    assert [step.name for step in added] == ["COPY", "ENV"]
    assert added[0].copied == ("cuda", ["/installed"], "/opt/clickwright")
    assert added[1].pairs == {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }


def test_the_image_carries_the_version_and_the_licence_of_the_project() -> None:
    (labels,) = [step.pairs for step in STAGES["base"][1] if step.name == "LABEL"]

    assert labels == {
        "org.opencontainers.image.title": PYPROJECT["project"]["name"],
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.licenses": PYPROJECT["project"]["license"],
    }
    tags = re.findall(r"clickwright:([0-9.]+)", (ROOT / "Dockerfile").read_text())
    assert set(tags) == {VERSION}


# The locks.

LOCK, IMAGE = pins("requirements_lock.txt"), pins("docker/requirements.txt")
GPU = pins("docker/requirements_gpu.txt")


def test_the_image_has_the_versions_that_the_tests_ran_with() -> None:
    shared = IMAGE.keys() & LOCK.keys()

    assert {name: IMAGE[name] for name in shared} == {n: LOCK[n] for n in shared}
    # What is new comes with gcsfs, which no test needs.
    assert "gcsfs" in IMAGE.keys() - LOCK.keys()
    assert len(IMAGE.keys() - LOCK.keys()) <= 3


def test_the_image_has_what_the_product_asks_for_on_any_storage() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    texts = PYPROJECT["project"]["dependencies"] + extras["gcs"] + extras["s3"]

    for requirement in wanted(texts):
        version = IMAGE[packaging.utils.canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_the_image_has_no_development_tools() -> None:
    tools = {
        packaging.utils.canonicalize_name(requirement.name)
        for requirement in wanted(PYPROJECT["dependency-groups"]["dev"])
    }
    asked = {
        packaging.utils.canonicalize_name(requirement.name)
        for requirement in wanted(PYPROJECT["project"]["optional-dependencies"]["s3"])
    }
    brought = {"httpx"}  # by google-genai

    assert tools & IMAGE.keys() <= asked | brought


def test_no_wheel_stands_in_for_one_of_tfx() -> None:
    tfx = IMAGE["tfx"]
    for name in ("ml-metadata", "tensorflow-data-validation", "tfx-bsl"):
        assert IMAGE[name].split(".")[:2] == tfx.split(".")[:2]
    assert "tfx-bsl-sql-util" not in IMAGE


def test_the_gpu_variant_adds_the_libraries_that_tensorflow_asks_for() -> None:
    asked = wanted(importlib.metadata.requires("tensorflow") or [], "and-cuda")
    libraries = [r for r in asked if r.name.startswith("nvidia-")]

    assert libraries
    for requirement in libraries:
        assert requirement.specifier.contains(GPU[requirement.name]), requirement
    assert all(name.startswith("nvidia-") for name in GPU)
    assert not GPU.keys() & IMAGE.keys()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements_gpu.txt"])
def test_a_lock_of_the_image_names_no_address(name: str) -> None:
    text = (ROOT / "docker" / name).read_text()

    assert "://" not in text
    assert not re.search(r"(?m)^\s*-", text.replace("    --hash=sha256:", ""))


# How the steps are carried out where there is no container engine.


def test_a_copy_lays_out_folders_and_files_as_copy_does(tmp_path: pathlib.Path) -> None:
    (tmp_path / "source" / "sub").mkdir(parents=True)
    (tmp_path / "source" / "sub" / "a").write_text("a")
    (tmp_path / "root" / "target").mkdir(parents=True)
    (tmp_path / "root" / "target" / "old").write_text("old")

    copy([tmp_path / "source"], tmp_path / "root" / "target", False)
    copy([tmp_path / "source" / "sub" / "a"], tmp_path / "root" / "other", True)

    found = sorted(
        p.relative_to(tmp_path / "root").as_posix()
        for p in (tmp_path / "root").rglob("*")
        if p.is_file()
    )
    assert found == ["other/a", "target/old", "target/sub/a"]


def test_a_stage_that_was_built_is_found_again(tmp_path: pathlib.Path) -> None:
    stage = Stage(["/debian"], {"PATH": "/bin"}, "/work", "10001:10001")
    stage.save(tmp_path / "cpu.json")

    assert Stage.load(tmp_path / "cpu.json") == stage


def test_a_stage_finds_a_path_in_the_layer_that_has_it(tmp_path: pathlib.Path) -> None:
    stage = Stage([str(tmp_path / "debian")], {})
    (tmp_path / "debian" / "etc").mkdir(parents=True)
    above = stage.above(tmp_path / "own")
    (tmp_path / "own" / "work").mkdir()

    assert above.find("/etc") == tmp_path / "debian" / "etc"
    assert above.find("/work") == tmp_path / "own" / "work"
    assert stage.find("/work") is None
    (tmp_path / "own" / "etc").mkdir()
    with pytest.raises(ValueError, match="several layers"):
        above.find("/etc")
