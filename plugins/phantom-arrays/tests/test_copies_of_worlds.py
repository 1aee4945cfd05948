"""Copy b of B is bit for bit what it would be alone, whatever it does and whatever is beside it."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_arrays as pa
import phantom_core as ph


@st.composite
def worlds(draw: st.DrawFn) -> list[Any]:
    """Draw what copies are made of: their sizes, edges and time limits differ, their settings do not."""
    number = draw(st.integers(1, 4))
    shared = {
        "turns": draw(st.booleans()),
        "visits": draw(st.booleans()),
        "leaving": draw(st.sampled_from([0.0, 0.2])),
        "joining": draw(st.sampled_from([0.0, 0.3])),
        "enough": draw(st.sampled_from([15, 1000])),
        "cut": draw(st.sampled_from([0.0, 0.02])),
    }
    is_even = draw(st.booleans())
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    sizes = [(int(rng.integers(2, 9)), int(rng.integers(1, 4))) for _ in range(number)]
    if is_even:
        sizes = [sizes[0]] * number
    found = []
    for num_traders, num_shops in sizes:
        linked = np.argwhere(rng.random((num_traders, num_shops)) < 0.7)
        friends = np.argwhere(np.triu(rng.random((num_traders, num_traders)) < 0.5, 1))
        limit = None if rng.random() < 0.3 else int(rng.integers(3, 12))
        edges = (linked[:, 0], linked[:, 1]), (friends[:, 0], friends[:, 1])
        found.append(((num_traders, num_shops), *edges, limit, shared))
    return found


def same(one: ph.StepResult, other: ph.StepResult) -> bool:
    """Return whether two results are equal bit for bit."""
    return repr(as_bits(one)) == repr(as_bits(other))


def as_bits(result: ph.StepResult) -> Any:
    seen = {agent_id: np.asarray(value).tobytes() for agent_id, value in result.observations.items()}
    paid = {agent_id: np.float64(value).tobytes() for agent_id, value in result.rewards.items()}
    return seen, paid, result.terminations, result.truncations


@settings(max_examples=10, deadline=None)
@given(worlds(), st.integers(0, 10**6), st.sampled_from([1, 10**6]))
def test_a_copy_plays_what_it_plays_alone(zoo: Any, copies: list[Any], seed: int, tile_rows: int) -> None:
    rng = np.random.default_rng(seed)
    together = pa.ArrayVectorEnv([zoo.ZooEnv(*own, **shared) for *own, shared in copies], tile_rows)
    alone = [pa.ArrayVectorEnv([zoo.ZooEnv(*own, **shared)]) for *own, shared in copies]
    number = len(copies)
    seeds = [int(rng.integers(2**40)) for _ in range(number)]
    first = together.reset(range(number), seeds)
    seed_of = list(seeds)
    waiting = []
    for b in range(number):
        assert repr(first[b]) == repr(alone[b].reset([0], [seeds[b]])[0])
        waiting.append(False)
    for _ in range(15):
        over = [b for b in range(number) if waiting[b] or rng.random() < 0.05]
        if over:
            seeds = [int(rng.integers(2**40)) for _ in over]
            for b, own, found in zip(over, seeds, together.reset(over, seeds), strict=True):
                assert repr(found) == repr(alone[b].reset([0], [own])[0])
                waiting[b], seed_of[b] = False, own
        playing = [b for b in range(number) if rng.random() < 0.8]
        if not playing:
            continue
        actions = []
        for b in playing:
            facts = together.facts(b)
            ids = facts.strategic_agent_ids if facts.acting_agent_ids is None else facts.acting_agent_ids
            actions.append({agent_id: int(rng.integers(4)) for agent_id in ids})
        results = together.step(playing, actions)
        for b, own, result in zip(playing, actions, results, strict=True):
            (expected,) = alone[b].step([0], [own])
            assert same(result, expected)
            waiting[b] = result.terminations["__all__"] or result.truncations["__all__"]
        for b in range(number):
            if rng.random() < 0.2:  # a copy that is saved and restored goes on as if nothing had been
                state = together.episode_state(b)
                together.reset([b], [1])
                together.restore_episode(b, seed_of[b], state)
            assert together.fingerprint(b) == alone[b].fingerprint(0)
            mine, theirs = together.facts(b), alone[b].facts(0)
            assert mine.strategic_agent_ids == theirs.strategic_agent_ids
            assert mine.acting_agent_ids == theirs.acting_agent_ids
