"""Tables: files read with a report, and recipes that turn rows into numbers, the same in training and serving.

May import: ``pulse_ai.core``, and is the only home of Polars, which functions import when they need it. What
serves (a fitted recipe on rows) needs NumPy alone. ``onnx`` is imported for export.

Start reading at ``steps.py``, then ``recipe.py``; files at ``read.py``.
"""

from pulse_ai.frame.batches import Encoded as Encoded
from pulse_ai.frame.columns import Column as Column
from pulse_ai.frame.columns import Kind as Kind
from pulse_ai.frame.columns import item_schema as item_schema
from pulse_ai.frame.errors import FormulaError as FormulaError
from pulse_ai.frame.errors import FrameError as FrameError
from pulse_ai.frame.errors import ReadFailed as ReadFailed
from pulse_ai.frame.errors import RecipeError as RecipeError
from pulse_ai.frame.graph import IR_VERSION as IR_VERSION
from pulse_ai.frame.graph import OPSET as OPSET
from pulse_ai.frame.recipe import FittedRecipe as FittedRecipe
from pulse_ai.frame.recipe import Recipe as Recipe
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
