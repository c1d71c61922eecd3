"""Training: networks as values, losses, metrics, and the loop that runs whole epochs as one program.

May import: core, numerics, NumPy, JAX, and Flax and Optax, whose home this is. It knows nothing of frames:
rows are arrays. ``from pulse_ai.train import mlp, fit, Rows`` is where a user begins; docs/train.md teaches
the rest.

Start reading at ``fitting.py``; then ``loop.py`` (who is told what), ``program.py`` (what is compiled), and
``layers.py`` with ``modules.py`` (what a network is).
"""

from pulse_ai.train import xla as xla  # first, since it says which library is missing

# isort: split
from pulse_ai.train.checkpoints import Checkpoints as Checkpoints
from pulse_ai.train.checkpoints import load_checkpoint as load_checkpoint
from pulse_ai.train.checkpoints import save_checkpoint as save_checkpoint
from pulse_ai.train.errors import BadNetwork as BadNetwork
from pulse_ai.train.errors import BadRows as BadRows
from pulse_ai.train.errors import CheckpointError as CheckpointError
from pulse_ai.train.errors import ExportError as ExportError
from pulse_ai.train.errors import LibrariesMissing as LibrariesMissing
from pulse_ai.train.errors import NotFinite as NotFinite
from pulse_ai.train.errors import TrainError as TrainError
from pulse_ai.train.evaluation import outputs_of as outputs_of
from pulse_ai.train.events import Event as Event
from pulse_ai.train.events import Filter as Filter
from pulse_ai.train.events import Moment as Moment
from pulse_ai.train.events import Order as Order
from pulse_ai.train.events import always as always
from pulse_ai.train.events import every as every
from pulse_ai.train.events import once as once
from pulse_ai.train.events import only as only
from pulse_ai.train.events import where as where
from pulse_ai.train.export import network_to_onnx as network_to_onnx
from pulse_ai.train.fitting import Settings as Settings
from pulse_ai.train.fitting import Trained as Trained
from pulse_ai.train.fitting import fit as fit
from pulse_ai.train.history import History as History
from pulse_ai.train.layers import ACTIVATIONS as ACTIVATIONS
from pulse_ai.train.layers import Activation as Activation
from pulse_ai.train.layers import Attention as Attention
from pulse_ai.train.layers import BatchNorm as BatchNorm
from pulse_ai.train.layers import Convolution as Convolution
from pulse_ai.train.layers import Dense as Dense
from pulse_ai.train.layers import Dropout as Dropout
from pulse_ai.train.layers import Embedding as Embedding
from pulse_ai.train.layers import Flatten as Flatten
from pulse_ai.train.layers import GlobalPool as GlobalPool
from pulse_ai.train.layers import Layer as Layer
from pulse_ai.train.layers import LayerNorm as LayerNorm
from pulse_ai.train.layers import Pool as Pool
from pulse_ai.train.layers import Positions as Positions
from pulse_ai.train.layers import Recurrent as Recurrent
from pulse_ai.train.layers import Residual as Residual
from pulse_ai.train.loop import Attachable as Attachable
from pulse_ai.train.loop import Loop as Loop
from pulse_ai.train.metrics import Calibration as Calibration
from pulse_ai.train.metrics import ClassFigures as ClassFigures
from pulse_ai.train.metrics import Report as Report
from pulse_ai.train.metrics import report as report
from pulse_ai.train.network import Network as Network
from pulse_ai.train.network import Variables as Variables
from pulse_ai.train.network import mlp as mlp
from pulse_ai.train.objectives import Objective as Objective
from pulse_ai.train.objectives import objective as objective
from pulse_ai.train.optimisers import OPTIMISERS as OPTIMISERS
from pulse_ai.train.optimisers import Optimiser as Optimiser
from pulse_ai.train.optimisers import Schedule as Schedule
from pulse_ai.train.picture import LayerLine as LayerLine
from pulse_ai.train.picture import layer_lines as layer_lines
from pulse_ai.train.picture import mermaid_of as mermaid_of
from pulse_ai.train.picture import table_of as table_of
from pulse_ai.train.place import Resume as Resume
from pulse_ai.train.population import Candidate as Candidate
from pulse_ai.train.population import fit_population as fit_population
from pulse_ai.train.program import Plan as Plan
from pulse_ai.train.rows import Rows as Rows
from pulse_ai.train.rows import balanced_weights as balanced_weights
from pulse_ai.train.rules import Best as Best
from pulse_ai.train.rules import EarlyStopping as EarlyStopping
from pulse_ai.train.rules import Plateau as Plateau
from pulse_ai.train.run import Handler as Handler
from pulse_ai.train.run import Outcome as Outcome
from pulse_ai.train.stream import ArrayBlocks as ArrayBlocks
from pulse_ai.train.stream import Stream as Stream
from pulse_ai.train.weights import flattened as flattened
from pulse_ai.train.weights import load_weights as load_weights
from pulse_ai.train.weights import save_weights as save_weights
from pulse_ai.train.weights import weights_content as weights_content
from pulse_ai.train.weights import write_atomically as write_atomically
