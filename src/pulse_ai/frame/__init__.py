"""Tables: files read with a report, and recipes that turn rows into numbers, the same in training and serving.

May import: ``pulse_ai.core``, and is the only home of Polars, which functions import when they need it. What
serves (a fitted recipe on rows) needs NumPy alone. ``onnx`` is imported for export.

Start reading at ``steps.py``, then ``recipe.py``; files at ``read.py``.
"""

from pulse_ai.frame.batches import Encoded as Encoded
from pulse_ai.frame.columns import Column as Column
from pulse_ai.frame.columns import Kind as Kind
from pulse_ai.frame.columns import item_schema as item_schema
from pulse_ai.frame.columns import kind_of as kind_of
from pulse_ai.frame.drift import drift as drift
from pulse_ai.frame.errors import FormulaError as FormulaError
from pulse_ai.frame.errors import FrameError as FrameError
from pulse_ai.frame.errors import ReadFailed as ReadFailed
from pulse_ai.frame.errors import RecipeError as RecipeError
from pulse_ai.frame.errors import SplitError as SplitError
from pulse_ai.frame.explore import correlations as correlations
from pulse_ai.frame.explore import describe as describe
from pulse_ai.frame.explore import frequencies as frequencies
from pulse_ai.frame.explore import null_counts as null_counts
from pulse_ai.frame.graph import IR_VERSION as IR_VERSION
from pulse_ai.frame.graph import OPSET as OPSET
from pulse_ai.frame.proposal import Proposal as Proposal
from pulse_ai.frame.proposal import propose_recipe as propose_recipe
from pulse_ai.frame.read import NULLS as NULLS
from pulse_ai.frame.read import ColumnReport as ColumnReport
from pulse_ai.frame.read import Read as Read
from pulse_ai.frame.read import ReadReport as ReadReport
from pulse_ai.frame.read import Scan as Scan
from pulse_ai.frame.read import read_csv as read_csv
from pulse_ai.frame.read import read_file as read_file
from pulse_ai.frame.read import read_ipc as read_ipc
from pulse_ai.frame.read import read_ndjson as read_ndjson
from pulse_ai.frame.read import read_parquet as read_parquet
from pulse_ai.frame.read import read_query as read_query
from pulse_ai.frame.read import scan_csv as scan_csv
from pulse_ai.frame.recipe import FittedRecipe as FittedRecipe
from pulse_ai.frame.recipe import Recipe as Recipe
from pulse_ai.frame.splits import Fold as Fold
from pulse_ai.frame.splits import folds as folds
from pulse_ai.frame.splits import split as split
from pulse_ai.frame.steps import Bins as Bins
from pulse_ai.frame.steps import DateParts as DateParts
from pulse_ai.frame.steps import Derive as Derive
from pulse_ai.frame.steps import Drop as Drop
from pulse_ai.frame.steps import HashBuckets as HashBuckets
from pulse_ai.frame.steps import Impute as Impute
from pulse_ai.frame.steps import MinMax as MinMax
from pulse_ai.frame.steps import OneHot as OneHot
from pulse_ai.frame.steps import Ordinal as Ordinal
from pulse_ai.frame.steps import Robust as Robust
from pulse_ai.frame.steps import Standardise as Standardise
from pulse_ai.frame.steps import Step as Step
from pulse_ai.frame.steps import TextLength as TextLength
