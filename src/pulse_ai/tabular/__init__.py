"""From a table to a folder that serves: what ``pulse train`` does, in a few lines of Python.

Stands above train, frame, hub and bench, and may import all of them; the serving install has none of it.

    frame, _ = read_csv("penguins.csv")
    train_table(frame, "species").save("model/")

Start reading at ``training.py``; what is predicted is decided in ``problem.py``, from which columns and how in
``planning.py``.
"""

from pulse_ai.tabular.baselines import Baseline as Baseline
from pulse_ai.tabular.baselines import Comparison as Comparison
from pulse_ai.tabular.card import figures_of as figures_of
from pulse_ai.tabular.errors import TableError as TableError
from pulse_ai.tabular.folder import TUNING_LOG as TUNING_LOG
from pulse_ai.tabular.folder import require_free as require_free
from pulse_ai.tabular.genes import Evaluated as Evaluated
from pulse_ai.tabular.genes import Genes as Genes
from pulse_ai.tabular.planning import ColumnNote as ColumnNote
from pulse_ai.tabular.planning import TablePlan as TablePlan
from pulse_ai.tabular.planning import plan_recipe as plan_recipe
from pulse_ai.tabular.problem import Problem as Problem
from pulse_ai.tabular.problem import TaskKind as TaskKind
from pulse_ai.tabular.problem import infer_problem as infer_problem
from pulse_ai.tabular.settings import TableSettings as TableSettings
from pulse_ai.tabular.training import OnEpochs as OnEpochs
from pulse_ai.tabular.training import Prepared as Prepared
from pulse_ai.tabular.training import TrainedTable as TrainedTable
from pulse_ai.tabular.training import prepare as prepare
from pulse_ai.tabular.training import train_table as train_table
from pulse_ai.tabular.tuning import OnCandidates as OnCandidates
from pulse_ai.tabular.tuning import Tuning as Tuning
from pulse_ai.tabular.tuning import tune as tune
