"""Pretrained models as tasks: find, download, verify, convert, quantise, run. First: text classification.

May import: ``pulse_ai.core``, and is the only home of onnxruntime, onnx, tokenizers, safetensors and
huggingface_hub. They are imported inside ``load``, so importing this room costs next to nothing.

Start reading at ``text_classification.py``, then ``model_files.py`` and ``convert/``.
"""

from pulse_ai.hub.answers import Prediction as Prediction
from pulse_ai.hub.answers import Predictions as Predictions
from pulse_ai.hub.answers import Text as Text
from pulse_ai.hub.grouping import Group as Group
from pulse_ai.hub.grouping import plan_groups as plan_groups
from pulse_ai.hub.settings import Precision as Precision
from pulse_ai.hub.settings import ScoresFunction as ScoresFunction
from pulse_ai.hub.synthetic import make_random_checkpoint as make_random_checkpoint
from pulse_ai.hub.text_classification import TextClassification as TextClassification
