"""Toy envs with known answers: identity, coin, dilemma, delayed reward, turns, agents that die.

Each takes `observes` and `acts`, `"discrete"` or `"box"`: see `ToyForm`. They are registered nowhere.
"""

from __future__ import annotations

import phantom_core as ph
from phantom_testing.toy_agents import Form, ToyAgent, ToyForm


class _Repeater(ToyAgent):
    num_states = num_choices = 3

    def first_state(self) -> int:
        return self.random.randrange(self.num_states)

    def choose(self, choice: int) -> None:
        self.reward = float(choice == self.state)
        self.state = self.first_state()


class IdentityEnv(ph.PhantomEnv):
    """Repeat the number that you see: 1 for each that is right.

    Agents `A1`, `A2`, … play 5 steps side by side. Best return 5, random 5/3.
    """

    def __init__(self, num_agents: int = 1, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        form = ToyForm(observes, acts)
        super().__init__(
            5, ph.Network([_Repeater(f"A{number}", form) for number in range(1, num_agents + 1)])
        )


class _Gambler(ToyAgent):
    heads = 0.8

    def choose(self, choice: int) -> None:
        self.reward = float(choice == int(self.random.random() < self.heads))


class CoinEnv(ph.PhantomEnv):
    """Call a coin that shows heads (choice 1) with probability 0.8: 1 for each that is right.

    Agent `A1` plays 10 steps. Best mean return 8: always heads. Random 5.
    """

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        super().__init__(10, ph.Network([_Gambler("A1", ToyForm(observes, acts))]))


class _Prisoner(ToyAgent):
    num_states = 3
    choice = 0

    def choose(self, choice: int) -> None:
        self.choice = choice


class DilemmaEnv(ph.PhantomEnv):
    """The prisoner's dilemma: both silent (choice 0) 3 each, both betray (1) 1 each, else 0 and 5.

    Agents `A1` and `A2` play 5 steps, and see what the other one chose last: 0 at the start, then
    1 or 2. To betray pays 1 or 2 more whatever the other does: two learners end at 5 each, where
    silence would have paid 15.
    """

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        form = ToyForm(observes, acts)
        self._players = _Prisoner("A1", form), _Prisoner("A2", form)
        super().__init__(5, ph.Network(list(self._players)))

    def post_message_resolution(self) -> None:
        """Pay both for what both chose."""
        super().post_message_resolution()
        one, other = self._players
        for prisoner, opponent in ((one, other), (other, one)):
            prisoner.reward = ((3.0, 0.0), (5.0, 1.0))[prisoner.choice][opponent.choice]
            prisoner.state = 1 + opponent.choice


class _Waiter(ToyAgent):
    num_states = 6

    def choose(self, choice: int) -> None:
        self.reward = float(self.state == 2)  # noqa: PLR2004  two steps after the right choice
        self.has_ended = self.state in (2, 4)
        following = {0: (3, 1)[choice], 1: 2, 3: 4}
        self.state = following.get(self.state, 5)


class DelayedRewardEnv(ph.PhantomEnv):
    """The first choice decides, the third step pays: 1 if the first choice was 1.

    Agent `A1` sees 0, then 1 and 2 if it was right, else 3 and 4; at the end 5. Best return 1, random
    1/2. At the start choice 1 is worth γ², and choice 0 nothing.
    """

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        super().__init__(10, ph.Network([_Waiter("A1", ToyForm(observes, acts))]))


class _Answerer(_Repeater):
    def choose(self, choice: int) -> None:
        self.reward = float(choice == self.state)


class _Caller(_Repeater):
    def __init__(self, agent_id: str, form: ToyForm, answerer: ToyAgent) -> None:
        super().__init__(agent_id, form)
        self._answerer = answerer

    def choose(self, choice: int) -> None:
        super().choose(choice)
        self._answerer.state = choice


class TurnBasedEnv(ph.StackelbergEnv):
    """In odd steps `CALLER` repeats the number it sees, in even ones `ANSWERER` repeats the call.

    Each has 5 turns and earns 1 for each number that is right. Best return 5 each, random 5/3.
    """

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        form = ToyForm(observes, acts)
        answerer = _Answerer("ANSWERER", form)
        network = ph.Network([_Caller("CALLER", form, answerer), answerer])
        super().__init__(10, network, leader_agents=["CALLER"], follower_agents=["ANSWERER"])


class _Mortal(ToyAgent):
    age = 0

    def __init__(self, agent_id: str, form: ToyForm, lifetime: int) -> None:
        super().__init__(agent_id, form)
        self._lifetime = lifetime

    def reset(self) -> None:
        super().reset()
        self.age = 0

    def choose(self, choice: int) -> None:
        self.age += 1
        self.reward = float(choice)
        self.has_ended = self.age == self._lifetime


class DyingAgentsEnv(ph.PhantomEnv):
    """Agents `A1`, `A2` and `A3` end after 1, 2 and 3 steps; each step pays the choice, 0 or 1.

    Best returns 1, 2 and 3; random ones half of that.
    """

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        form = ToyForm(observes, acts)
        super().__init__(10, ph.Network([_Mortal(f"A{years}", form, years) for years in (1, 2, 3)]))
