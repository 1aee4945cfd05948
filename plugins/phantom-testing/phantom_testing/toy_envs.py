"""Toy envs with known answers: identity, coin, dilemma, rivals, delayed reward, turns, agents that die.

Each takes `observes` and `acts`, `"discrete"` or `"box"`: see `ToyForm`. Returns of random policies are
those of discrete choices. They are registered nowhere.
"""

from __future__ import annotations

import phantom_core as ph
from phantom_testing.toy_agents import Form, ToyAgent, ToyForm


class _Repeater(ToyAgent):
    num_states = num_choices = 3

    def first_state(self) -> int:
        return self.random.randrange(self.num_states)

    def choose(self, choice: int) -> None:
        self.reward = self.rightness(self.state)
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
        self.reward = self.rightness(int(self.random.random() < self.heads))


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


class Rival(ToyAgent):
    """Sees in each step a state of its own.

    Attributes:
        states: the states that it sees, one in each step.
        gain: what its last choice was worth to itself.
        gift: what it was worth to each of the others.
    """

    steps = 3
    num_choices = 3
    num_states = 4 * steps + 1

    def __init__(self, agent_id: ph.AgentID, form: ToyForm, place: int) -> None:
        super().__init__(agent_id, form)
        self.states = range(place * self.steps, (place + 1) * self.steps)
        self.gain = self.gift = 0.0

    def first_state(self) -> int:
        """Return the first state of its own."""
        return self.states[0]

    def choose(self, choice: int) -> None:
        """Note what it is worth; go on to the next state."""
        right = right_choice_of(self.state)
        self.gain = self.rightness(right)
        self.gift = 0.6 * (self.rightness((right + 1) % 3) - self.rightness((right + 2) % 3))
        self.state += 1
        self.has_ended = self.state not in self.states
        if self.has_ended:
            self.state = self.num_states - 1


def right_choice_of(state: int) -> int:
    """Return what is right in a state of `RivalsEnv`: 1 and 2 in turns, never 0."""
    return 1 + (state + state // Rival.steps) % 2


class RivalsEnv(ph.PhantomEnv):
    """Keep, give or hurt: one choice pays 1 to oneself, one 0.6 to each of the others, one takes 0.6.

    Agents `A1` to `A4` make 3 choices of 3, and are paid at once. Each sees states of its own, another one
    in every step: `A1` 0 to 2, `A2` 3 to 5, `A3` 6 to 8, `A4` 9 to 11; at the end all see 12. To keep is
    best whatever the others do: 3 each if all do, random 1. Whoever learns from the reward of another
    agent, or of several together, learns to give; from that of another step, nothing.
    """

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        form = ToyForm(observes, acts)
        self.rivals = [Rival(f"A{place + 1}", form, place) for place in range(4)]
        super().__init__(10, ph.Network(list(self.rivals)))

    def post_message_resolution(self) -> None:
        """Pay everybody for what everybody chose."""
        super().post_message_resolution()
        gifts = sum(rival.gift for rival in self.rivals)
        for rival in self.rivals:
            rival.reward = rival.gain + gifts - rival.gift


class _Waiter(ToyAgent):
    num_states = 6

    def choose(self, choice: int) -> None:
        is_tempted = self.state == 0 and choice == 0
        has_waited = self.state == 2  # noqa: PLR2004  two steps after the right choice
        self.reward = 0.2 * is_tempted + 1.0 * has_waited
        self.has_ended = self.state in (2, 4)
        following = {0: (3, 1)[choice], 1: 2, 3: 4}
        self.state = following.get(self.state, 5)


class DelayedRewardEnv(ph.PhantomEnv):
    """The first choice decides: 0 pays 0.2 at once, 1 pays 1 in the third step, which is the last.

    Agent `A1` sees 0, then 1 and 2 if it was right, else 3 and 4; at the end 5. Best return 1, random
    0.6. At the start choice 1 is worth γ², and choice 0 is worth 0.2.
    """

    right_choice = 1

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        super().__init__(10, ph.Network([_Waiter("A1", ToyForm(observes, acts))]))


class _Answerer(_Repeater):
    def choose(self, choice: int) -> None:
        self.reward = self.rightness(self.state)


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
        self.reward = self.rightness(1)
        self.has_ended = self.age == self._lifetime


class DyingAgentsEnv(ph.PhantomEnv):
    """Agents `A1`, `A2` and `A3` end after 1, 2 and 3 steps; each step pays the choice, 0 or 1.

    Best returns 1, 2 and 3; random ones half of that.
    """

    def __init__(self, *, observes: Form = "discrete", acts: Form = "discrete") -> None:
        form = ToyForm(observes, acts)
        super().__init__(10, ph.Network([_Mortal(f"A{years}", form, years) for years in (1, 2, 3)]))
