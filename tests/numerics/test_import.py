"""Importing numerics is quick and loads no JAX; without JAX, all that the evaluator can do works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pulse_ai.numerics import ops

WITHOUT_JAX = """
import sys
for name in ("jax", "jaxlib", "jaxtyping", "beartype"):
    sys.modules[name] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in ("jax", "jaxlib") else found(name, package)
"""


def run(text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=25, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.process
def test_importing_loads_no_jax_and_no_jaxtyping() -> None:
    text = "import sys, pulse_ai.numerics; print([n for n in ('jax', 'jaxtyping') if n in sys.modules])"
    assert run(text) == "[]"


@pytest.mark.process
def test_importing_adds_little_to_numpy() -> None:
    text = (
        "import time, numpy, msgspec\n"
        "began = time.process_time(); import pulse_ai.numerics; print(time.process_time() - began)"
    )
    assert min(float(run(WITHOUT_JAX + text)) for _ in range(3)) < 0.15


@pytest.mark.process
def test_without_jax_the_evaluator_does_all_that_it_can() -> None:
    text = """
import numpy as np
from pulse_ai import numerics as pn
assert not pn.xla_is_installed() and pn.current_compiler() == "evaluator" and pn.devices() == ()
x = np.arange(6, dtype=np.float32).reshape(2, 3)
assert pn.softmax(x).shape == (2, 3) and pn.matmul(x, x.T).shape == (2, 2)
assert float(pn.softmax_cross_entropy(x, np.array([0, 1], np.int32))) > 0
assert pn.vmap(lambda row: row.sum())(x).tolist() == [3.0, 12.0]
assert pn.keys.normal(pn.keys.key(0), (3,)).shape == (3,)
assert pn.compile(pn.softmax, (pn.template(2, 3),))(x).shape == (2, 3)
assert pn.compile(pn.softmax, (pn.template("n", 3),), buckets=pn.Buckets(n=(4,)))(x).shape == (2, 3)
with pn.strict(), pn.observing({"x": print}):
    pn.defn(lambda v: pn.hook("x", v) * 2)(np.float32(2))
grads = pn.grad(lambda v: v)
for call in (lambda: grads(np.float32(1)), lambda: pn.load(b""), lambda: pn.jit(abs, compiler="xla")):
    try:
        call()
    except pn.CompilerMissing as error:
        assert "pip install 'pulse-ai[train]'" in str(error)
    else:
        raise AssertionError("no error")
"""
    assert run(WITHOUT_JAX + text) == "2.0"


def test_every_public_name_and_operation_is_in_the_documents() -> None:
    page = (Path(__file__).parents[2] / "docs" / "numerics.md").read_text(encoding="utf-8")
    init = (Path(__file__).parents[2] / "src" / "pulse_ai" / "numerics" / "__init__.py").read_text("utf-8")
    names = re.findall(r"import (\w+) as \1", init) + [f"ops.{name}" for name in ops.OPERATIONS]
    assert [name for name in names if not re.search(rf"`{name.removeprefix('ops.')}\b", page)] == []
