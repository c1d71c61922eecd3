"""Small tables for the tests: made here, and read from the shared data where it is there."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared(name: str) -> Path:
    """Return a file of the shared data, or skip."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} is not there: the shared data lies beside the repository, in ../shared/data")
    return path


def flowers(rows: int = 60) -> pl.DataFrame:
    """Return a table with holes, categories and an id, in which ``kind`` follows from ``petal`` and ``colour``."""
    random = np.random.default_rng(1)
    petal = random.uniform(0.0, 10.0, rows)
    colour = random.choice(["red", "blue"], rows)
    kind = np.where(petal > 6.0, "long", np.where(colour == "red", "short red", "short blue"))
    frame = pl.DataFrame(
        {
            "id": np.arange(rows),
            "petal": petal,
            "colour": colour,
            "seen": [f"2026-0{1 + row % 9}-11" for row in range(rows)],
            "same": ["x"] * rows,
            "kind": kind,
        }
    ).with_columns(pl.col("seen").cast(pl.String).str.to_date())
    holes = pl.when(pl.int_range(rows) % 7 == 0).then(None).otherwise(pl.col("petal"))
    return frame.with_columns(
        pl.when(pl.col("kind") == "long").then(pl.col("petal")).otherwise(holes).alias("petal")
    )
