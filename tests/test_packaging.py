"""The wheel, the Bazel files, the lock and the folders agree."""

import ast
import email
import fnmatch
import graphlib
import importlib.metadata
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from typing import Any, NamedTuple

import packaging.requirements
import packaging.utils
import pytest
import starlark
from installed_wheel import FOLDERS, ROOT, build_wheel

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# These look at the checkout itself, which Bazel does not lay out.
CHECKOUT_TESTS = {
    "tests/serving/router/test_prometheus.py",
    "tests/test_compose.py",
    "tests/test_image.py",
    "tests/test_native_wheels.py",
    "tests/test_packaging.py",
    "tests/test_project_claims.py",
}

MAY_IMPORT = {
    "schemas": {"schemas"},
    "models": {"schemas", "models"},
    "components": {"schemas", "models", "components", "serving", "experiments"},
    "serving": {"schemas", "serving", "experiments"},
    "experiments": {"schemas", "experiments"},
    "pipeline": set(FOLDERS),
}


def files(*folders: str) -> list[str]:
    """Paths of the files in the folders, as a checkout has them."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


SOURCES = [name for name in files(*FOLDERS) if name.endswith(".py")]
DATA = [name for name in files(*FOLDERS) if not name.endswith(".py")]
SCRIPTS = [name for name in files("tests", "benchmarks") if name.endswith(".py")]


def normalized(name: str) -> str:
    return packaging.utils.canonicalize_name(name)


# Bazel.

PRELUDE = """
def record(kind):
    def _record(**attributes):
        add(kind, attributes)
    return _record

def use_repo(extension, *names):
    pass

def use_extension(path, name):
    return struct(**{tag: record(name + "." + tag) for tag in TAGS})
"""


def evaluate(
    file_name: str, rules: tuple[str, ...], tags: tuple[str, ...] = ()
) -> list[tuple[str, dict[str, Any]]]:
    """Evaluates a Bazel file with stubs; returns each call's rule and attributes."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def glob(
        include: list[str], exclude: tuple[str, ...] = (), allow_empty: bool = False
    ) -> list[str]:
        found = {name for pattern in include for name in matches(pattern)}
        found -= {name for pattern in exclude for name in matches(pattern)}
        assert found or allow_empty, f"{include} matches nothing"
        return sorted(found)

    def matches(pattern: str) -> list[str]:
        return [
            path.relative_to(ROOT).as_posix()
            for path in ROOT.glob(pattern)
            if path.is_file()
        ]

    module = starlark.Module()
    module.add_callable(
        "add", lambda kind, attributes: calls.append((kind, attributes))
    )
    module.add_callable("glob", glob)
    module["TAGS"] = list(tags)
    for positional in ("exports_files", "licenses"):
        module.add_callable(
            positional,
            lambda *values, kind=positional: calls.append((kind, {"values": values})),
        )
    # A load statement needs a loader; the rules that it brings are stubs anyway.
    text = re.sub(r"(?m)^load\(.*\)$", "", (ROOT / file_name).read_text())
    stubs = "".join(f'{rule} = record("{rule}")\n' for rule in rules)
    dialect = starlark.Dialect.extended()
    dialect.enable_top_level_stmt = True
    globals_ = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
    program = starlark.parse(file_name, PRELUDE + stubs + text, dialect)
    starlark.eval(module, program, globals_)
    return calls


@pytest.fixture(scope="module")
def targets() -> dict[str, dict[str, Any]]:
    """Attributes of each target in BUILD, by name."""
    calls = evaluate(
        "BUILD", ("genrule", "package", "py_binary", "py_library", "py_test")
    )
    named = [attributes | {"kind": kind} for kind, attributes in calls]
    found = {target["name"]: target for target in named if "name" in target}
    assert len(found) == sum("name" in target for target in named)
    return found


def test_bazel_lays_out_every_file_of_the_packages(
    targets: dict[str, dict[str, Any]],
) -> None:
    tree, library = targets["import_tree"], targets["clickwright"]

    assert sorted(tree["srcs"]) == sorted(SOURCES + DATA)
    assert tree["outs"] == [f"clickwright/{name}" for name in tree["srcs"]]
    assert sorted(library["srcs"]) == [f"clickwright/{name}" for name in SOURCES]
    assert sorted(library["data"]) == [f"clickwright/{name}" for name in DATA]


def test_the_command_of_bazel_does_what_it_is_given_to_do(
    targets: dict[str, dict[str, Any]], tmp_path: pathlib.Path
) -> None:
    tree = targets["import_tree"]
    command = tree["cmd"].replace("$(SRCS)", " ".join(tree["srcs"]))
    command = command.replace("$(RULEDIR)", str(tmp_path)).replace("$$", "$")

    subprocess.run(["bash", "-euc", command], cwd=ROOT, check=True)

    made = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(p.relative_to(tmp_path).as_posix() for p in made) == sorted(
        tree["outs"]
    )
    for name in SOURCES + DATA:
        assert (tmp_path / "clickwright" / name).read_bytes() == (
            ROOT / name
        ).read_bytes()


def test_bazel_has_a_target_for_every_test_and_every_script(
    targets: dict[str, dict[str, Any]],
) -> None:
    tests = [t for t in targets.values() if t["kind"] == "py_test"]
    helpers = {
        name for name in SCRIPTS if name.startswith("tests/") and "/test_" not in name
    }

    on_disk = {name for name in SCRIPTS if "/test_" in name}
    assert {test["srcs"][0] for test in tests} == on_disk - CHECKOUT_TESTS
    for test in tests:
        # A pytest file that is run as a script tests nothing.
        assert test["main"] == "tests/run_pytest.py"
        assert test["args"] == [f"$(location {test['srcs'][0]})"]
        assert set(test["srcs"][1:]) == helpers
        assert (ROOT / "pyproject.toml").exists() and "pyproject.toml" in test["data"]
    programs = {t["main"] for t in targets.values() if t["kind"] == "py_binary"}
    benchmarks = {name for name in SCRIPTS if name.startswith("benchmarks/")}
    assert programs == {"clickwright/pipeline/cli.py"} | benchmarks


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def test_passes(): pass", pytest.ExitCode.OK),
        ("def test_fails(): assert 0", pytest.ExitCode.TESTS_FAILED),
        ("x = 1", pytest.ExitCode.NO_TESTS_COLLECTED),
        (
            "import pytest\n@pytest.mark.slow\ndef test_waits(): assert 0",
            pytest.ExitCode.OK,
        ),
    ],
)
def test_a_file_of_tests_run_for_bazel_exits_as_its_tests_do(
    tmp_path: pathlib.Path, text: str, code: int
) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(text)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    done = subprocess.run(
        [sys.executable, ROOT / "tests/run_pytest.py", file],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )

    assert done.returncode == code, done.stdout.decode()


def test_bazel_depends_on_what_the_sources_import(
    targets: dict[str, dict[str, Any]],
) -> None:
    declared = {
        normalized(packaging.requirements.Requirement(text).name)
        for text in PYPROJECT["project"]["dependencies"]
    }
    extras = {"kfp"}  # asked for as tfx[kfp]

    deps = targets["clickwright"]["deps"]

    names = {
        normalized(label.removeprefix("@pypi//").removesuffix(":pkg")) for label in deps
    }
    assert names == distributions(SOURCES) | declared | extras
    assert deps == sorted(deps)
    assert names <= {line.name for line in LOCK}


def test_the_bazel_tests_depend_on_what_the_tests_import(
    targets: dict[str, dict[str, Any]],
) -> None:
    library = set(targets["clickwright"]["deps"])
    for target in targets.values():
        if target["kind"] == "py_test":
            labels = library | set(target["deps"]) - {":clickwright"}
            names = {
                normalized(label.removeprefix("@pypi//").removesuffix(":pkg"))
                for label in labels
            }
            assert distributions(target["srcs"]) <= names, target["name"]
            assert names <= {line.name for line in LOCK}


def test_the_bazel_module_uses_the_lock_and_the_bridge() -> None:
    calls = evaluate(
        "MODULE.bazel",
        ("module", "bazel_dep"),
        ("parse", "whl_mods", "toolchain"),
    )
    exported = [
        name
        for kind, attributes in evaluate(
            "BUILD", ("genrule", "package", "py_binary", "py_library", "py_test")
        )
        if kind == "exports_files"
        for name in attributes["values"][0]
    ]
    by_kind = dict(calls)

    module = by_kind["module"]
    assert module["name"] == PYPROJECT["project"]["name"]
    assert module["version"] == PYPROJECT["project"]["version"]
    parse = by_kind["pip.parse"]
    assert parse["requirements_lock"] == "//:requirements_lock.txt"
    assert parse["python_version"] == by_kind["python.toolchain"]["python_version"]
    bridge = by_kind["pip.whl_mods"]
    assert parse["whl_modifications"] == {
        f"@{bridge['hub_name']}//:{bridge['whl_name']}.json": bridge["whl_name"]
    }
    ((source, target),) = bridge["copy_files"].items()
    path = source.removeprefix("@@//:")
    assert path in exported
    assert (ROOT / path).is_file()
    assert target == "site-packages/tfx_bsl/arrow/sql_util.py"
    assert path.endswith(target.removeprefix("site-packages/"))


# The wheel.


def test_every_package_is_listed_for_the_wheel() -> None:
    on_disk = [
        "clickwright." + pathlib.PurePath(name).parent.as_posix().replace("/", ".")
        for name in SOURCES
        if name.endswith("/__init__.py")
    ]

    assert PYPROJECT["tool"]["setuptools"]["packages"] == sorted(on_disk)


def test_every_folder_of_sources_is_a_package() -> None:
    folders = {pathlib.PurePath(name).parent for name in SOURCES}

    assert [f for f in folders if not (ROOT / f / "__init__.py").exists()] == []


def test_every_data_file_goes_into_the_wheel() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
    for name in DATA:
        path = pathlib.PurePath(name)
        # setuptools looks for a pattern in the folders of packages only.
        assert (ROOT / path.parent / "__init__.py").exists(), name
        assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), name
    for folder in FOLDERS:
        assert f"{folder}/py.typed" in DATA


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(wheel: pathlib.Path) -> None:
    version = PYPROJECT["project"]["version"]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(f"clickwright-{version}.dist-info/METADATA")
        entry_points = archive.read(
            f"clickwright-{version}.dist-info/entry_points.txt"
        ).decode()

    content = [name for name in names if ".dist-info/" not in name]
    assert sorted(content) == sorted(f"clickwright/{n}" for n in SOURCES + DATA)
    assert "clickwright = clickwright.pipeline.cli:main" in entry_points
    # The bridge is on no registry, so the wheel must not ask for it.
    required = email.message_from_bytes(metadata).get_all("Requires-Dist") or []
    assert len(required) >= len(PYPROJECT["project"]["dependencies"])
    assert not [line for line in required if "sql-util" in line or "@" in line]


@pytest.mark.slow
def test_the_installed_wheel_works_outside_the_checkout(
    wheel: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:  # all there is to installing a pure wheel
        archive.extractall(site)
    modules = [
        "clickwright." + name.removesuffix(".py").replace("/", ".")
        for name in SOURCES
        if not name.endswith("/__init__.py")
    ]
    script = """
import importlib, importlib.resources, json, sys
given = json.load(sys.stdin)
for name in given["modules"]:
    module = importlib.import_module(name)
    assert module.__file__.startswith(given["site"]), module.__file__
for name in given["data"]:
    package, _, file = name.rpartition("/")
    package = "clickwright." + package.replace("/", ".")
    importlib.resources.files(package).joinpath(file).read_bytes()
"""
    # Without site.py nothing leads back to the checkout.
    subprocess.run(
        [sys.executable, "-S", "-c", script],
        input=json.dumps({"modules": modules, "data": DATA, "site": str(site)}),
        env={
            "PYTHONPATH": f"{site}:{sysconfig.get_path('purelib')}",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        },
        cwd=tmp_path,
        text=True,
        check=True,
    )


# Imports.


def imports_of(name: str) -> list[tuple[int, str]]:
    """Line and dotted name of each import in a file, wherever it stands."""
    found = []
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            found += [(node.lineno, f"{origin}.{alias.name}") for alias in node.names]
    return found


PROVIDERS = importlib.metadata.packages_distributions()
GOOGLE = {
    "api_core": "google-api-core",
    "auth": "google-auth",
    "cloud.aiplatform": "google-cloud-aiplatform",
    "cloud.aiplatform_v1": "google-cloud-aiplatform",
    "protobuf": "protobuf",
}
"""The distribution of each package below `google`, which many share."""
ELSEWHERE = {"deepctr", "fuxictr", "keras_hub", "sentence_transformers", "torch"}
"""Peers that tests and benchmarks run in environments of their own, if at all, and
encoders of texts, which work where somebody has installed them."""


def distributions(names: list[str]) -> set[str]:
    """The third-party distributions that files import, by normalized name."""
    own = {pathlib.PurePath(name).stem for name in SCRIPTS} | {"clickwright"}
    found = set()
    for name in names:
        for _, imported in imports_of(name):
            top, *rest = imported.split(".")
            if top in sys.stdlib_module_names or top in own or top in ELSEWHERE:
                continue
            if top == "google":  # a namespace that many share
                packages = [".".join(rest[:end]) for end in (1, 2)]
                (provider,) = {GOOGLE[p] for p in packages if p in GOOGLE}
                found.add(provider)
            else:
                # One name of several: tfx's is shared with its SDK, and the bridge
                # adds to tfx_bsl.
                found.add(min(map(normalized, PROVIDERS[top]), key=closeness(top)))
    return found


def closeness(top: str) -> Any:
    """Orders distributions by how far their name is from the module's."""
    return lambda name: (normalized(name) != normalized(top), len(name))


def test_first_party_imports_are_absolute_and_begin_with_the_distribution() -> None:
    wrong = [
        f"{name}:{line}: {imported}"
        for name in SOURCES + SCRIPTS
        for line, imported in imports_of(name)
        if imported.startswith(".") or imported.split(".")[0] in FOLDERS
    ]

    assert wrong == []


def test_imports_run_one_way() -> None:
    wrong = [
        f"{name}:{line}: {imported}"
        for name in SOURCES
        for line, imported in imports_of(name)
        if imported.startswith("clickwright.")
        and imported.split(".")[1] not in MAY_IMPORT[name.split("/")[0]]
    ]

    assert wrong == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    modules = {
        "clickwright." + name.removesuffix(".py").replace("/", "."): name
        for name in SOURCES
    }
    graph = {}
    for module, name in modules.items():
        imported = {text for _, text in imports_of(name)}
        # `from package import module` names the module, `import name` its parent.
        graph[module] = {
            other
            for text in imported
            for other in (text, text.rpartition(".")[0])
            if other in modules and other != module
        }

    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_the_contracts_and_the_command_import_no_heavy_library() -> None:
    light = [name for name in SOURCES if name.startswith("schemas/")]
    modules = [
        "clickwright." + name.removesuffix(".py").replace("/", ".")
        for name in [*light, "pipeline/cli.py"]
        if not name.endswith("/__init__.py")
    ]
    heavy = [
        "apache_beam",
        "keras",
        "tensorflow",
        "tensorflow_data_validation",
        "tensorflow_model_analysis",
        "tensorflow_transform",
        "tfx",
    ]
    script = (
        "import importlib, json, sys\n"
        "modules, heavy = json.load(sys.stdin)\n"
        "for module in modules:\n"
        "    importlib.import_module(module)\n"
        "    found = [name for name in heavy if name in sys.modules]\n"
        "    assert not found, f'{module} imports {found}'\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps([modules, heavy]),
        text=True,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


# The lock.


class LockLine(NamedTuple):
    """One requirement of the lock."""

    name: str
    requirement: packaging.requirements.Requirement
    hashes: list[str]


def read_lock() -> list[LockLine]:
    """Parses the lock; every line must be one that is understood."""
    text = (ROOT / "requirements_lock.txt").read_text()
    statements = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ").splitlines()
    lines = []
    for statement in statements:
        requirement_text, *hashes = re.split(r"\s+--hash=", statement.strip())
        requirement = packaging.requirements.Requirement(requirement_text)
        lines.append(LockLine(normalized(requirement.name), requirement, hashes))
    return lines


LOCK = read_lock()


def test_every_requirement_of_the_lock_has_one_version_and_hashes() -> None:
    assert len(LOCK) > 100
    for line in LOCK:
        assert re.fullmatch(r"==[^*,]+", str(line.requirement.specifier)), line
        assert line.hashes, line
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", h) for h in line.hashes), line


def test_the_lock_names_no_address() -> None:
    text = (ROOT / "requirements_lock.txt").read_text()

    assert "://" not in text
    assert not re.search(r"(?m)^\s*(-i|-f|--index|--extra|--find|--trusted)", text)
    assert not [line for line in LOCK if line.requirement.url]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_satisfies_every_dependency_on_every_python(python: str) -> None:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    locked: dict[str, packaging.requirements.Requirement] = {}
    for line in LOCK:
        if not line.requirement.marker or line.requirement.marker.evaluate(environment):
            assert line.name not in locked, f"{line.name} twice on Python {python}"
            locked[line.name] = line.requirement
    for text in itertools.chain(
        PYPROJECT["project"]["dependencies"], PYPROJECT["dependency-groups"]["dev"]
    ):
        wanted = packaging.requirements.Requirement(text)
        if wanted.marker and not wanted.marker.evaluate(environment):
            continue
        (specifier,) = locked[normalized(wanted.name)].specifier
        assert wanted.specifier.contains(specifier.version), text


def test_the_lock_of_uv_is_ignored() -> None:
    """It would name the registry; requirements_lock.txt is the one that counts."""
    assert "uv.lock" in (ROOT / ".gitignore").read_text().splitlines()


# The version.


def test_the_changelog_ends_at_the_version_of_the_project() -> None:
    headings = re.findall(
        r"(?m)^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$",
        (ROOT / "CHANGELOG.md").read_text(),
    )

    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == PYPROJECT["project"]["version"]
    assert all(date for _, date in headings[1:])
