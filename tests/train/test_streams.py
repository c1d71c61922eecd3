"""Rows that come in blocks: each once, in an order that repeats, read ahead and ended in time."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.train.small import WATCHED, kernel, loop, table

from pulse_ai.train import ArrayBlocks, BadRows, Event, NotFinite, Optimiser, Order, Rows, once
from pulse_ai.train.stream import read_ahead


def _blocks(rows: Rows, *, block_rows: int = 8, seed: int = 0) -> ArrayBlocks:
    return ArrayBlocks(features=rows.features, targets=rows.targets, block_rows=block_rows, seed=seed)


def test_an_epoch_has_each_row_once_in_an_order_that_repeats() -> None:
    source = ArrayBlocks(features=np.arange(21.0)[:, None], targets=np.arange(21), block_rows=4)
    first, same, other = (
        np.concatenate([block.targets for block in source.blocks(epoch, 0)]).tolist() for epoch in (0, 0, 1)
    )
    assert sorted(first) == list(range(21))
    assert first == same
    assert first != other
    later = np.concatenate([block.targets for block in source.blocks(0, 2)]).tolist()
    assert later == first[8:]


def test_a_stream_of_one_block_learns_what_plain_batches_of_it_teach() -> None:
    rows = table(10)
    (block,) = _blocks(rows, block_rows=12).blocks(0, 0)
    outcome = loop(optimiser=Optimiser("sgd")).run(_blocks(rows, block_rows=12), epochs=1)
    vector = np.asarray(loop().beginning().state.parameters, np.float64)
    for first in range(0, 10, 4):
        x, y = block.features[first : first + 4], block.targets[first : first + 4]
        powers = np.exp(x @ vector[2:].reshape(2, 2) + vector[:2])
        error = (powers / powers.sum(1, keepdims=True) - np.eye(2)[y]) / len(x)
        vector -= 0.05 * np.concatenate([error.sum(0), (x.T @ error).ravel()])
    np.testing.assert_allclose(kernel(outcome), vector[2:].reshape(2, 2), rtol=1e-4, atol=1e-5)


def test_a_run_that_is_resumed_between_two_blocks_ends_with_the_same_weights() -> None:
    rows, check = table(27), table(6, 1)
    whole = loop(rules=(WATCHED,)).run(_blocks(rows), check, epochs=3)
    first = loop(rules=(WATCHED,))
    first.on(Event.STEP_COMPLETED, lambda _moment: Order.HALT, once_at(9))
    place = first.run(_blocks(rows), check, epochs=3).end
    assert (int(place.state.epoch), int(place.state.step)) == (1, 2)
    resumed = loop(rules=(WATCHED,)).run(_blocks(rows), check, epochs=3, resume=place)
    assert kernel(resumed).tobytes() == kernel(whole).tobytes()
    assert resumed.history.rows == whole.history.rows


@pytest.mark.parametrize("kept", range(1, 5))
def test_a_run_that_is_resumed_where_a_block_ends_ends_with_the_same_weights(kept: int) -> None:
    rows, check = table(27), table(6, 1)
    places: list[Any] = []
    first = loop(rules=(WATCHED,))
    first.on(
        Event.STEP_COMPLETED, lambda moment: places.append(moment.place)
    )  # four blocks, the last of one step
    whole = first.run(_blocks(rows), check, epochs=2)
    resumed = loop(rules=(WATCHED,)).run(_blocks(rows), check, epochs=2, resume=places[kept - 1])
    assert kernel(resumed).tobytes() == kernel(whole).tobytes()
    assert resumed.history.rows == whole.history.rows


def once_at(steps: int) -> Any:
    """Return a filter for the first event after so many steps, over all epochs of 7 steps."""
    from pulse_ai.train import where

    return where(lambda moment: moment.epoch * 7 + moment.step >= steps)


def test_a_loss_that_is_not_finite_says_in_which_step() -> None:
    class Spoilt:
        block_rows = 8

        def blocks(self, epoch: int, start: int) -> Iterator[Rows]:
            del epoch, start
            good = table(8)
            yield good
            yield Rows(np.concatenate([good.features[:4], np.full((4, 2), 3e38, np.float32)]), good.targets)

    with pytest.raises(NotFinite, match="loss is not finite in epoch 0, step 3"):
        loop(optimiser=Optimiser("sgd")).run(Spoilt(), epochs=1)


def test_blocks_that_hold_no_whole_batches_and_streams_without_rows_are_errors() -> None:
    with pytest.raises(BadRows, match="whole batches"):
        loop().run(_blocks(table(), block_rows=6), epochs=1)

    class Empty:
        block_rows = 8

        def blocks(self, epoch: int, start: int) -> Iterator[Rows]:
            del epoch, start
            return iter(())

    with pytest.raises(BadRows, match="no rows in epoch 0"):
        loop().run(Empty(), epochs=1)


def test_at_most_one_block_waits_and_leaving_early_ends_the_thread() -> None:
    made: list[int] = []

    def blocks() -> Iterator[Rows]:
        for number in range(1000):
            made.append(number)
            yield table(1)

    with read_ahead(blocks()) as ahead:
        next(ahead)
    assert len(made) <= 5
    assert not any(thread.name == "pulse-read-ahead" for thread in threading.enumerate())


def test_what_the_reading_raises_comes_where_the_block_would_have_come() -> None:
    def blocks() -> Iterator[Rows]:
        yield table(1)
        raise OSError("the disk is gone")

    with read_ahead(blocks()) as ahead, pytest.raises(OSError, match="the disk is gone"):
        list(ahead)


def test_a_filter_works_on_a_streams_epochs() -> None:
    heard: list[int] = []
    one = loop()
    one.on(Event.EPOCH_COMPLETED, lambda moment: heard.append(moment.epoch), once())
    one.run(_blocks(table(9)), epochs=3)
    assert heard == [1]
