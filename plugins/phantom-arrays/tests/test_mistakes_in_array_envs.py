"""What a modeller gets wrong is said in a sentence: what happened, what was expected, and what to do."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_arrays as pa
import phantom_core as ph


@ph.msg_payload()
class Ping:
    size: Any


class Plain(pa.Population):
    """Does what a test sets."""

    sends: Any = None
    level = pa.state(np.int64)
    limit = pa.parameter(np.int64, 3)

    def generate_messages(self) -> Any:
        return None if self.sends is None else self.sends(self)

    @pa.handler(Ping)
    def hear(self, pings: pa.Messages) -> Any:
        return pings.reply(pings.payload) if self.name == "echoes" else None


class Player(pa.StrategicPopulation):
    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Discrete(2)

    def decode_actions(self, actions: Any) -> None:
        pass

    def encode_observations(self) -> Any:
        return np.zeros(self.num_rows, np.int64)

    def compute_rewards(self) -> Any:
        return np.zeros(self.num_rows)


def stepped(sends: Any = None, **settings: Any) -> None:
    """Play a step of an env whose first population does something."""
    first = Plain("first", 3)
    first.sends = sends
    env = pa.ArrayEnv(5, [first, Plain("second", 2), Plain("echoes", 3)], **settings)
    env.reset(seed=1)
    env.step({})


LINKED = {"links": [pa.Link("first", "second"), pa.Link("first", "echoes", ([0, 1], [0, 1]))]}


def refused(action: Any) -> str:
    """Return what is said about a mistake."""
    with pytest.raises(ph.errors.PhantomError) as raised:
        action()
    return str(raised.value)


def set_level(value: Any) -> Any:
    return lambda: stepped(lambda self: setattr(self, "level", value))


MISTAKES = {
    "no link": (
        lambda: stepped(lambda self: self.send("secnd", Ping(1)), **LINKED),
        (
            "Plain 'first' sends to 'secnd', but they are not linked. Did you mean 'second'? Give the env "
            "links=[pa.Link('first', 'secnd')]."
        ),
    ),
    "field of another length": (
        lambda: stepped(lambda self: self.send("second", Ping(np.zeros(2))), **LINKED),
        (
            "Ping.size is sent as an array of shape (2,). Expected one value for each of the 3 rows of "
            "'first', or one for all."
        ),
    ),
    "field by edge": (
        lambda: stepped(lambda self: self.send("second", Ping(np.zeros(2)), per_edge=True), **LINKED),
        (
            "Ping.size is sent as an array of shape (2,). Expected one value for each of the 6 edges from "
            "'first' to 'second', or one for all."
        ),
    ),
    "mask": (
        lambda: stepped(lambda self: self.send("second", Ping(1), where=np.ones(3)), **LINKED),
        (
            "Plain.send: where has shape (3,) and dtype float64. Expected bools, one for each of the 3 rows "
            "of 'first'."
        ),
    ),
    "no payload": (
        lambda: stepped(lambda self: self.send("second", 4), **LINKED),
        (
            "4 is sent, which is no payload. Expected an object of a class decorated with ph.msg_payload(), "
            "whose fields are arrays."
        ),
    ),
    "what is not sent": (
        lambda: stepped(lambda _: [Ping(1)], **LINKED),
        (
            "Plain 'first' returned Ping(size=1) to be sent. Expected what self.send(), self.send_to() or "
            "messages.reply() returns, a list of those, or None."
        ),
    ),
    "a choice of nobody": (
        lambda: stepped(lambda self: self.send_to("second", np.array([0, 1, 2]), Ping(1)), **LINKED),
        (
            "Plain.send_to: receiver is array([0, 1, 2]). Expected the number of a member of 'second', from "
            "0, for each of the 3 rows of 'first'."
        ),
    ),
    "mask of a choice": (
        lambda: stepped(
            lambda self: self.send_to("second", np.zeros(3, int), Ping(1), where=np.ones(2, np.bool_)),
            **LINKED,
        ),
        (
            "Plain.send_to: where has shape (2,) and dtype bool. Expected bools, one for each of the 3 rows "
            "of 'first'."
        ),
    ),
    "a choice along edges": (
        lambda: stepped(lambda self: self.send_to("echoes", np.zeros(3, int), Ping(1)), **LINKED),
        (
            "Plain 'first' chooses among all of 'echoes', but the link connects only some of them. Link "
            "everybody: pa.Link('first', 'echoes'), or use send(..., edges=...)."
        ),
    ),
    "no end of answers": (
        lambda: stepped(
            lambda self: self.send("echoes", Ping(1)),
            links=[pa.Link("first", "echoes"), pa.Link("echoes", "second")],
            round_limit=1,
        ),
        (
            "9 messages are still undelivered after 1 rounds (round_limit=1), first: 'echoes' → 'first' "
            "Ping. Raise round_limit, or stop replying."
        ),
    ),
    "state of another shape": (
        set_level(np.zeros(2, np.int64)),
        (
            "Plain.level is set to an array of shape (2,). Expected (3,), a row for each member in each "
            "copy, or one number."
        ),
    ),
    "state of another type": (
        set_level(np.zeros(3)),
        (
            "Plain.level is int64, but is set to float64. Convert it: x.astype(np.int64), or declare it as "
            "float64."
        ),
    ),
    "a parameter that changes": (
        lambda: stepped(lambda self: setattr(self, "limit", np.zeros(3, np.int64))),
        "Plain.limit is set, but it cannot be written. Use pa.state for what changes.",
    ),
    "alive": (
        lambda: stepped(lambda self: setattr(self, "alive", np.zeros(3, np.bool_))),
        "Plain.alive is set, but it cannot be written. Use join() and leave().",
    ),
    "leavers by number": (
        lambda: stepped(lambda self: self.leave(np.array([1]))),
        "Plain.leave() got array([1]). Expected a bool array with one element for each of the 3 rows.",
    ),
    "state that is not declared": (
        lambda: stepped(lambda self: setattr(self, "memory", np.zeros(3))),
        (
            "Plain.memory is an array of shape (3,) that is not declared, so it would be carried from one "
            "episode into the next. Declare it: memory = pa.state(np.float64)."
        ),
    ),
    "a view of nobody": (
        lambda: stepped(lambda self: self.view("second").level, **LINKED),
        "A view of 'second' has no level. It shows what Plain declares with is_public=True: none.",
    ),
    "a member too many": (
        lambda: stepped(links=[pa.Link("first", "second", ([0, 3], [0, 1]))]),
        (
            "The link between 'first' and 'second' names member 3 of 'first', which has 3 members. They are "
            "numbered from 0."
        ),
    ),
    "itself": (
        lambda: stepped(links=[pa.Link("first", "first", ([0, 1], [2, 1]))]),
        "The link between 'first' and 'first' connects member 1 with itself. Leave that edge out.",
    ),
    "a pair twice": (
        lambda: stepped(links=[pa.Link("first", "first", ([0, 1], [1, 0]))]),
        (
            "The link between 'first' and 'first' connects a pair of members twice. Name each pair once; a "
            "link holds in both directions."
        ),
    ),
    "no such population": (
        lambda: stepped(links=[pa.Link("first", "secnd")]),
        (
            "A link connects 'first' and 'secnd', but there is no population 'secnd'. Did you mean "
            "'second'? There are: 'first', 'second', 'echoes'."
        ),
    ),
    "links twice": (
        lambda: stepped(links=[pa.Link("first", "second"), pa.Link("second", "first")]),
        "'second' and 'first' are linked twice. Put all edges into one link; it holds in both directions.",
    ),
    "size": (
        lambda: Plain("first", 0),
        (
            "Plain 'first' got the size 0. Expected the number of its members, a positive integer, or None "
            "for one agent."
        ),
    ),
    "no populations": (
        lambda: pa.ArrayEnv(5),
        "ArrayEnv has no populations. Give at least one: populations=[...].",
    ),
    "one name twice": (
        lambda: pa.ArrayEnv(5, [Plain("a"), Plain("a")]),
        "ArrayEnv got two populations with the name 'a'. Rename one.",
    ),
    "time limit": (
        lambda: pa.ArrayEnv(0, [Plain("a")]),
        "ArrayEnv got num_steps=0. Expected a positive integer.",
    ),
    "no spaces": (
        lambda: pa.ArrayEnv(5, [pa.StrategicPopulation("a")]),
        (
            "StrategicPopulation 'a' has observation_space = None. Expected a Box, Discrete, MultiDiscrete "
            "or MultiBinary space, that of one member."
        ),
    ),
    "a space of parts to observe": (
        lambda: pa.ArrayEnv(5, [spaced(gym.spaces.Dict({"price": gym.spaces.Discrete(3)}))]),
        (
            "Spaced 'a' has observation_space = Dict('price': Discrete(3)). Expected a Box, Discrete, "
            "MultiDiscrete or MultiBinary space, that of one member. Put the parts side by side into one "
            "array: a Box, or what gymnasium.spaces.flatten_space() makes of it."
        ),
    ),
    "a space of parts to act": (
        lambda: pa.ArrayEnv(5, [spaced(action_space=gym.spaces.Tuple([gym.spaces.Discrete(3)] * 2))]),
        (
            "Spaced 'a' has action_space = Tuple(Discrete(3), Discrete(3)). Expected a Box, Discrete, "
            "MultiDiscrete or MultiBinary space, that of one member. Put the parts side by side into one "
            "array: a MultiDiscrete for several choices, or what gymnasium.spaces.flatten_space() makes of "
            "it."
        ),
    ),
    "copies that differ": (
        lambda: pa.ArrayVectorEnv([pa.ArrayEnv(5, [named("x")]), pa.ArrayEnv(5, [named("y")])]),
        (
            "Population 'a' has colour = 'x' in copy 0, but 'y' in copy 1. What differs between copies is "
            "declared: pa.parameter(dtype)."
        ),
    ),
    "first value": (
        lambda: pa.state(np.int64, 0.5),
        (
            "State of dtype int64 and shape () cannot begin with 0.5. Give a value that fits, or a function "
            "of the population that returns an array with a row for each member."
        ),
    ),
    "no action": (
        lambda: played({}),
        (
            "There is no action for ('players', 0), who acts in this step. Give one for each of: "
            "('players', 0), ('players', 1)."
        ),
    ),
    "an action of nobody": (
        lambda: played({("players", 0): 1, ("players", 1): 0, ("players", 2): 0}),
        (
            "There is an action for ('players', 2), but no such agent acts. Did you mean ('players', 1)? "
            "Agents that act: ('players', 0), ('players', 1)."
        ),
    ),
    "before a reset": (
        lambda: pa.ArrayEnv(5, [Player("players", 2)]).step({}),
        "ArrayEnv was stepped before its first reset. Call env.reset().",
    ),
}


def spaced(
    observation_space: gym.Space[Any] = gym.spaces.Discrete(2),  # noqa: B008  it is not changed
    action_space: gym.Space[Any] = gym.spaces.Discrete(2),  # noqa: B008
) -> pa.StrategicPopulation:
    """Return a population with these spaces."""
    spaces = {"observation_space": observation_space, "action_space": action_space}
    return type("Spaced", (pa.StrategicPopulation,), spaces)("a")  # type: ignore[no-any-return]


def named(colour: str) -> Plain:
    found = Plain("a")
    found.colour = colour  # type: ignore[attr-defined]
    return found


def played(actions: Any) -> None:
    env = pa.ArrayEnv(5, [Player("players", 2)])
    env.reset(seed=1)
    env.step(actions)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(mistake: str) -> None:
    action, message = MISTAKES[mistake]
    assert refused(action) == message


def test_a_payload_without_a_handler_is_named() -> None:
    @ph.msg_payload()
    class Pong:
        size: Any

    said = refused(lambda: stepped(lambda self: self.send("second", Pong(1)), **LINKED))
    assert said == (
        "Plain 'second' received Pong from 'first', but has no handler for it. Write one: @pa.handler(Pong)."
    )


def test_two_handlers_of_one_payload_are_refused() -> None:
    def define() -> None:
        class Both(Plain):
            @pa.handler(Ping)
            def also(self, pings: pa.Messages) -> None:
                pass

    assert refused(define) == "Both has two handlers of Ping: hear() and also(). Leave one."


def test_state_is_not_set_in_init_and_a_parameter_must_be_set() -> None:
    class Early(pa.Population):
        level = pa.state(np.int64)

        def __init__(self) -> None:
            super().__init__("a")
            self.level = 3

    class Missing(pa.Population):
        limit = pa.parameter(np.int64)

    assert refused(Early) == (
        "Early.level is state, which begins anew in each episode, but it is set in __init__. Declare how it "
        "begins: level = pa.state(dtype, first), or declare it as pa.parameter."
    )
    assert refused(lambda: pa.ArrayEnv(5, [Missing("a")]).reset(seed=1)) == (
        "Missing.limit is declared as a parameter, but it has no value. Set it in __init__, or give it a "
        "default."
    )
