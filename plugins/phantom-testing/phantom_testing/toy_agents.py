"""What the toy envs are made of: agents that see a state by its number, and choose by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import gymnasium as gym
import numpy as np

import phantom_core as ph

Form: TypeAlias = Literal["discrete", "box"]


@dataclass(frozen=True, slots=True)
class ToyForm:
    """In which spaces an agent sees states and makes choices.

    | | a state, of S | a choice, of C |
    |---|---|---|
    | `"discrete"` | `Discrete(S)`: its number | `Discrete(C)`: its number |
    | `"box"` | `Box(0, 1, (S,))`: 1 at its number | `Box(-1, 1, (1,))`: C stretches of equal length |

    In a Box an action that is nearly right is paid nearly as much: see `rightness`.

    Attributes:
        observes: how states are seen.
        acts: how choices are made.
    """

    observes: Form = "discrete"
    acts: Form = "discrete"

    def observation_space(self, num_states: int) -> gym.Space[Any]:
        """Return the space of so many states."""
        if self.observes == "discrete":
            return gym.spaces.Discrete(num_states)
        return gym.spaces.Box(0.0, 1.0, (num_states,), np.float32)

    def action_space(self, num_choices: int) -> gym.Space[Any]:
        """Return the space of so many choices."""
        if self.acts == "discrete":
            return gym.spaces.Discrete(num_choices)
        return gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def observation(self, state: int, num_states: int) -> ph.Observation:
        """Return how a state is seen."""
        return state if self.observes == "discrete" else np.eye(num_states, dtype=np.float32)[state]

    def choice(self, action: ph.Action, num_choices: int) -> int:
        """Return the choice that an action makes.

        >>> ToyForm(acts="box").choice(np.array([0.2], np.float32), 2)
        1
        """
        if self.acts == "discrete":
            return int(action)
        share = (float(np.asarray(action).reshape(-1)[0]) + 1.0) / 2.0
        return min(num_choices - 1, max(0, int(share * num_choices)))

    def allows(self, action: ph.Action, num_choices: int) -> bool:
        """Tell whether an action is in the space, whatever its number type."""
        values = np.asarray(action, dtype=np.float64).reshape(-1)
        if self.acts == "discrete":
            return values.size == 1 and float(values[0]) in range(num_choices)
        return values.size == 1 and bool(abs(values[0]) <= 1.0)

    def rightness(self, action: ph.Action, right_choice: int, num_choices: int) -> float:
        """Return how right an action is: 1.0 or 0.0; in a Box 1 minus its distance from the middle.

        So there is a slope that leads to the right choice from everywhere, also for a policy that does not
        draw.

        >>> ToyForm().rightness(1, 1, 2)
        1.0
        >>> round(ToyForm(acts="box").rightness(np.array([-0.5], np.float32), 1, 2), 3)
        0.0
        """
        if self.acts == "discrete":
            return float(int(action) == right_choice)
        middle = (2.0 * right_choice + 1.0) / num_choices - 1.0
        return 1.0 - abs(float(np.asarray(action).reshape(-1)[0]) - middle)


class ToyAgent(ph.StrategicAgent):
    """Sees the number of a state, chooses a number, earns `reward`, and ends when it says so.

    Attributes:
        num_states: how many states there are.
        num_choices: how many choices.
        state: the state it sees now.
        action: what it did last, as it was given.
        reward: what it earns in this step.
        has_ended: whether it ends now by the rules of the world.
        is_cut_off: whether it is cut off now.
    """

    num_states = 1
    num_choices = 2

    def __init__(self, agent_id: ph.AgentID, form: ToyForm) -> None:
        super().__init__(agent_id)
        self.form = form
        self.observation_space = form.observation_space(self.num_states)
        self.action_space = form.action_space(self.num_choices)
        self.state = 0
        self.action: ph.Action = None
        self.reward = 0.0
        self.has_ended = False
        self.is_cut_off = False

    def first_state(self) -> int:
        """Return the state of the start."""
        return 0

    def choose(self, choice: int) -> None:
        """Take a choice: set `state` and `reward`."""
        raise NotImplementedError

    def rightness(self, right_choice: int) -> float:
        """Return how right the last action was: see `ToyForm.rightness`."""
        return self.form.rightness(self.action, right_choice, self.num_choices)

    def reset(self) -> None:
        """Begin in the first state."""
        self.state, self.reward = self.first_state(), 0.0
        self.has_ended = self.is_cut_off = False

    def decode_action(self, ctx: ph.Context, action: ph.Action) -> None:
        """Take the choice that the action makes.

        Raises:
            ValueError: if it is outside of the space.
        """
        if not self.form.allows(action, self.num_choices):
            raise ValueError(f"{self.id!r} was to do {action!r}, which is not in {self.action_space}")
        self.action = action
        self.choose(self.form.choice(action, self.num_choices))

    def encode_observation(self, ctx: ph.Context) -> ph.Observation:
        """Show the state."""
        return self.form.observation(self.state, self.num_states)

    def compute_reward(self, ctx: ph.Context) -> float:
        """Return what was earned."""
        return self.reward

    def is_terminated(self, ctx: ph.Context) -> bool:
        """Tell whether it ended."""
        return self.has_ended

    def is_truncated(self, ctx: ph.Context) -> bool:
        """Tell whether it was cut off."""
        return self.is_cut_off
