"""The no-op behind naive FastAPI: no batching and no worker process, so less work than what the others do."""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.post("/predict")
async def predict(item: dict[str, Any]) -> dict[str, Any]:
    """Return the item."""
    return item


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="error")
