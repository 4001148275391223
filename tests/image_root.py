"""Carries out the Dockerfile's steps in folders, where there is no container engine.

A stage becomes a folder of what it adds: a layer over the layers of the stage that it
comes from, and those over a Debian made by debootstrap. RUN happens inside, by overlayfs
and chroot in namespaces of its own. Needs root.

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
from typing import Self

import docker.utils
import dockerfile_parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
BASE_IMAGE = "debian:13-slim"

# How this machine reaches its registries, and whom it trusts; nothing of it stays.
_PASSED = re.compile(r"(PIP|UV)_\w*INDEX\w*|(?i:https?|no)_proxy")
_BUNDLE = "/run/certificates.pem"
_TRUST = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
_USER = "clickwright"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_INSIDE = """
set -eu
layer=$1 below=$2 bundle=$3 folder=$4 user=$5
shift 5
mount --make-rprivate /
root=$layer.root
mkdir -p "$root" "$layer.scratch"
mount -t overlay overlay \
  -o "lowerdir=$below,upperdir=$layer,workdir=$layer.scratch" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for file in resolv.conf hosts; do
  test -e "$root/etc/$file" || touch "$root/etc/$file"
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
    """Layers, and what the instructions so far say of the processes in them.

    Attributes:
        layers: folders, the lowest first; the last is the stage's own.
        environment: variables.
        folder: where processes begin.
        user: `uid:gid`.
        entry_point: the program, and what it is given first.
        command: what it is given after that, if nobody says anything else.
    """

    layers: list[str]
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
        home = "/root" if who.startswith("0:") else os.path.join("/home", _USER)
        given = {"HOME": home} | passed | trust | self.environment
        *below, own = self.layers
        return subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", _INSIDE, "sh", own, ":".join(reversed(below))),
                *(bundle, self.folder, who, "env", "-i"),
                *(f"{key}={value}" for key, value in given.items()),
                *arguments,
            ],
            check=False,
        ).returncode

    def find(self, path: str) -> pathlib.Path | None:
        """Where a path of the image lies on this machine: in one layer, or nowhere."""
        found = [
            pathlib.Path(layer + path)
            for layer in self.layers
            if pathlib.Path(layer + path).exists()
        ]
        if len(found) > 1 and not found[-1].is_file():
            raise ValueError(f"{path} lies in several layers: {found}")
        return found[-1] if found else None

    def save(self, path: pathlib.Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=2))

    @classmethod
    def load(cls, path: pathlib.Path) -> Self:
        """Reads what `save` wrote."""
        return cls(**json.loads(path.read_text()))

    def above(self, layer: pathlib.Path) -> Self:
        """A stage that comes from this one, with an empty layer of its own."""
        shutil.rmtree(layer, ignore_errors=True)
        layer.mkdir(parents=True)
        return dataclasses.replace(
            self,
            layers=[*self.layers, str(layer)],
            environment=dict(self.environment),
        )


def copy(sources: Sequence[pathlib.Path], target: pathlib.Path, into: bool) -> None:
    """Copies as COPY does: what is in a folder, or a file; `into`: into a folder."""
    for source in sources:
        to = target / source.name if into and source.is_file() else target
        to.parent.mkdir(parents=True, exist_ok=True)
        # Linked where they can be: gigabytes of files that nobody changes in place.
        shared = source.stat().st_dev == to.parent.stat().st_dev
        linked = ["--link", "--remove-destination"] if shared else []
        command = ["cp", "--archive", "--no-target-directory", *linked]
        subprocess.run([*command, source, to], check=True)


class Build:
    """Carries out stages, each once.

    Args:
        debian: root folder that stands for the base image.
        roots: folder for the stages; those already there are taken as they are.
        context: the files of the build.
    """

    def __init__(
        self, debian: pathlib.Path, roots: pathlib.Path, context: pathlib.Path
    ) -> None:
        self._debian = debian
        self._roots = roots
        self._context = context
        self._stages = stages((ROOT / "Dockerfile").read_text())

    def stage(self, name: str) -> Stage:
        """Returns a stage, made if need be with those that it needs."""
        if name == BASE_IMAGE:
            return Stage([str(self._debian)], {"PATH": _PATH})
        written = self._roots / f"{name}.json"
        if written.exists():
            return Stage.load(written)
        parent, instructions = self._stages[name]
        made = self.stage(parent).above(self._roots / name)
        begun = time.monotonic()
        for step in instructions:
            print(f"{name}: {step.name} {step.value}", flush=True)
            self._apply(made, step)
        made.save(written)
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
        return made

    def _apply(self, stage: Stage, step: Instruction) -> None:
        if step.name == "RUN":
            code = stage.run(["/bin/sh", "-c", step.value])
            if code:
                raise SystemExit(f"RUN {step.value}: exit code {code}")
        elif step.name == "COPY":
            self._copy(stage, *step.copied)
        elif step.name == "ENV":
            for key, value in step.pairs.items():
                path = stage.environment["PATH"]
                stage.environment[key] = value.replace("$PATH", path)
        elif step.name == "WORKDIR":
            stage.folder = step.value
            if stage.find(step.value) is None:
                pathlib.Path(stage.layers[-1] + step.value).mkdir(parents=True)
        elif step.name == "USER":
            stage.user = step.value
        elif step.name == "ENTRYPOINT":
            stage.entry_point = json.loads(step.value)
        elif step.name == "CMD":
            stage.command = json.loads(step.value)
        elif step.name != "LABEL":
            raise ValueError(f"Not understood: {step.name} {step.value}")

    def _copy(
        self, stage: Stage, origin: str | None, sources: list[str], target: str
    ) -> None:
        given = []
        for source in sources:
            found = (
                self._context / source
                if origin is None
                else self.stage(origin).find(source)
            )
            if found is None:
                raise SystemExit(f"COPY {source}: not there")
            given.append(found)
        path = str(pathlib.PurePosixPath(stage.folder, target))
        into = target.endswith("/") or len(sources) > 1
        copy(given, pathlib.Path(stage.layers[-1] + path), into)


def build(name: str, debian: pathlib.Path, roots: pathlib.Path) -> Stage:
    """Builds a stage from the checkout as .dockerignore lets it in."""
    roots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        context = pathlib.Path(folder)
        for file in context_files():
            (context / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, context / file)
        return Build(debian, roots, context).stage(name)


def main() -> int:
    """Returns the exit code of what was run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("build", "derive", "run"))
    parser.add_argument("stage")
    parser.add_argument("--from", dest="origin", help="The stage to derive it from.")
    parser.add_argument("--debian", type=pathlib.Path)
    parser.add_argument("--roots", type=pathlib.Path, required=True)
    parser.add_argument("--user", help="In place of the image's.")
    parser.add_argument("--entrypoint", help="In place of the image's.")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given, arguments = parser.parse_args(words[:end]), words[end + 1 :]
    roots = given.roots.resolve()
    written = roots / f"{given.stage}.json"
    if given.action == "build":
        build(given.stage, given.debian.resolve(), roots)
        return 0
    if given.action == "derive":
        origin = Stage.load(roots / f"{given.origin}.json")
        origin.above(roots / given.stage).save(written)
        return 0
    stage = Stage.load(written)
    program = [given.entrypoint] if given.entrypoint else stage.entry_point
    return stage.run([*program, *(arguments or stage.command)], given.user)


if __name__ == "__main__":
    sys.exit(main())
