"""One small training for all tests that look at its result."""

import pytest
from tests.tabular.tables import flowers

from pulse_ai.tabular import TableSettings, TrainedTable, train_table


@pytest.fixture(scope="session")
def trained() -> TrainedTable:
    return train_table(
        flowers(200), "kind", TableSettings(hidden=(16,), epochs=40, learning_rate=0.01, seed=3)
    )


@pytest.fixture(scope="session")
def valued() -> TrainedTable:
    frame = flowers(200).drop("kind")
    return train_table(frame.fill_null(5.0), "petal", TableSettings(hidden=(), epochs=4))
