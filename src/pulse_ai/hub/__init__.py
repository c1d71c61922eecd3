"""Pretrained and fitted models as tasks: find, download, verify, convert, quantise, run.

May import: ``pulse_ai.core``, and is the only home of onnxruntime, onnx, tokenizers, safetensors,
huggingface_hub, scikit-learn and skops. They are imported inside ``load``, so importing this room costs next
to nothing.

Start reading at ``text_classification.py``, then ``model_files.py`` and ``convert/``; or at
``estimators/estimator.py``.
"""

from pulse_ai.hub.answers import Prediction as Prediction
from pulse_ai.hub.answers import Predictions as Predictions
from pulse_ai.hub.answers import Text as Text
from pulse_ai.hub.estimators import Converted as Converted
from pulse_ai.hub.estimators import Estimate as Estimate
from pulse_ai.hub.estimators import Estimator as Estimator
from pulse_ai.hub.estimators import OutputScores as OutputScores
from pulse_ai.hub.estimators import Row as Row
from pulse_ai.hub.estimators import ScoredLabel as ScoredLabel
from pulse_ai.hub.estimators import sklearn_to_onnx as sklearn_to_onnx
from pulse_ai.hub.grouping import Group as Group
from pulse_ai.hub.grouping import plan_groups as plan_groups
from pulse_ai.hub.settings import Precision as Precision
from pulse_ai.hub.settings import ScoresFunction as ScoresFunction
from pulse_ai.hub.synthetic import make_random_checkpoint as make_random_checkpoint
from pulse_ai.hub.tabular import ClassScores as ClassScores
from pulse_ai.hub.tabular import TabularClassifier as TabularClassifier
from pulse_ai.hub.tabular import TabularRegressor as TabularRegressor
from pulse_ai.hub.tabular import Value as Value
from pulse_ai.hub.tabular_folder import STAGING as STAGING
from pulse_ai.hub.tabular_folder import ModelFacts as ModelFacts
from pulse_ai.hub.tabular_folder import ModelFolder as ModelFolder
from pulse_ai.hub.tabular_folder import TabularKind as TabularKind
from pulse_ai.hub.tabular_folder import read_model_folder as read_model_folder
from pulse_ai.hub.tabular_folder import write_model_folder as write_model_folder
from pulse_ai.hub.text_classification import TextClassification as TextClassification
