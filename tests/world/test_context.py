"""What a context shows, and that it shows it read-only."""

from dataclasses import dataclass
from typing import Any

import pytest

import phantom_core as ph


@dataclass(frozen=True)
class NameView(ph.AgentView):
    name: object


class Open(ph.Agent):
    """Shows its name."""

    def view(self, neighbour_id: ph.AgentID | None = None) -> NameView:
        return NameView(self.id)


class Closed(ph.Agent):
    """Shows nothing."""


class Looker(ph.Agent):
    """Keeps its context."""

    ctx: ph.Context

    def generate_messages(self, ctx: ph.Context) -> None:
        self.ctx = ctx


@pytest.fixture
def env() -> ph.PhantomEnv:
    agents = [Looker("L"), Open("O"), Closed("C"), Open("FAR")]
    return ph.PhantomEnv(10, ph.Network(agents, connections=[("L", "C"), ("L", "O")]))


def context(env: ph.PhantomEnv) -> ph.Context:
    looker = env["L"]
    assert isinstance(looker, Looker)
    return looker.ctx


def test_a_context_shows_neighbours_in_the_order_of_their_connections(env: ph.PhantomEnv) -> None:
    env.reset(1)
    env.step({})
    ctx = context(env)
    assert ctx.agent is env["L"]
    assert ctx.neighbour_ids == ["C", "O"]
    assert ctx.agent_views == {"C": None, "O": NameView("O")}
    assert list(ctx.agent_views) == ["C", "O"]
    assert ctx["O"] == NameView("O")
    assert ctx["C"] is None
    assert "O" in ctx
    assert "FAR" not in ctx
    with pytest.raises(KeyError) as caught:
        ctx["FAR"]
    assert isinstance(caught.value, ph.errors.NeighbourError)
    assert str(caught.value) == (
        "'L' looked at 'FAR', which is none of its neighbours in the episode. "
        "They are: 'C', 'O'. Connect the "
        "two with network.add_connection('L', 'FAR'), or look only if 'FAR' in ctx."
    )
    assert ctx.env_view == ph.EnvView(1, 0.1)


def test_a_context_is_read_only(env: ph.PhantomEnv) -> None:
    env.reset(1)
    env.step({})
    ctx: Any = context(env)
    with pytest.raises(TypeError):
        ctx.agent_views["O"] = None
    with pytest.raises(AttributeError):
        ctx.env_view = None
    ctx.neighbour_ids.clear()
    assert ctx.neighbour_ids == ["C", "O"]


def test_a_context_is_always_of_the_present_moment(env: ph.PhantomEnv) -> None:
    env.reset(1)
    env.step({})
    kept = context(env)
    env.step({})
    assert context(env) is kept
    assert kept.env_view.current_step == 2
