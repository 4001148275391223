"""The wheel, built and installed as a user has it."""

import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("components", "experiments", "models", "pipeline", "schemas", "serving")


def build_wheel(folder: pathlib.Path) -> pathlib.Path:
    """Builds the wheel from a copy, so that nothing stale gets into it."""
    checkout = folder / "checkout"
    for name in (*FOLDERS, "LICENSE", "README.md", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, checkout / name)
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, setuptools.build_meta as b; b.build_wheel(sys.argv[1])",
            folder,
        ],
        cwd=checkout,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


def install_wheel(folder: pathlib.Path) -> pathlib.Path:
    """Builds and installs the wheel into an environment of its own.

    The dependencies are those of this environment; its way to the checkout is not.

    Returns:
        Folder of the environment's programs.
    """
    wheel = build_wheel(folder)
    environment = folder / "environment"
    venv.EnvBuilder(symlinks=True).create(environment)
    [site] = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:  # all there is to installing a pure wheel
        archive.extractall(site)
    # A path alone: the .pth files below it, that of the checkout too, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    programs = environment / "bin"
    command = programs / "clickwright"
    command.write_text(
        f"#!{programs / 'python'}\n"
        "import sys\nfrom clickwright.pipeline.cli import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    return programs
