"""A world that uses everything that populations have: what it plays is looked at by the tests beside it."""

from typing import Any

import gymnasium as gym
import numpy as np

import phantom_arrays as pa
import phantom_core as ph


@ph.msg_payload()
class Order:
    size: Any
    price: Any


@ph.msg_payload()
class Filled:
    size: Any


@ph.msg_payload()
class Rumour:
    weight: Any
    hops: Any


@ph.msg_payload()
class Visit:
    budget: Any


@ph.msg_payload()
class Thanks:
    change: Any


class Traders(pa.StrategicPopulation):
    """Send orders to some shops, hear rumours, join, leave and end."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (4,), np.float64)
    action_space = gym.spaces.Discrete(4)
    greed = pa.parameter(np.float64)
    alive = pa.state(np.bool_, lambda self: self.draw.uniform() < 0.8)
    wealth = pa.state(np.float64, lambda self: self.draw.normal(10.0, 2.0), is_public=True)
    held = pa.state(np.int64)
    heard = pa.state(np.float64, 0.0, (2,))
    mood = pa.state(np.int64, lambda self: self.draw.choice([1.0, 2.0, 3.0]))
    rank = pa.state(np.int64)

    def __init__(self, name: str, size: int, greed: Any, settings: dict[str, Any]) -> None:
        super().__init__(name, size)
        self.greed = greed
        self.settings = settings

    def is_acting(self) -> Any:
        if not self.settings["turns"]:
            return None
        return (self.current_step + self.member) % 3 > 0

    def decode_actions(self, actions: Any) -> Any:
        acts = np.ones(self.num_rows, np.bool_) if self.acting is None else self.acting
        self.mood = np.where(acts, actions, self.mood)
        link = self.edges("shops")
        price = self.draw.uniform(1.0, 2.0)[link.senders] + self.view("shops").price[link.receivers]
        size = self.mood[link.senders] + self.draw.integers(5)[link.senders]
        sent = [self.send("shops", Order(size, price), where=size > 2, per_edge=True)]
        few = np.flatnonzero(self.mood[self.edges("traders").senders] == 3)
        sent.append(
            self.send("traders", Rumour(self.wealth[self.edges("traders").senders[few]], 2), edges=few)
        )
        if self.settings["visits"]:
            sizes = self.view("shops").width[np.zeros(1, np.int64)]
            choice = (self.draw.uniform() * sizes[0]).astype(np.int64)
            sent.append(
                self.send_to("banks", self.zeros + choice % 2, Visit(self.wealth), where=self.mood > 0)
            )
        return sent

    @property
    def zeros(self) -> Any:
        return np.zeros(self.num_rows, np.int64)

    @pa.handler(Filled)
    def fill(self, filled: pa.Messages) -> None:
        self.held += filled.total(filled.payload.size)
        self.heard[:, 1] += filled.count()

    @pa.handler(Rumour)
    def hear(self, rumours: pa.Messages) -> Any:
        weight = rumours.payload.weight
        self.heard[:, 0] += rumours.total(weight * 0.1)
        self.wealth += self.draw.exponential(0.01) * rumours.any(weight > 11.0)
        self.wealth -= 0.25 * rumours.all(weight > 9.0)
        self.wealth += rumours.first(weight, 0.0) * 1e-3 - rumours.last(weight, 1.0) * 1e-3
        hops = rumours.payload.hops - 1
        return rumours.reply(Rumour(weight * 0.5, hops), where=hops > 0)

    @pa.handler(Thanks)
    def take_change(self, thanks: pa.Messages) -> None:
        thanks.put(self.wealth, thanks.payload.change)

    def post_message_resolution(self) -> None:
        order = self.draw.permutation()
        self.rank[self.starts[self.copy] + order] = self.member
        self.leave((self.draw.uniform() < self.settings["leaving"]) & (self.held > 6))
        self.join(self.draw.uniform() < self.settings["joining"])
        self.wealth += 1e-3 * self.draw.normal()

    def encode_observations(self) -> Any:
        total = self.by_row(self.total(self.wealth))
        return np.stack((self.wealth, self.held + self.rank, self.heard.sum(1), total), 1)

    def compute_rewards(self) -> Any:
        return self.wealth * self.greed + self.draw.normal() - self.by_row(self.total(self.held > 3))

    def is_terminated(self) -> Any:
        return self.held > self.settings["enough"]

    def is_truncated(self) -> Any:
        return self.draw.uniform() < self.settings["cut"]


class Shops(pa.Population):
    """Serve orders by price, as far as the stock goes."""

    price = pa.state(np.float64, lambda self: self.draw.uniform(), is_public=True)
    width = pa.state(np.int64, 7, is_public=True)
    stock = pa.state(np.int64, 30)
    cash = pa.state(np.float64)
    best = pa.state(np.float64)

    @pa.handler(Order)
    def sell(self, orders: pa.Messages) -> Any:
        ranked = orders.sorted_by(orders.payload.price, descending=True)
        got = ranked.ration(ranked.payload.size, self.stock)
        self.stock -= ranked.total(got)
        paid = ranked.payload.price * got
        self.cash += ranked.total(paid)
        self.cash += ranked.max(ranked.running_total(paid), 0.0) * 1e-3
        self.best = ranked.max(ranked.payload.price, -1.0) + ranked.min(ranked.payload.price, 5.0)
        return [ranked.reply(Filled(got), where=got > 0), self.send("shops", Rumour(self.cash, 1))]

    @pa.handler(Rumour)
    def hear(self, rumours: pa.Messages) -> None:
        self.price += 0.01 * np.tanh(rumours.total(rumours.payload.weight))

    def generate_messages(self) -> None:
        self.stock += self.draw.integers(4)


class Banks(pa.Population):
    """Hear from whoever visits; a share of the budget goes back to some."""

    visits = pa.state(np.int64)
    funds = pa.state(np.float64, 5.0)

    @pa.handler(Visit)
    def welcome(self, visits: pa.Messages) -> Any:
        self.visits += visits.count()
        given = visits.ration(visits.payload.budget * 0.1, self.funds)
        self.funds -= visits.total(given) * 0.5
        return visits.reply(Thanks(visits.payload.budget - given), where=given > 0.2)


class ZooEnv(pa.ArrayEnv):
    """Traders, shops and banks; sizes, edges and settings are those of a test."""

    def __init__(
        self,
        sizes: tuple[int, int],
        edges: tuple[Any, Any],
        friends: tuple[Any, Any],
        num_steps: int | None,
        **settings: Any,
    ) -> None:
        num_traders, num_shops = sizes
        traders = Traders("traders", num_traders, np.linspace(0.1, 0.2, num_traders), settings)
        links = [
            pa.Link("traders", "shops", edges),
            pa.Link("traders", "traders", friends),
            pa.Link("traders", "banks"),
            pa.Link("shops", "shops"),
        ]
        super().__init__(num_steps, [traders, Shops("shops", num_shops), Banks("banks", 2)], links)

    def is_truncated(self) -> Any:
        return self["shops"].total(self["shops"].cash) > 1e6
