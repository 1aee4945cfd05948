"""What agents see of one another and of the env, and when."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

import phantom_core as ph


@ph.msg_payload()
class Sale:
    """The receiver's stock falls by one."""


@dataclass(frozen=True)
class StockView(ph.AgentView):
    stock: int
    shown_to: object


@dataclass(frozen=True)
class MarketView(ph.EnvView):
    total_stock: int


class Shop(ph.Agent):
    """Shows its stock, and counts how often it is asked for it."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.stock = 10
        self.asked_by: list[object] = []

    def view(self, neighbour_id: ph.AgentID | None = None) -> StockView:
        self.asked_by.append(neighbour_id)
        return StockView(self.stock, neighbour_id)

    @ph.msg_handler(Sale)
    def sell(self, ctx: ph.Context, message: ph.Message[Sale]) -> None:
        self.stock -= 1


class Buyer(ph.StrategicAgent):
    """Buys one item in each step, and notes the stock that it sees wherever it gets a context."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.seen: dict[str, Any] = {}

    def look(self, method: str, ctx: ph.Context) -> None:
        view = ctx["SHOP"]
        assert isinstance(view, StockView)
        self.seen[method] = (view.stock, ctx.env_view)

    def decode_action(self, ctx: ph.Context, action: Any) -> ph.MessageList:
        self.look("decode_action", ctx)
        return [("SHOP", Sale())]

    def pre_message_resolution(self, ctx: ph.Context) -> None:
        self.look("pre_message_resolution", ctx)

    def post_message_resolution(self, ctx: ph.Context) -> None:
        self.look("post_message_resolution", ctx)

    def encode_observation(self, ctx: ph.Context) -> int:
        self.look("encode_observation", ctx)
        return 0

    def collect_infos(self, ctx: ph.Context) -> dict[str, Any]:
        self.look("collect_infos", ctx)
        return {}

    def compute_reward(self, ctx: ph.Context) -> float:
        self.look("compute_reward", ctx)
        return 0.0

    def is_terminated(self, ctx: ph.Context) -> bool:
        self.look("is_terminated", ctx)
        return False

    def is_truncated(self, ctx: ph.Context) -> bool:
        self.look("is_truncated", ctx)
        return False


class Market(ph.PhantomEnv):
    """Shows the sum of all stocks."""

    def view(self, agent_views: Mapping[ph.AgentID, ph.AgentView | None]) -> MarketView:
        plain = super().view(agent_views)
        total = sum(view.stock for view in agent_views.values() if isinstance(view, StockView))
        return MarketView(plain.current_step, plain.proportion_time_elapsed, total)


BEFORE_RESOLUTION = ("decode_action", "pre_message_resolution", "post_message_resolution")
AFTER_RESOLUTION = (
    "encode_observation",
    "collect_infos",
    "compute_reward",
    "is_terminated",
    "is_truncated",
)


def make_market(*more: ph.Agent, num_steps: int | None = 4) -> Market:
    agents = [Buyer("BUYER"), Shop("SHOP"), *more]
    others = [(agent.id, "SHOP") for agent in agents if agent.id != "SHOP"]
    return Market(num_steps, ph.Network(agents, connections=others))


def test_views_are_of_the_start_of_the_step_until_messages_were_resolved_and_new_after_it() -> None:
    env = make_market()
    env.reset(1)
    buyer = env["BUYER"]
    assert isinstance(buyer, Buyer)
    assert buyer.seen["encode_observation"] == (10, MarketView(0, 0.0, 10))
    env.step({"BUYER": 0})
    for method in BEFORE_RESOLUTION:
        assert buyer.seen[method] == (10, MarketView(1, 0.25, 10)), method
    for method in AFTER_RESOLUTION:
        assert buyer.seen[method] == (9, MarketView(1, 0.25, 9)), method


def test_what_changes_between_two_steps_is_seen_in_the_next_one() -> None:
    env = make_market()
    env.reset(1)
    buyer, shop = env["BUYER"], env["SHOP"]
    assert isinstance(buyer, Buyer)
    assert isinstance(shop, Shop)
    shop.stock = 50
    env.step({"BUYER": 0})
    assert buyer.seen["decode_action"] == (50, MarketView(1, 0.25, 50))


def test_an_env_view_is_new_after_resolution_also_where_no_agent_shows_anything() -> None:
    class Watcher(ph.StrategicAgent):
        def decode_action(self, ctx: ph.Context, action: Any) -> None:
            seen.append(ctx.env_view)

        def encode_observation(self, ctx: ph.Context) -> int:
            seen.append(ctx.env_view)
            return 0

        def compute_reward(self, ctx: ph.Context) -> float:
            return 0.0

    class Auction(ph.PhantomEnv):
        price = 0

        def post_message_resolution(self) -> None:
            self.price += 5

        def view(self, agent_views: Mapping[ph.AgentID, ph.AgentView | None]) -> MarketView:
            return MarketView(self.current_step, 0.0, self.price)

    seen: list[ph.EnvView] = []
    env = Auction(network=ph.Network([Watcher("A")]))
    env.reset(1)
    env.step({"A": 0})
    assert seen == [MarketView(0, 0.0, 0), MarketView(1, 0.0, 0), MarketView(1, 0.0, 5)]


def test_each_neighbour_and_the_env_are_shown_a_view_of_their_own() -> None:
    env = make_market(Shop("RIVAL"))
    env.reset(1)
    shop, rival = env["SHOP"], env["RIVAL"]
    assert isinstance(shop, Shop)
    assert isinstance(rival, Shop)
    assert sorted(shop.asked_by, key=str) == ["BUYER", None, "RIVAL"]
    assert sorted(rival.asked_by, key=str) == [None, "SHOP"]


def test_an_agent_that_shows_nothing_is_never_asked_and_is_a_neighbour_without_view() -> None:
    contexts: list[ph.Context] = []

    class Quiet(ph.Agent):
        def generate_messages(self, ctx: ph.Context) -> None:
            contexts.append(ctx)

    env = make_market(Quiet("QUIET"))
    env.network.add_connection("QUIET", "BUYER")
    env.reset(1)
    env.step({})
    assert contexts[0]["SHOP"] == StockView(10, "QUIET")
    assert contexts[0]["BUYER"] is None
    assert contexts[0].agent_views == {"SHOP": StockView(10, "QUIET"), "BUYER": None}


def test_views_are_asked_for_twice_in_a_step_and_once_at_reset() -> None:
    env = make_market()
    env.reset(1)
    shop = env["SHOP"]
    assert isinstance(shop, Shop)
    assert shop.asked_by.count("BUYER") == shop.asked_by.count(None) == 1
    env.step({})
    assert shop.asked_by.count("BUYER") == shop.asked_by.count(None) == 3


@pytest.mark.parametrize("change", ["an agent ended", "a connection", "an agent joined"])
def test_views_are_asked_for_no_more_often_after_a_change(change: str) -> None:
    class Leaver(Buyer):
        def is_terminated(self, ctx: ph.Context) -> bool:
            return change == "an agent ended"

    env = make_market(Leaver("LEAVER"))
    env.reset(1)
    env.step({})
    if change == "a connection":
        env.network.add_connection("BUYER", "LEAVER")
    elif change == "an agent joined":
        env.network.add_agent(Buyer("NEW"))
        env.network.add_connection("NEW", "SHOP")
    shop = env["SHOP"]
    assert isinstance(shop, Shop)
    shop.asked_by.clear()
    env.step({})
    assert shop.asked_by.count("BUYER") == shop.asked_by.count(None) == 2


def test_the_view_of_an_env_that_does_not_override_it_tells_the_time() -> None:
    seen: list[ph.EnvView] = []

    class Clock(ph.Agent):
        def generate_messages(self, ctx: ph.Context) -> None:
            seen.append(ctx.env_view)

    for num_steps in (4, None):
        env = ph.PhantomEnv(num_steps, ph.Network([Clock("CLOCK")]))
        env.reset(1)
        env.step({})
        env.step({})
    assert seen == [ph.EnvView(1, 0.25), ph.EnvView(2, 0.5), ph.EnvView(1, 0.0), ph.EnvView(2, 0.0)]


def test_an_agent_that_ended_is_no_neighbour_any_more() -> None:
    neighbours: list[list[ph.AgentID]] = []

    class Leaver(Buyer):
        def is_terminated(self, ctx: ph.Context) -> bool:
            return True

    class Stayer(Buyer):
        def compute_reward(self, ctx: ph.Context) -> float:
            neighbours.append(ctx.neighbour_ids)
            return 0.0

    network = ph.Network([Leaver("LEAVER"), Stayer("STAYER"), Shop("SHOP")])
    network.add_connections_between(["STAYER", "LEAVER"], ["SHOP"])
    network.add_connection("LEAVER", "STAYER")
    env = ph.PhantomEnv(network=network)
    env.reset(1)
    env.step({})
    env.step({})
    env.reset(1)
    env.step({})
    assert neighbours == [["SHOP", "LEAVER"], ["SHOP"], ["SHOP", "LEAVER"]]


def test_views_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        ph.EnvView(0, 0.0).current_step = 1
    with pytest.raises(FrozenInstanceError):
        StockView(1, None).stock = 2
