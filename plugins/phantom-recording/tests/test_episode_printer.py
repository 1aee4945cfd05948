"""How episodes look as text."""

import io
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
from phantom_recording import EpisodePrinter, Recorder

EVERYTHING = """\
──── episode 0 · OddMarket · seed 3
reset
  observations
    ('buyer', 1)  {prices: [0.0998721, 0.0998721], turn: 0}
  infos
    ('buyer', 1)  {mood: None, luck: nan, seen: [1, 2]}
step 1 · Stage.BID
  actions
    ('buyer', 1)  {price: [2.5], quantity: 3}
  messages
    1  ('buyer', 1) → 7  Bid(price=2.5, quantity=3)
    2  7 → ('buyer', 1)  Note(numbers=[2.5, 3.0], text=hello)
  observations
    ('buyer', 1)  {prices: [2.5, 3.0], turn: 1}
  rewards
    ('buyer', 1)  2.5
  truncations
    ('buyer', 1), __all__
  infos
    ('buyer', 1)  {mood: None, luck: nan, seen: [1, 2]}
  metrics
    turns  1
──── finished after 1 step
  turns  1.0
"""


def printed(env: ph.PhantomEnv, actions: Any, **settings: Any) -> str:
    stream = io.StringIO()
    metrics: Any = {"turns": ph.metrics.SimpleEnvMetric("current_step", eval_reduce_action="mean")}
    env.recorder = Recorder(EpisodePrinter(stream, **settings), metrics=metrics)
    env.reset(seed=3)
    env.step(actions)
    env.close()
    return stream.getvalue()


def test_an_env_is_printed_while_it_is_played(odd_market: Any, bid: dict[Any, Any]) -> None:
    assert printed(odd_market(1), bid) == EVERYTHING


def test_only_what_was_chosen_is_printed(odd_market: Any, bid: dict[Any, Any]) -> None:
    text = printed(odd_market(2), bid, agents=[7], kinds=["messages", "rewards"])
    assert text == (
        "──── episode 0 · OddMarket · seed 3\n"
        "step 1 · Stage.BID ──▶ Stage.SELL\n"
        "  messages\n"
        "    1  ('buyer', 1) → 7  Bid(price=2.5, quantity=3)\n"
        "    2  7 → ('buyer', 1)  Note(numbers=[2.5, 3.0], text=hello)\n"
        "──── left unfinished after 1 step\n"
    )


def test_each_step_is_printed_at_once(odd_market: Any, bid: dict[Any, Any]) -> None:
    stream = io.StringIO()
    env = odd_market()
    env.recorder = Recorder(EpisodePrinter(stream, kinds=["rewards"]))
    env.reset(seed=3)
    assert stream.getvalue().endswith("reset\n")
    env.step(bid)
    assert stream.getvalue().endswith("  rewards\n    ('buyer', 1)  2.5\n")


def test_the_standard_output_is_the_default(odd_market: Any, capsys: pytest.CaptureFixture[str]) -> None:
    env = odd_market(1)
    env.recorder = Recorder(EpisodePrinter(kinds=[]))
    env.reset(seed=3)
    env.step({("buyer", 1): {"price": np.ones(1, np.float32), "quantity": 1}})
    assert capsys.readouterr().out.splitlines()[-1] == "──── finished after 1 step"
    env.close()


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        EpisodePrinter(kinds=["reward"])
    assert str(caught.value) == (
        "EpisodePrinter got the kind 'reward'. Did you mean 'rewards'? Expected some of: 'actions', "
        "'messages', 'observations', 'rewards', 'terminations', 'truncations', 'infos', 'metrics'."
    )
