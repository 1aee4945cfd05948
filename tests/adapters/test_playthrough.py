"""`ph.tools.Playthrough` tells an adapter who is in the episode, what each agent saw and who is to decide."""

from collections.abc import Callable
from typing import Any

import pytest

import phantom_core as ph


def test_before_the_first_reset_there_is_nothing_to_play(players_env: Any) -> None:
    play = ph.tools.Playthrough(players_env())
    assert (play.is_over, play.live_agent_ids, play.observations, play.infos) == (True, [], {}, {})
    assert play.deciding_agent_ids == []


def test_those_are_to_decide_that_observed_and_have_a_turn(players_env: Any) -> None:
    play = ph.tools.Playthrough(players_env(2, 3, takes_turns=True))
    play.reset(seed=1)
    assert (play.live_agent_ids, play.deciding_agent_ids) == (["player_0", "player_1"], ["player_0"])
    play.step({"player_0": 1})
    assert (list(play.observations), play.deciding_agent_ids) == (["player_0", "player_1"], ["player_1"])
    assert play.infos["player_1"] == {"age": 1}


def test_an_agent_that_was_left_out_is_still_to_decide(players_env: Any) -> None:
    play = ph.tools.Playthrough(players_env(2))
    play.reset(seed=1)
    play.step({"player_1": 0})
    assert play.deciding_agent_ids == ["player_0", "player_1"]


def test_at_the_end_of_the_episode_every_agent_is_told_how_it_ended(
    make_players: Callable[[], ph.PhantomEnv],
) -> None:
    play = ph.tools.Playthrough(make_players())
    play.reset(seed=1)
    ended: dict[Any, tuple[bool, bool]] = {}
    while not play.is_over:
        result = play.step(dict.fromkeys(play.deciding_agent_ids, 0))
        flags = {i: (result.terminations[i], result.truncations[i]) for i in result.terminations}
        ended.update({i: how for i, how in flags.items() if any(how) and i != ph.tools.ALL})
    assert set(ended) == {"player_0", "player_1", "player_2"}
    assert (play.live_agent_ids, play.deciding_agent_ids) == ([], [])


def test_an_action_outside_the_space_raises_and_so_does_one_of_nobody(players_env: Any) -> None:
    play = ph.tools.Playthrough(players_env())
    play.check_action("player_0", 2)  # also before the first reset
    with pytest.raises(ph.errors.EnvError) as caught:
        play.check_action("player_0", 3)
    assert str(caught.value) == (
        "The action of 'player_0' is 3, but its action space is Discrete(3). Give an element of the space."
    )
    with pytest.raises(ph.errors.EnvError) as caught:
        play.check_action("player_7", 2)
    assert str(caught.value) == (
        "There is an action for 'player_7', but no such agent acts. Did you mean 'player_1'? Agents that "
        "act: 'player_0', 'player_1'."
    )


def test_the_spaces_of_all_agents_are_computed_once(
    players_env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = players_env()
    play = ph.tools.Playthrough(env)
    play.check_action("player_0", 0)
    monkeypatch.setattr(type(env), "action_spaces", None)
    play.check_action("player_1", 2)


def test_what_is_no_env_is_an_error(players_env: Any) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ph.tools.Playthrough(players_env)
    assert str(caught.value) == (
        "Expected a multi-agent env, but got the class PlayersEnv. Give an instance of a ph.PhantomEnv, or "
        "an adapter such as ph.GymnasiumEnv."
    )
