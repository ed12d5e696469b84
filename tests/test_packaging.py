"""What users install: the wheel and the sdist hold the project's files, and the command runs outside the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {name: ROOT / folder for name, folder in SETTINGS["tool"]["setuptools"]["package-dir"].items()}
NOT_COPIED = [
    ".git",
    ".venv*",
    ".*_cache",
    ".hypothesis",
    "*.egg-info",
    "__pycache__",
    "antiphon-demo",
    "build",
    "dist",
]
DATA = {".wav", ".jsgf", ".toml", ".html", ".svg", ".typed"}


def run(*command: str | Path, cwd: Path) -> str:
    """What a command printed; its whole output when it fails."""
    # Nothing of this environment may help: neither its packages nor the checkout.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ran = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, f"{' '.join(map(str, command))}\n{ran.stdout}"
    return ran.stdout


def package_files() -> dict[str, Path]:
    """Each file that belongs into the wheel: its name there, and where it is here."""
    return {
        str(Path(package.replace(".", "/"), path.relative_to(folder))): path
        for package, folder in FOLDERS.items()
        for path in tree(folder)
    }


def tree(folder: Path) -> list[Path]:
    """The modules and the data below a folder, links and caches aside."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name == "__pycache__":
            continue
        if path.is_dir():
            found += tree(path)
        elif path.suffix == ".py" or path.suffix in DATA:
            found.append(path)
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, the wheel built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "antiphon"
    # A copy, since what an earlier build left in the checkout would leak into this one.
    shutil.copytree(ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, cwd=source)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel and the offline extra installed, outside the checkout."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "environment", with_pip=True)
    python = folder / "environment" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", f"{wheel}[offline]", cwd=folder)
    return folder


def test_the_list_of_packages_is_the_tree() -> None:
    there = {
        name.removesuffix("/__init__.py").replace("/", ".") for name in package_files() if name.endswith("/__init__.py")
    }
    assert set(SETTINGS["tool"]["setuptools"]["packages"]) == there, "correct [tool.setuptools] in pyproject.toml"


def test_the_wheel_holds_each_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == set(package_files())


def test_the_sdist_holds_what_builds_and_tests_the_packages_and_no_file_twice(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = sorted(name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile())
    wanted = {str(path.relative_to(ROOT)) for path in package_files().values()}
    wanted |= {str(path.relative_to(ROOT)) for path in tree(ROOT / "tests")}
    wanted |= {"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"}
    assert not wanted - set(names)
    twice = [name for name in names if name.startswith("antiphon/") and name.split("/")[1] in {"actors", "channels"}]
    assert not twice


def test_the_command_runs_outside_the_checkout(elsewhere: Path) -> None:
    printed = run(elsewhere / "environment" / "bin" / "antiphon", "--help", cwd=elsewhere)
    assert "demo" in printed


def test_the_types_are_seen_outside_the_checkout(elsewhere: Path) -> None:
    python = elsewhere / "environment" / "bin" / "python"
    program = "import antiphon, pathlib; print((pathlib.Path(antiphon.__file__).parent / 'py.typed').is_file())"
    assert run(python, "-c", program, cwd=elsewhere).strip() == "True"
