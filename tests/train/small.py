"""Small tables, plans and loops that the tests of this room share: each compiles once for all of them."""

from typing import Any

import numpy as np

from pulse_ai.train import EarlyStopping, Loop, Network, Plan, Rows, mlp, objective

LINEAR = mlp(2, 2, hidden=())
WATCHED = EarlyStopping(patience=None)


def table(count: int = 10, seed: int = 0, width: int = 2) -> Rows:
    """Return rows of two classes that a line nearly parts."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, width)).astype(np.float32)
    noise = random.normal(scale=0.5, size=count)
    return Rows(features, (features[:, 0] + noise > 0).astype(np.int32))


def plan(network: Network = LINEAR, **changes: Any) -> Plan:
    """Return a plan with batches of 4: of ten rows, the last batch has two."""
    given: dict[str, Any] = {"batch_size": 4, **changes}
    return Plan(network=network, objective=objective("multiclass"), **given)


def loop(network: Network = LINEAR, *, learning_rate: float = 0.05, seed: int = 0, **changes: Any) -> Loop:
    """Return a loop with that plan."""
    return Loop(plan=plan(network, **changes), learning_rate=learning_rate, seed=seed)


def kernel(outcome: Any) -> Any:
    """Return the first layer's weights."""
    return outcome.variables["params"]["dense_0"]["kernel"]
