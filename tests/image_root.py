"""Carries out the Dockerfile's steps in folders, where there is no container engine.

A stage becomes a root folder: a copy of the stage that it comes from, or of a Debian
made by debootstrap. RUN happens inside, by chroot in namespaces of its own. Needs root.

    python tests/image_root.py build cpu --debian debian --roots roots
    python tests/image_root.py run cpu --roots roots -- run -c config.yaml
"""

import argparse
import dataclasses
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import docker.utils
import dockerfile_parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
BASE_IMAGE = "debian:13-slim"

# How this machine reaches its registries, and whom it trusts; nothing of it stays.
_PASSED = re.compile(r"(PIP|UV)_\w*INDEX\w*|(?i:https?|no)_proxy")
_BUNDLE = "/run/certificates.pem"
_TRUST = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")

_INSIDE = """
set -eu
root=$1 bundle=$2 folder=$3 user=$4
shift 4
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for file in resolv.conf hosts; do
  touch "$root/etc/$file"
  mount --bind "/etc/$file" "$root/etc/$file"
done
if test -n "$bundle"; then install --mode 644 "$bundle" "$root/run/certificates.pem"; fi
exec chroot --userspec="$user" "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile."""

    name: str
    value: str

    @property
    def copied(self) -> tuple[str | None, list[str], str]:
        """Of a COPY: the stage it copies from, the sources, the target."""
        words = shlex.split(self.value)
        flags = [word for word in words if word.startswith("--")]
        *sources, target = words[len(flags) :]
        if any(not flag.startswith("--from=") for flag in flags):
            raise ValueError(f"Not understood: COPY {self.value}")
        return flags[0].removeprefix("--from=") if flags else None, sources, target

    @property
    def pairs(self) -> dict[str, str]:
        """Of an ENV or a LABEL: values by name."""
        return dict(word.split("=", 1) for word in shlex.split(self.value))


def stages(text: str) -> dict[str, tuple[str, list[Instruction]]]:
    """Returns what each stage comes from, and its instructions, by the stage's name."""
    parser = dockerfile_parse.DockerfileParser(fileobj=io.BytesIO(text.encode()))
    found: dict[str, tuple[str, list[Instruction]]] = {}
    for step in parser.structure:
        name, value = step["instruction"], step["value"]
        if name == "FROM":
            parent, _, stage = value.split()
            found[stage] = (parent, [])
        elif name != "COMMENT":
            found[stage][1].append(Instruction(name, value))
    return found


def context_files() -> list[str]:
    """Paths of the files that .dockerignore lets into a build."""
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in patterns if line and not line.startswith("#")]
    found = docker.utils.exclude_paths(str(ROOT), rules)
    # The engine is always given these two, and no COPY may name what is ignored.
    found -= {"Dockerfile", ".dockerignore"}
    return sorted(name for name in found if (ROOT / name).is_file())


@dataclasses.dataclass
class Stage:
    """A root folder, and what the instructions so far say of its processes."""

    root: pathlib.Path
    environment: dict[str, str]
    folder: str = "/"
    user: str = "0:0"
    entry_point: list[str] = dataclasses.field(default_factory=list)
    command: list[str] = dataclasses.field(default_factory=list)

    def run(self, arguments: Sequence[str], user: str | None = None) -> int:
        """Runs a program inside; returns its exit code."""
        bundle = os.environ.get("SSL_CERT_FILE", "")
        passed = {k: v for k, v in os.environ.items() if _PASSED.fullmatch(k)}
        trust = dict.fromkeys(_TRUST, _BUNDLE) if bundle else {}
        who = user or self.user
        home = "/root" if who.startswith("0:") else "/home/clickwright"
        given = {"HOME": home} | passed | trust | self.environment
        inside = ["env", "-i", *(f"{k}={v}" for k, v in given.items()), *arguments]
        return subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", _INSIDE, "sh"),
                *(str(self.root), bundle, self.folder, who, *inside),
            ],
            check=False,
        ).returncode

    def save(self) -> None:
        """Writes beside the root what `run` needs."""
        content = dataclasses.asdict(self) | {"root": str(self.root)}
        self.root.with_suffix(".json").write_text(json.dumps(content, indent=2))

    @classmethod
    def load(cls, root: pathlib.Path) -> "Stage":
        """Reads what `save` wrote."""
        content = json.loads(root.with_suffix(".json").read_text())
        return cls(**content | {"root": root})


def inside(root: pathlib.Path, path: str, folder: str) -> pathlib.Path:
    """Where a path of the image lies on this machine."""
    return root / str(pathlib.PurePosixPath(folder, path)).lstrip("/")


# Gigabytes of files that nobody changes in place.
_LINKED = ("cp", "--archive", "--link", "--remove-destination")


def copy(sources: Sequence[pathlib.Path], target: pathlib.Path, whole: bool) -> None:
    """Copies as COPY does: what is in a folder, or a file; `whole`: into a folder."""
    for source in sources:
        to = target
        if source.is_file() and whole:
            to = target / source.name
        to.parent.mkdir(parents=True, exist_ok=True)
        shared = source.stat().st_dev == to.parent.stat().st_dev
        command = _LINKED if shared else ("cp", "--archive")
        subprocess.run([*command, "--no-target-directory", source, to], check=True)


def carry_out(
    name: str, debian: pathlib.Path, roots: pathlib.Path, context: pathlib.Path
) -> Stage:
    """Builds a stage and those that it needs.

    Args:
        name: the stage.
        debian: root folder that stands for the base image.
        roots: folder for the stages' roots; those already there are taken as they are.
        context: the files of the build.
    """
    root = roots / name
    if root.with_suffix(".json").exists():
        return Stage.load(root)
    parent, instructions = stages((ROOT / "Dockerfile").read_text())[name]
    if parent == BASE_IMAGE:
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        stage = Stage(root, {"PATH": path})
        origin = debian
    else:
        stage = carry_out(parent, debian, roots, context)
        origin, stage = stage.root, dataclasses.replace(stage, root=root)
        stage.environment = dict(stage.environment)
    begun = time.monotonic()
    shutil.rmtree(root, ignore_errors=True)
    linked = _LINKED if parent != BASE_IMAGE else ("cp", "--archive")
    subprocess.run([*linked, origin, root], check=True)
    for step in instructions:
        print(f"{name}: {step.name} {step.value}", flush=True)
        _apply(stage, step, debian, roots, context)
    stage.save()
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    return stage


def _apply(
    stage: Stage,
    step: Instruction,
    debian: pathlib.Path,
    roots: pathlib.Path,
    context: pathlib.Path,
) -> None:
    if step.name == "RUN":
        code = stage.run(["/bin/sh", "-c", step.value])
        if code:
            raise SystemExit(f"RUN {step.value}: exit code {code}")
    elif step.name == "COPY":
        origin, sources, target = step.copied
        if origin is None:
            given = [context / source for source in sources]
        else:
            other = carry_out(origin, debian, roots, context).root
            given = [inside(other, source, "/") for source in sources]
        copy(given, inside(stage.root, target, stage.folder), target.endswith("/"))
    elif step.name == "ENV":
        for key, value in step.pairs.items():
            path = stage.environment["PATH"]
            stage.environment[key] = value.replace("$PATH", path)
    elif step.name == "WORKDIR":
        stage.folder = step.value
        inside(stage.root, step.value, "/").mkdir(parents=True, exist_ok=True)
    elif step.name == "USER":
        stage.user = step.value
    elif step.name == "ENTRYPOINT":
        stage.entry_point = json.loads(step.value)
    elif step.name == "CMD":
        stage.command = json.loads(step.value)
    elif step.name != "LABEL":
        raise ValueError(f"Not understood: {step.name} {step.value}")


def build(name: str, debian: pathlib.Path, roots: pathlib.Path) -> Stage:
    """Builds a stage from the checkout as .dockerignore lets it in."""
    roots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        context = pathlib.Path(folder)
        for file in context_files():
            (context / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, context / file)
        return carry_out(name, debian, roots, context)


def main() -> int:
    """Returns the exit code of what was run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("build", "run"))
    parser.add_argument("stage")
    parser.add_argument("--debian", type=pathlib.Path)
    parser.add_argument("--roots", type=pathlib.Path, required=True)
    parser.add_argument("--user", help="In place of the image's.")
    parser.add_argument("--entrypoint", help="In place of the image's.")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given, arguments = parser.parse_args(words[:end]), words[end + 1 :]
    if given.action == "build":
        build(given.stage, given.debian.resolve(), given.roots.resolve())
        return 0
    stage = Stage.load(given.roots.resolve() / given.stage)
    program = [given.entrypoint] if given.entrypoint else stage.entry_point
    return stage.run([*program, *(arguments or stage.command)], given.user)


if __name__ == "__main__":
    sys.exit(main())
