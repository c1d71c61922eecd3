"""What the tests of the documents share: where they are, and what is in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulse_ai import __file__ as package_file

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    assert Path(package_file).is_relative_to(_ROOT), "the tests must run against this checkout"
    return _ROOT


@pytest.fixture(scope="session")
def tracked(root: Path) -> tuple[Path, ...]:
    """The files that are in the repository or would be added to it, relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return tuple(Path(name) for name in listed.split("\0") if name and (root / name).is_file())


@pytest.fixture(scope="session")
def pages(root: Path) -> dict[str, str]:
    """The text of each document, by its path relative to the root."""
    files = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    return {str(file.relative_to(root)): file.read_text("utf-8") for file in files}


@pytest.fixture(scope="session")
def pulse_command() -> list[str]:
    """The command ``pulse`` of this environment, run as a module so that no other one is found."""
    return [sys.executable, "-c", "from pulse_ai.cli import main; main()"]


@pytest.fixture
def child_environment(tmp_path: Path) -> dict[str, str]:
    """An environment for programs under test: a cache of their own, and no proxy between them and us."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}  # noqa: TID251
    return {**kept, "PULSE_CACHE_DIR": str(tmp_path / "cache"), "NO_COLOR": "1", "TERM": "dumb"}
