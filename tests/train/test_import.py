"""Without the training extra, the import says what to install."""

import subprocess
import sys

import pytest

_CODE = """
import sys
sys.modules[sys.argv[1]] = None
from pulse_ai.core import PulseError
try:
    import pulse_ai.train
except PulseError as error:
    print(isinstance(error, ImportError), error)
"""


@pytest.mark.process
def test_an_import_without_a_library_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE, "optax"], capture_output=True, text=True, check=True)
    wanted = "True training needs optax, which is not installed: pip install 'pulse-ai[train]'"
    assert done.stdout.strip() == wanted
