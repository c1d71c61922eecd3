"""Naive FastAPI with transformers on torch in fp32: the pipeline in the handler, as the model's card shows it.

Set up as ``fastapi_text.py`` is, whose docs it follows. transformers 5 docs, "Pipelines for inference": a
pipeline for ``text-classification`` on a checkpoint's folder; "Pipelines in servers" leaves batching to you.
"""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.peers.workload import Settings, announce

app = FastAPI()


class Text(BaseModel):
    """One item."""

    q: str


def make_pipeline(settings: Settings) -> Any:
    """Return the pipeline, warm."""
    import torch
    from transformers import PreTrainedTokenizerFast, pipeline

    torch.set_num_threads(settings.threads)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=settings.tokenizer,
        pad_token="[PAD]",  # noqa: S106 - a token of text
        unk_token="[UNK]",  # noqa: S106 - the same
        model_max_length=settings.max_tokens,
        model_input_names=["input_ids", "attention_mask"],
    )
    made = pipeline(
        "text-classification",
        model=settings.checkpoint,
        tokenizer=tokenizer,
        dtype=torch.float32,
        device="cpu",
    )
    made("a sentence to warm up with")
    announce(settings)
    return made


if __name__ != "__main__":
    classify = make_pipeline(Settings.given())


@app.post("/predict")
def predict(item: Text) -> dict[str, Any]:
    """Classify one text."""
    return classify(item.q)[0]


if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.peers.torch_text:app",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        workers=Settings.given().workers,
        access_log=False,
        log_level="error",
    )
