"""What can go wrong in numerics, in our words; each error names the line or the numbers and what to do.

::

    PulseError
    └── NumericsError
        ├── PurityError         a function did what compiled code cannot do; names the file and line
        ├── BadArgument         an argument is not an array, or a static option cannot be a key
        ├── StrictPromotion     two arrays' dtypes or ranks differ where strict() is on
        ├── CompilerMissing     the work needs XLA, and says what to install or to choose
        ├── TemplateMismatch    arrays of other shapes or dtypes than an executable was compiled for
        └── SavedFunctionError  bytes that hold no function that can run here

    UserWarning
    └── NumericsWarning
        ├── PurityWarning       legal, but not what it seems once the function is compiled
        └── RecompileWarning    the same function is compiled again and again
"""

__all__ = (
    "BadArgument",
    "CompilerMissing",
    "NumericsError",
    "NumericsWarning",
    "PurityError",
    "PurityWarning",
    "RecompileWarning",
    "SavedFunctionError",
    "StrictPromotion",
    "TemplateMismatch",
)

from pulse_ai.core import PulseError


class NumericsError(PulseError):
    """The root of what numerics raises."""


class PurityError(NumericsError):
    """The function did what compiled code cannot do; nothing was compiled and no argument was changed."""


class BadArgument(NumericsError, TypeError):
    """An argument is not an array or a tree of arrays, or a static option cannot be hashed."""


class StrictPromotion(NumericsError, TypeError):
    """Two arrays of different dtypes or ranks met while ``strict()`` was on; convert or reshape one."""


class CompilerMissing(NumericsError):
    """The work needs XLA and none can be used here; the text says what to install or to choose."""


class TemplateMismatch(NumericsError, ValueError):
    """The arrays are not those that the executable was compiled for; nothing ran."""


class SavedFunctionError(NumericsError, ValueError):
    """The bytes hold no function that can be loaded here; nothing was run."""


class NumericsWarning(UserWarning):
    """The root of what numerics warns of."""


class PurityWarning(NumericsWarning):
    """Legal, but not what it seems once the function is compiled."""


class RecompileWarning(NumericsWarning):
    """One function is compiled again and again; the text names the argument which keeps changing."""
