"""Classical models as tasks: scikit-learn estimators from skops, ONNX or (trusted) pickle files.

May import: ``pulse_ai.core``, and is the only home of scikit-learn, skops, joblib, skl2onnx and narwhals,
which are imported inside functions. The extra ``sklearn`` installs them; an ONNX file needs none of them.

Start reading at ``estimator.py``, then ``columns.py`` and ``sklearn_model.py``.
"""

from pulse_ai.hub.estimators.estimator import Estimator as Estimator
from pulse_ai.hub.estimators.rows import Estimate as Estimate
from pulse_ai.hub.estimators.rows import OutputScores as OutputScores
from pulse_ai.hub.estimators.rows import Row as Row
from pulse_ai.hub.estimators.rows import ScoredLabel as ScoredLabel
from pulse_ai.hub.estimators.to_onnx import Converted as Converted
from pulse_ai.hub.estimators.to_onnx import sklearn_to_onnx as sklearn_to_onnx
