"""Toy envs in which the best choice depends on what is learned from how an episode ended.

Each has a fork, and one right way. Which way a learner takes tells whether it values what follows a
truncation, what follows a termination, and what the next episode begins with. They are registered nowhere.
"""

from __future__ import annotations

from typing import Final

import phantom_core as ph
from phantom_testing.toy_agents import Form, ToyAgent, ToyForm

FORK: Final = 0
RICH: Final = 1
EMPTY: Final = 2


class _Heir(ToyAgent):
    """Episodes begin at the fork, in the rich room (each of 5 steps pays 1), or in the empty one (0)."""

    num_states = 3
    steps_left = 5

    def first_state(self) -> int:
        self.steps_left = 5
        return self.random.choice((FORK, RICH, EMPTY))

    def choose(self, choice: int) -> None:
        if self.state == FORK:
            self.fork(choice)
            return
        self.reward = float(self.state == RICH)
        self.steps_left -= 1
        self.has_ended = self.steps_left == 0

    def fork(self, choice: int) -> None:
        """Pay 1 for choice 0; lead to the empty room, or by choice 1 to the rich one."""
        self.reward = float(choice == 0)
        self.state = RICH if choice == 1 else EMPTY


class _CutOff(_Heir):
    def fork(self, choice: int) -> None:
        super().fork(choice)
        self.is_cut_off = True


class CutOffEnv(ph.PhantomEnv):
    """At the fork, 0 pays 1 and leads to the empty room, 1 to the rich one; there the agent is cut off.

    What is cut off goes on, so 1 is right: its value is γ times that of the rich room, about 3. A
    learner that takes a truncation for an end finds nothing there and prefers 0. Agent `A1`.
    """

    right_choice = 1

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        super().__init__(10, ph.Network([_CutOff("A1", ToyForm(observes, acts))]))


class _DeadEnd(_Heir):
    def fork(self, choice: int) -> None:
        super().fork(choice)
        self.has_ended = True


class DeadEndEnv(ph.PhantomEnv):
    """At the fork, 0 pays 1 and ends in view of the empty room; 1 ends in view of the rich one.

    Nothing follows an end, so 0 is right. A learner that values what it saw last prefers 1. Agent `A1`.
    """

    right_choice = 0

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        super().__init__(10, ph.Network([_DeadEnd("A1", ToyForm(observes, acts))]))


class _Walker(ToyAgent):
    num_states = 4

    def choose(self, choice: int) -> None:
        is_quitting = self.state == 0 and choice == 0
        has_arrived = self.state == 2  # noqa: PLR2004  two steps from the start
        self.reward = 0.5 * is_quitting + 1.0 * has_arrived
        self.has_ended = is_quitting or has_arrived
        self.state = 3 if self.has_ended else self.state + 1


class LongWayEnv(ph.PhantomEnv):
    """At the start, 0 pays 0.5 and ends; 1 leads on, and pays 1 two steps later, where it ends.

    An episode is worth more on the long way, so 1 is right (for γ above 0.71). A learner that takes
    the start of the next episode for the consequence of an end earns 0.5 per step on the short way,
    0.33 on the long one, and prefers 0. Agent `A1`.
    """

    right_choice = 1

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        super().__init__(10, ph.Network([_Walker("A1", ToyForm(observes, acts))]))
