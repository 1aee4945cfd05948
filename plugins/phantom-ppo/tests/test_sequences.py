"""How trajectories are cut into sequences, and sequences dealt into minibatches."""

import numpy as np
import pytest

from phantom_ppo.sequences import Sequences, cut_into_sequences, shuffled_rows

LENGTHS = [5, 1, 3, 8, 2]
STARTS = np.cumsum([0, *LENGTHS])
FEATURES = np.arange(19.0)[:, None]
FIRST = np.array([[100.0], [200.0], [300.0], [400.0], [500.0]])


def summed(features: np.ndarray, states: np.ndarray) -> np.ndarray:
    """A memory that adds up what it saw."""
    return states + features


@pytest.mark.parametrize("length", [1, 3, 4, 8, 100])
def test_each_sequence_begins_with_what_was_remembered_there(length: int) -> None:
    sequences, after = cut_into_sequences(FEATURES, STARTS, FIRST, length, summed)
    begins = [s + cut for s, n in zip(STARTS, LENGTHS, strict=False) for cut in range(0, n, length)]
    assert np.flatnonzero(sequences.steps == 0).tolist() == begins
    for number, begin in enumerate(begins):
        trajectory = np.searchsorted(STARTS, begin, side="right") - 1
        seen_before = FEATURES[STARTS[trajectory] : begin].sum()
        assert sequences.states[number].tolist() == [FIRST[trajectory, 0] + seen_before]
    assert sequences.steps.max() < length
    assert sequences.numbers.tolist() == (np.cumsum(sequences.steps == 0) - 1).tolist()
    assert after[:, 0].tolist() == (FIRST[:, 0] + np.add.reduceat(FEATURES[:, 0], STARTS[:-1])).tolist()


def test_the_states_that_were_given_stay_as_they_are() -> None:
    first = FIRST.copy()
    first.setflags(write=False)
    sequences, after = cut_into_sequences(FEATURES, STARTS, first, 4, summed)
    sequences.states[:] = after[:] = 0.0
    assert first.tolist() == FIRST.tolist()


def test_a_shuffled_sequence_stays_whole_and_every_decision_comes_once() -> None:
    sequences, _ = cut_into_sequences(FEATURES, STARTS, FIRST, 3, summed)
    minibatches = shuffled_rows(sequences, 4, np.random.default_rng(1))
    assert len(minibatches) == 4
    assert sorted(np.concatenate(minibatches)) == list(range(19))
    for rows in minibatches:
        part = sequences[rows]
        begins = np.flatnonzero(part.steps == 0)
        for sequence in np.split(np.arange(len(rows)), begins[1:]):
            assert part.steps[sequence].tolist() == list(range(len(sequence)))
            (number,) = set(part.numbers[sequence].tolist())
            assert len(sequence) == np.count_nonzero(sequences.numbers == number)
    orders = {
        np.concatenate(shuffled_rows(sequences, 4, np.random.default_rng(n))).tobytes() for n in (1, 2, 3)
    }
    assert len(orders) == 3


def test_minibatches_of_equal_sequences_are_equal() -> None:
    numbers = np.repeat(np.arange(8), 32)
    sequences = Sequences(np.zeros((256, 1)), np.zeros((8, 1)), numbers, np.tile(np.arange(32), 8))
    parts = shuffled_rows(sequences, 4, np.random.default_rng(1))
    assert [len(part) for part in parts] == [64, 64, 64, 64]


def test_there_are_no_more_minibatches_than_sequences() -> None:
    sequences, _ = cut_into_sequences(FEATURES, STARTS, FIRST, 100, summed)
    parts = shuffled_rows(sequences, 19, np.random.default_rng(1))
    assert sorted(map(len, parts)) == [1, 2, 3, 5, 8]


def test_a_decision_that_teaches_nothing_is_left_out_with_its_sequence_if_it_was_alone() -> None:
    sequences, _ = cut_into_sequences(FEATURES, STARTS, FIRST, 3, summed)
    last = [4, 5, 18]  # of the first, second and last trajectory
    kept = sequences[np.delete(np.arange(19), last)]
    parts = shuffled_rows(kept, 16, np.random.default_rng(1))
    assert sorted(np.concatenate(parts)) == list(range(16))
    assert all(len(rows) for rows in parts)


def test_rows_without_sequences_are_dealt_one_by_one() -> None:
    parts = shuffled_rows(FEATURES, 4, np.random.default_rng(1))
    expected = np.array_split(np.random.default_rng(1).permutation(19), 4)
    assert [part.tolist() for part in parts] == [part.tolist() for part in expected]
