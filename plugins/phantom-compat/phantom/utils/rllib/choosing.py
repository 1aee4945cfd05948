"""What a policy of a run chooses for several observations at once."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph
from phantom.types import AgentID


class Chooser:
    """What one agent's choices in one rollout depend on besides its observations.

    Attributes:
        stream: the draws of a policy that explores.
        memory: of a recurrent policy, as a batch of one; None: it decided nothing yet.
    """

    def __init__(self, seed: int, policy_id: Any, agent_id: AgentID) -> None:
        rng = ph.seeding.make_rng(seed, "actions", policy_id, agent_id)
        self.stream = ph.seeding.UniformStream(rng)
        self.memory: Any = None


def choose(
    policy: ph.BasePolicy, observations: Sequence[Any], choosers: Sequence[Chooser], *, explore: bool
) -> list[Any]:
    """Return a policy's action for each observation; a policy without memory is asked once.

    Args:
        policy: the policy.
        observations: as envs return them.
        choosers: whose observation each of them is.
        explore: whether actions are sampled as in training; those of a policy that acts randomly always are.
    """
    explores = explore or policy.acts_randomly
    if isinstance(policy, ph.RecurrentPolicy):
        pairs = zip(observations, choosers, strict=True)
        chosen = [action for pair in pairs for action in _remembered(policy, *pair, explores=explores)]
    elif isinstance(policy, ph.Policy):
        batch = batched(policy.observation_space, observations)
        if explores:
            streams = ph.RowStreams([chooser.stream for chooser in choosers])
            chosen = list(policy.env_actions(policy.sample_actions(batch, streams)[0]))
        else:
            chosen = list(policy.compute_actions(batch))
    else:
        raise TypeError(f"{policy!r} is no policy. Expected a Policy or a RecurrentPolicy.")
    if len(chosen) != len(observations):
        raise ValueError(
            f"{type(policy).__name__} returned {len(chosen)} actions for {len(observations)} observations. "
            "Return one for each."
        )
    is_discrete = isinstance(policy.action_space, gym.spaces.Discrete)
    return [int(action) for action in chosen] if is_discrete else chosen


def batched(space: gym.Space[Any], observations: Sequence[Any]) -> Any:
    """Return observations of a space as policies take them: see `phantom_core.Policy.compute_actions`."""
    if isinstance(space, gym.spaces.Discrete):
        return [int(observation) for observation in observations]
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
        return np.stack([np.asarray(observation, dtype=space.dtype) for observation in observations])
    if isinstance(space, gym.spaces.Dict):
        return {name: batched(one, [o[name] for o in observations]) for name, one in space.spaces.items()}
    if isinstance(space, gym.spaces.Tuple):
        parts = enumerate(space.spaces)
        return tuple(batched(one, [observation[n] for observation in observations]) for n, one in parts)
    return list(observations)


def _remembered(
    policy: ph.RecurrentPolicy, observation: Any, chooser: Chooser, *, explores: bool
) -> Sequence[Any]:
    if chooser.memory is None:
        chooser.memory = _batch_of_one(policy.initial_state())
    batch = batched(policy.observation_space, [observation])
    if explores:
        streams = ph.RowStreams([chooser.stream])
        actions, _, chooser.memory = policy.sample_actions(batch, streams, chooser.memory)
        return policy.env_actions(actions)
    actions, chooser.memory = policy.compute_actions(batch, chooser.memory)
    return actions


def _batch_of_one(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _batch_of_one(part) for name, part in state.items()}
    return tuple(map(_batch_of_one, state)) if isinstance(state, tuple) else np.asarray(state)[None]
