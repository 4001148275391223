"""What the project says of itself is so."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
from typing import Any

import pytest
import typer.main
import yaml

from clickwright.pipeline import cli
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").rglob("*.md"))]
# Paths of one machine, and hosts that serve packages. `\b` keeps this line out.
FOREIGN = re.compile(
    r"(?<![\w.~}])/(?:work|root|home|tmp)\b/|"
    r"\b(?:pypi|pythonhosted|test\.pypi|npmjs|artifactory)\b\.\w|"
    r"\b(?:10|192\.168)\b(?:\.\d{1,3}){2,3}:\d"
)


def code_lines(document: pathlib.Path) -> list[str]:
    """The commands of a document: lines of its code blocks, without a prompt."""
    blocks = re.findall(r"(?ms)^```[^\n]*\n(.*?)^```", document.read_text())
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.strip().removeprefix("$ ") for line in joined.splitlines()]


def spans(document: pathlib.Path) -> list[str]:
    """The inline code of a document."""
    text = re.sub(r"(?ms)^```.*?^```", "", document.read_text())
    return re.findall(r"`([^`\n]+)`", text)


def commands(document: pathlib.Path) -> list[list[str]]:
    """Words of each `clickwright` or `make` command that a document shows."""
    found = []
    for text in (*code_lines(document), *spans(document)):
        words = shlex.split(text.split(" | ")[0], comments=True)
        words = [word.removeprefix(".venv/bin/") for word in words]
        if len(words) > 1 and words[0] in ("clickwright", "make"):
            found.append(words)
    return found


def test_the_readme_tells_how_to_see_it_work_and_how_to_test_it() -> None:
    shown = [" ".join(words) for words in commands(README)]

    assert "make demo" in shown
    assert "make test" in shown


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = re.findall(r"(?m)^([\w-]+):", (ROOT / "Makefile").read_text())
    named = {
        (document.name, word)
        for document in DOCUMENTS
        for words in commands(document)
        if words[0] == "make"
        for word in words[1:]
        if "=" not in word and not word.startswith("-")
    }

    assert named
    assert [item for item in sorted(named) if item[1] not in targets] == []


def missing_of(words: list[str]) -> str | None:
    """The first word of a `clickwright` command line that the command lacks."""
    command: Any = typer.main.get_command(cli.app)
    for word in words[1:]:
        if word.startswith("-"):
            options = {o for p in command.params for o in p.opts + p.secondary_opts}
            if word.split("=")[0] not in options | {"--help", "-h"}:
                return word
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_flag_that_is_named_exists(document: pathlib.Path) -> None:
    wrong = {
        " ".join(words): missing
        for words in commands(document)
        if words[0] == "clickwright" and (missing := missing_of(words))
    }

    assert wrong == {}


def test_a_command_that_is_not_there_is_found() -> None:
    assert missing_of(["clickwright", "run", "--config", "a.yaml"]) is None
    assert missing_of(["clickwright", "run", "--confg=a.yaml"]) == "--confg=a.yaml"
    assert missing_of(["clickwright", "rnu"]) == "rnu"
    assert missing_of(["clickwright", "spec", "chek", "FILE"]) == "chek"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(document: pathlib.Path) -> None:
    text = document.read_text()
    links = [
        target.split("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if not re.match(r"[a-z]+:|#", target)
    ]
    words = [
        word
        for line in (*spans(document), *code_lines(document))
        for word in line.split()
        # A path of the checkout: below one of its folders, and not a pattern.
        if re.fullmatch(r"[\w.-]+/[\w./-]*", word)
        and (ROOT / word.split("/")[0]).is_dir()
        and word.split("/")[0] not in {"..", "out", ".venv", ".cache"}
    ]

    missing = [name for name in links if not (document.parent / name).exists()]
    missing += [name for name in words if not (ROOT / name).exists()]

    assert missing == []


def test_the_definition_that_the_guide_shows_is_one() -> None:
    text = (ROOT / "docs/experiments.md").read_text()
    (block,) = re.findall(r"(?ms)^```yaml\n(.*?)^```", text)

    experiment = parse(Experiment, yaml.safe_load(block), "docs/experiments.md")

    assert experiment.primary.name == "ctr"


@pytest.fixture(scope="module")
def tracked() -> dict[str, str]:
    """Mode of each tracked file, by path."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not in a git checkout")
    listing = subprocess.run(
        [git, "ls-files", "-s", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    lines = [line.split("\t") for line in listing.split("\0") if line]
    return {path: facts.split()[0] for facts, path in lines}


def test_no_tracked_file_names_a_machine_or_a_registry(
    tracked: dict[str, str],
) -> None:
    wrong = []
    for name in tracked:
        path = ROOT / name
        if not path.is_file():  # removed, and not yet committed
            continue
        lines = path.read_bytes().decode("utf-8", errors="ignore").splitlines()
        wrong += [
            f"{name}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(lines, start=1)
            if FOREIGN.search(line)
        ]

    assert wrong == []


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("see " + "/work" + "/main", True),
        ("'" + "/tmp" + "/x'", True),
        ("https://" + "pypi" + ".org/simple", True),
        ("http://" + "10" + ".1.2.3:8080", True),
        ("../shared/data and out/work/x, tmp_path / 'a'", False),
        ("keras==10.1.2", False),
        ("pip.parse(hub_name = 'pypi')", False),
    ],
)
def test_foreign_names_are_recognised(text: str, foreign: bool) -> None:
    assert bool(FOREIGN.search(text)) is foreign


def test_the_ci_script_can_be_run_and_runs_the_readme_s_tests(
    tracked: dict[str, str],
) -> None:
    assert tracked[".ci/run"] == "100755"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert re.search(r"(?m)^make test$", (ROOT / ".ci" / "run").read_text())
