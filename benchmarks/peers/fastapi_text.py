"""Naive FastAPI: the model in the handler, as most people begin. No batching; nothing is turned away.

FastAPI 0.165 docs, "Concurrency and async / await": a handler that calls blocking code is a plain ``def``,
which runs in a pool of threads. "Server Workers - Uvicorn with Workers": ``--workers`` for more processes; its
supervisor replaces one that dies.
"""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.peers.workload import Classifier, Settings

app = FastAPI()


class Text(BaseModel):
    """One item."""

    q: str


if __name__ != "__main__":
    classifier = Classifier(Settings.given())


@app.post("/predict")
def predict(item: Text) -> dict[str, Any]:
    """Classify one text."""
    return classifier.predict([item.q])[0]


if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.peers.fastapi_text:app",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        workers=Settings.given().workers,
        access_log=False,
        log_level="error",
    )
