"""What pandas and scikit-learn do for ``benchmarks.read_csv``: a CSV to the same features. In its own venv."""

__all__ = ("main",)

import json
import resource
import sys
import time

import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["distance", "fare", "tip", "passengers", "age"]
TEXTS = ["color", "payment", "zone"]
PARTS = ["year", "month", "day", "day_of_week", "hour", "minute"]


def main() -> None:
    """Read the file named first with the engine named second; print what it took as JSON."""
    path, engine = sys.argv[1], sys.argv[2]
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    frame = pd.read_csv(path, engine=engine, parse_dates=["pickup"]).drop(columns="id")
    read_s = time.perf_counter() - began_s
    for part in PARTS:
        frame[f"pickup.{part}"] = getattr(frame["pickup"].dt, part)
    frame["night"] = frame["night"].astype("float32")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype="float32")
    recipe = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
                [*NUMBERS, *_parts()],
            ),
            ("texts", make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot), TEXTS),
            ("booleans", "passthrough", ["night"]),
        ]
    )
    features = recipe.fit_transform(frame)
    took_s = time.perf_counter() - began_s
    print(
        json.dumps(
            {
                "took_s": took_s,
                "read_s": read_s,
                "cpu_s": time.process_time() - began_cpu_s,
                "shape": features.shape,
                "total": float(abs(features).sum(dtype="float64")),
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "versions": {"pandas": pd.__version__, "scikit-learn": sklearn.__version__},
            }
        )
    )


def _parts() -> list[str]:
    return [f"pickup.{part}" for part in PARTS]


if __name__ == "__main__":
    main()
