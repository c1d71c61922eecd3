"""The Elixir parent in ``examples/elixir``: its own ExUnit suite, against this checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "examples" / "elixir"
LIMIT_S = 240.0  # two dozen starts of Python and three of the VM

needs_elixir = pytest.mark.skipif(
    shutil.which("mix") is None, reason="Elixir is not installed (on Debian: apt-get install elixir)"
)


def mix(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mix in the example; what it builds stays out of the checkout."""
    environment = {
        **os.environ,  # noqa: TID251 - Elixir needs what it finds there
        "PULSE": str(Path(sys.executable).parent / "pulse"),
        "MIX_BUILD_PATH": str(tmp_path / "build"),
        "MIX_HOME": str(tmp_path / "mix"),
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(
        ["mix", *arguments],
        cwd=PROJECT,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )


@needs_elixir
@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 10)
def test_the_elixir_parent_passes_its_own_suite(tmp_path: Path) -> None:
    done = mix(tmp_path, "test", "--warnings-as-errors")
    assert done.returncode == 0, done.stdout
    assert " 0 failures" in done.stdout


@needs_elixir
@pytest.mark.process
def test_the_elixir_files_are_formatted(tmp_path: Path) -> None:
    done = mix(tmp_path, "format", "--check-formatted")
    assert done.returncode == 0, done.stdout
