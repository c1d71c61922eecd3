"""A run that is interrupted and resumed ends as one that was not, bit for bit; files are whole or not there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from tests.train.small import LINEAR, WATCHED, kernel, loop, table

from pulse_ai.train import (
    BatchNorm,
    CheckpointError,
    Checkpoints,
    Dense,
    Dropout,
    EarlyStopping,
    Event,
    Loop,
    Network,
    Order,
    Plateau,
    Rows,
    load_checkpoint,
    load_weights,
    mlp,
    only,
    save_checkpoint,
    save_weights,
)
from pulse_ai.train.weights import read_tree, write_atomically

ROWS, CHECK = table(), table(6, 1)
EVERYTHING = Network((Dense(3, "relu"), BatchNorm(), Dropout(0.3), Dense(2)), input_shape=(2,))


def _everything() -> Loop:
    """Return a loop with all that a state can hold: dropout, running means, rules, accumulated gradients."""
    rules = (EarlyStopping(patience=30), Plateau(patience=1, least=0.01))
    return loop(EVERYTHING, rules=rules, accumulate=2)


@pytest.mark.parametrize("step", [3, 4, 7, 8], ids=lambda step: f"step {step}")
def test_resuming_gives_the_weights_of_a_run_that_was_not_interrupted(tmp_path: Path, step: int) -> None:
    whole = _everything().run(ROWS, CHECK, epochs=5)
    first = _everything()

    def stop(moment: Any) -> Order:
        save_checkpoint(tmp_path / "place.safetensors", first.plan, moment.place)
        return Order.HALT

    first.on(Event.STEP_COMPLETED, stop, only(step))  # in the middle of an epoch, and at its end
    first.run(ROWS, CHECK, epochs=5)
    second = _everything()
    resumed = second.run(
        ROWS, CHECK, epochs=5, resume=load_checkpoint(tmp_path / "place.safetensors", second)
    )
    assert resumed.end.state.parameters.tobytes() == whole.end.state.parameters.tobytes()
    assert kernel(resumed).tobytes() == kernel(whole).tobytes()
    assert resumed.history.rows == whole.history.rows
    assert resumed.best_epoch == whole.best_epoch


def test_the_best_and_the_last_are_kept(tmp_path: Path) -> None:
    one = loop(rules=(WATCHED,), learning_rate=2.0)
    Checkpoints(folder=tmp_path, event=Event.EPOCH_COMPLETED).attach(one)
    outcome = one.run(ROWS, table(30, 7), epochs=12)
    assert outcome.best_epoch != 11
    network, best = load_weights(tmp_path / "best.safetensors")
    assert network == LINEAR
    assert best["params"]["dense_0"]["kernel"].tobytes() == kernel(outcome).tobytes()
    last = load_checkpoint(tmp_path / "last.safetensors", one)
    assert last.state.parameters.tobytes() == np.asarray(outcome.end.state.parameters).tobytes()
    assert last.history.rows == outcome.history.rows
    assert sorted(file.name for file in tmp_path.iterdir()) == ["best.safetensors", "last.safetensors"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.safetensors"
    write_atomically(path, b"old")

    def fail(_self: Path, _target: Path) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_weights_come_back_bit_for_bit_and_only_for_their_network(tmp_path: Path) -> None:
    path, variables = tmp_path / "weights.safetensors", LINEAR.init(3)
    save_weights(path, LINEAR, variables)
    network, found = load_weights(path, LINEAR)
    assert network == LINEAR
    assert (
        found["params"]["dense_0"]["kernel"].tobytes() == variables["params"]["dense_0"]["kernel"].tobytes()
    )
    with pytest.raises(CheckpointError, match="another network"):
        load_weights(path, mlp(2, 3, hidden=()))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(path, loop())


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "place.safetensors"
    one = loop()
    save_checkpoint(path, one.plan, one.beginning())
    with pytest.raises(CheckpointError, match="another plan"):
        load_checkpoint(path, loop(batch_size=5))
    with pytest.raises(CheckpointError, match="no weights"):
        load_weights(path)


def test_a_figure_that_is_not_finite_comes_back(tmp_path: Path) -> None:
    far = Rows(
        np.full((6, 2), 3e38, np.float32), np.array([0, 1] * 3)
    )  # its loss overflows; no parameter does
    one = loop()
    outcome = one.run(ROWS, far, epochs=2)
    losses = outcome.history["validation_loss"]
    assert not np.isfinite(losses).all()
    save_checkpoint(tmp_path / "place.safetensors", one.plan, outcome.end)
    found = load_checkpoint(tmp_path / "place.safetensors", one)
    np.testing.assert_array_equal(found.history["validation_loss"], losses)
    assert one.run(ROWS, far, epochs=3, resume=found).history["epoch"] == [0, 1, 2]


@pytest.mark.parametrize(
    "change",
    [{"plan": None}, {"history": None}, {"history": "["}, {"history": "{}"}, {"history": '[{"a": "b"}]'}],
)
def test_a_checkpoint_that_lacks_something_is_a_clear_error(
    tmp_path: Path, change: dict[str, str | None]
) -> None:
    path, one = tmp_path / "place.safetensors", loop()
    save_checkpoint(path, one.plan, one.beginning())
    arrays, metadata = read_tree(path)
    changed = {name: text for name, text in (metadata | change).items() if text is not None}
    path.write_bytes(save(arrays, changed))
    with pytest.raises(CheckpointError, match=r"place\.safetensors is (damaged|of another plan)"):
        load_checkpoint(path, one)


@pytest.mark.parametrize("network", [None, "", "{}", "[" * 10_000])
def test_weights_without_their_network_are_a_clear_error(tmp_path: Path, network: str | None) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, LINEAR, LINEAR.init(0))
    arrays, metadata = read_tree(path)
    changed = {name: text for name, text in (metadata | {"network": network}).items() if text is not None}
    path.write_bytes(save(arrays, changed))
    with pytest.raises(CheckpointError, match=r"weights\.safetensors is damaged"):
        load_weights(path)


_EIGHT_BITS = b'{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'  # NumPy has no such numbers


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\0" * 7, b"\xff" * 64, b"\x10" + b"\0" * 7 + b'{"a": 1}', None),
        len(_EIGHT_BITS).to_bytes(8, "little") + _EIGHT_BITS + b"\0",
    ],
)
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "damaged.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(path)


def test_a_truncated_file_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, LINEAR, LINEAR.init(0))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_weights(path)
