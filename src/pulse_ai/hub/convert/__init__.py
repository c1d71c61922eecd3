"""From safetensors to ONNX without torch: BERT, DistilBERT and RoBERTa sequence classifiers.

``weights.py`` reads the tensors, ``families.py`` says what each family calls them, ``bert.py`` draws the
graph with ``graph.py``. Start reading at ``bert.py``.
"""

from pulse_ai.hub.convert.bert import CONVERTER_VERSION as CONVERTER_VERSION
from pulse_ai.hub.convert.bert import classifier_graph as classifier_graph
from pulse_ai.hub.convert.families import FAMILIES as FAMILIES
from pulse_ai.hub.convert.families import Family as Family
from pulse_ai.hub.convert.families import Shape as Shape
from pulse_ai.hub.convert.families import family_of as family_of
from pulse_ai.hub.convert.families import shape_of as shape_of
from pulse_ai.hub.convert.graph import save_graph as save_graph
from pulse_ai.hub.convert.weights import read_weights as read_weights
