"""Fill the model card with measured figures: ``python -m models.sentiment.card``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from string import Template

from .export import SHIPPED

__all__ = ("main",)

HERE = Path(__file__).parent
MARKS = {
    "dev": "dev_accuracy",
    "typed": "dev_accuracy_as_typed",
    "smoke": "smoke_accuracy",
    "ece": "dev_calibration_error",
    "out_mean": "outlier_mean",
    "out_max": "outlier_max",
    "out_share": "outlier_share_sure",
    "empty": "empty",
}


def main() -> None:
    """Read the figures and write the card beside the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--results", type=Path, default=HERE / "results", help="folder of the figures, as JSON files"
    )
    parser.add_argument("--lists", type=Path, default=Path("tests/hub/data"))
    parser.add_argument("--model", type=Path, default=SHIPPED)
    options = parser.parse_args()
    int8, exact, training = (
        json.loads((options.results / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("int8", "float", "training")
    )
    config = json.loads((options.model / "config.json").read_text(encoding="utf-8"))
    shipped = [path for path in options.model.rglob("*") if path.is_file() and path.name != "README.md"]
    marks: dict[str, str] = {name: f"{int8[key]:.3f}" for name, key in MARKS.items()}
    marks |= {f"float_{name}": f"{exact[key]:.3f}" for name, key in MARKS.items()}
    marks |= {
        "size_mb": f"{sum(path.stat().st_size for path in shipped) / 1e6:.1f}",
        "batch_effect": f"{max(1e-4, int8['batch_effect_max']):.4f}",
        "outlier_count": str(len((options.lists / "outliers.txt").read_text(encoding="utf-8").splitlines())),
        "everyday": str(len((HERE / "lists" / "everyday.tsv").read_text(encoding="utf-8").splitlines())),
        "sentences": "6,420",
        "held_out": str(training["plan"]["held_out"]),
        "temperature": str(config["calibration"]["temperature"]),
        "stop_after": str(training["plan"]["stop_after"]),
        "epochs": str(training["plan"]["epochs"]),
        "minutes": f"{training['history'][-1]['minutes']:.0f}",
        "dev_use": (HERE / "results" / "dev-use.txt").read_text(encoding="utf-8").strip(),
    }
    template = Template((HERE / "card.md").read_text(encoding="utf-8"))
    (options.model / "README.md").write_text(template.substitute(marks), encoding="utf-8")
    config["pulse"] = {  # shown by the service, as facts of the model
        "accuracy": {"sst2_dev_int8": int8["dev_accuracy"], "sst2_dev_fp32": exact["dev_accuracy"]},
        "data": "SST-2",
        "license": "Apache-2.0 (base weights); see the model card for the data",
    }
    (options.model / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
