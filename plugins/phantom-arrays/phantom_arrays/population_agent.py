"""`PopulationAgent`: a population as one agent of a network of objects."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_arrays.columns import Columns
from phantom_arrays.counter_bits import episode_key, step_keys
from phantom_arrays.draws import Clock
from phantom_arrays.links import Edges, grouped
from phantom_arrays.message_batch import Messages, Sent, fields_of, in_columns, taken
from phantom_arrays.population import Population, StrategicPopulation, is_overridden, not_shown


class PopulationAgent(ph.Agent):
    """All members of a population, as one agent of a `ph.Network` whose other agents are objects.

    `ph.Network([Shop("SHOP"), pa.PopulationAgent(Customers("customers", 10_000))], ...)`: its id is the name
    of the population. What the members send to an agent in one round is one message with a `pa.Columns`
    payload, and so is what an agent sends to them: it may name some members, or mean all.

    The population is of a class as for a `pa.ArrayEnv`, which may be used in both. Where its methods name
    other populations, here they name neighbours, by id. Its draws follow from the seed of the env's episode;
    those of a reset and of `generate_messages` are, bit for bit, what it draws in a `pa.ArrayEnv` with this
    seed. Members do not act through policies.

    What the population has is read from the agent, too, as by a metric: `env["customers"].wealth` is a copy.

    Attributes:
        population: the population in use.
    """

    def __init__(self, population: Population) -> None:
        """Make an agent of a population.

        Raises:
            phantom_core.errors.ConfigError: if it is none, or its members act through policies.
        """
        if not isinstance(population, Population):
            raise ph.errors.ConfigError(
                f"PopulationAgent got {population!r}. Expected an object of a pa.Population, such as "
                "Customers('customers', 10_000)."
            )
        if isinstance(population, StrategicPopulation):
            raise ph.errors.ConfigError(
                f"{type(population).__name__} {population.name!r} is a StrategicPopulation, but in a network "
                "of objects the members of a population do not act through policies. Derive the class from "
                "pa.Population, or write the whole model as a pa.ArrayEnv."
            )
        super().__init__(population.name)
        self._ctx: ph.Context | None = None
        self._steps, self._keys = np.zeros(1, np.int64), np.zeros(1, np.uint64)
        self._clock = Clock()
        self._heard: Counter[tuple[object, ...]] = Counter()  # handler calls of the current step
        self._is_checked = False
        self._model = population
        self._bind()

    def __getattr__(self, name: str) -> Any:
        """Return what the population has; of arrays by row, a copy."""
        population = self.__dict__.get("population")
        if population is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = getattr(population, name)
        if isinstance(value, np.ndarray) and value.shape[:1] == (population.num_rows,):
            return value.copy()
        return value

    # ------------------------------------------------------------------ as an agent

    def begin_episode(self, episode_seed: int, values: Any = None) -> None:
        """Called before `reset`: let the draws follow from the seed."""
        super().begin_episode(episode_seed, values)
        self._keys[0] = episode_key(episode_seed)

    def reset(self) -> None:
        """Give the members their first state."""
        self._check_state()
        self._ctx = None
        self._begin_step(0)
        self.population.begin_episode(slice(None))
        self._choose_who_acts()

    def view(self, neighbour_id: ph.AgentID | None = None) -> PopulationView:
        """Return what the population declares with `is_public=True`, as read-only arrays."""
        if not self._public:
            return self._plain_view
        shown = {name: vars(self.population)[name].copy() for name in self._public}
        for column in shown.values():
            column.flags.writeable = False
        return PopulationView(self.population.name, type(self.population).__name__, shown)

    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        """Return what the members send: one message for each kind and receiver."""
        self._enter(ctx, ("act",))
        return self._pairs(ctx, self.population.generate_messages(), self.population.acting)

    def handle_batch(self, ctx: ph.Context, batch: Sequence[ph.Message[Any]]) -> ph.MessageList:
        """Handle messages, each of which is for some or all of the members."""
        pairs: list[tuple[ph.AgentID, Any]] = []
        for message in batch:
            pairs += self._handle(ctx, message)
        return pairs

    # ------------------------------------------------------------------ how

    def _bind(self) -> None:
        """Put the population in use."""
        self.population = bound = copy.copy(self._model)
        views: Any = _NeighbourViews(self)
        bound.bind([self._model], self._steps, views, self._clock)
        links: Any = _Links(bound)
        bound.link_makers, bound.is_in_network = links, True
        self._public = [name for name, field in bound.fields.items() if field.is_public]
        self._plain_view = PopulationView(bound.name, type(bound).__name__, {})
        self._tells = is_overridden(bound, "is_acting")
        if is_overridden(bound, "pre_message_resolution"):  # an env calls what an agent overrides
            self.__dict__["pre_message_resolution"] = self._before
        if is_overridden(bound, "post_message_resolution") or self._tells:
            self.__dict__["post_message_resolution"] = self._after

    def __getstate__(self) -> tuple[dict[str, Any], list[NDArray[Any]], NDArray[np.bool_] | None]:
        """Return what a copy is made of: the population as it was given, and its state."""
        made = ("population", "pre_message_resolution", "post_message_resolution")
        own = {name: value for name, value in vars(self).items() if name not in made}
        population = self.population
        return {**own, "_ctx": None}, [v for _, v in population.saved(slice(None))], population.acting

    def __setstate__(self, state: tuple[dict[str, Any], list[NDArray[Any]], Any]) -> None:
        """Become a copy."""
        own, values, acting = state
        vars(self).update(own)
        self._bind()
        arrays = [array for array, _ in self.population.saved(slice(0, 0))]
        self.population.restore(slice(None), list(zip(arrays, values, strict=True)))
        self.population.acting = acting

    def _before(self, ctx: ph.Context) -> None:
        self._enter(ctx, ("pre",))
        self.population.pre_message_resolution()

    def _after(self, ctx: ph.Context) -> None:
        self._enter(ctx, ("post",))
        self.population.post_message_resolution()
        self._choose_who_acts()

    def _enter(self, ctx: ph.Context, path: tuple[object, ...]) -> None:
        """Called before a method of the population: go to the current step, and name the draws."""
        self._ctx = ctx
        step = ctx.env_view.current_step
        if step != self._steps[0]:
            self._check_state()
            self._begin_step(step)
        self.population.draw.enter(path)

    def _begin_step(self, step: int) -> None:
        self._steps[0] = step
        self._clock.keys, self._clock.now = step_keys(self._keys, self._steps[None]), 0
        self._heard.clear()

    def _choose_who_acts(self) -> None:
        if self._tells:
            self.population.choose_who_acts()

    def _check_state(self) -> None:
        """After the first step: raise if the population keeps an array that resets do not know."""
        if not self._is_checked and self._steps[0]:
            self._is_checked = True
            self.population.check_state()

    def _handle(self, ctx: ph.Context, message: ph.Message[Any]) -> ph.MessageList:
        population, payload, sender = self.population, message.payload, message.sender_id
        kind = type(payload)
        method = population.handler_of(kind, sender)
        if not isinstance(payload, Columns):
            raise ph.errors.EnvError(
                f"{sender!r} sent {kind.__name__} to the population {population.name!r}, but it is no "
                "pa.Columns, which says what is for whom. Write class "
                f"{kind.__name__}(pa.Columns), with the dtype of each column."
            )
        messages = self._received(sender, payload)
        if population.has_dead:
            messages.leave_out(population.alive[messages.receivers])
        if not len(messages):
            return ()
        call = kind.__name__, sender
        self._heard[call] += 1
        self._enter(ctx, ("handle", *call, "message", self._heard[call]))
        return self._pairs(ctx, method(messages))

    def _received(self, sender: Any, payload: Columns) -> Messages:
        """Return what an agent sent, as messages to members."""
        population, kind = self.population, type(payload)
        number, who = population.num_rows, payload.member
        everybody = population.edges(sender).back
        if who is None:
            columns = {name: getattr(payload, name) for name in fields_of(payload)}
            for name, column in columns.items():
                if column.ndim and len(column) != number:
                    raise ph.errors.EnvError(
                        f"{sender!r} sent {kind.__name__}.{name} with {len(column)} rows to all of "
                        f"{population.name!r}. Expected one for each of its {number} members, or whom they "
                        f"are for: {kind.__name__}(..., member=...)."
                    )
            return Messages(everybody, in_columns(payload, number, population))
        if len(who) == number and bool((who == population.member).all()):
            return Messages(everybody, payload.of(None))
        if who.size and (who.min() < 0 or who.max() >= number):
            wrong = who[(who < 0) | (who >= number)][0]
            raise ph.errors.EnvError(
                f"{sender!r} sent {kind.__name__} to member {wrong} of {population.name!r}, which has "
                f"{number} members. They are numbered from 0."
            )
        found = payload.of(None)
        if (who[1:] < who[:-1]).any():
            order = np.argsort(who, kind="stable")
            who, found = who[order], taken(found, order)
        return Messages(Edges((sender, population.name), (np.zeros_like(who), who), (1, number), 0), found)

    def _pairs(self, ctx: ph.Context, sent: Sent, mask: Any = None) -> list[tuple[ph.AgentID, Any]]:
        """Return what the members send as messages of the agent."""
        found: list[tuple[ph.AgentID, Any]] = []
        for messages in self.population.outgoing(sent, mask):
            receiver: Any = messages.edges.to
            kind = type(messages.payload)
            if isinstance(ctx.agent_views.get(receiver), PopulationView):
                raise ph.errors.EnvError(
                    f"The population {self.id!r} sent {kind.__name__} to {receiver!r}, which is a "
                    "population, too. In a network populations exchange messages with objects only. Write "
                    "the whole model as a pa.ArrayEnv."
                )
            if not issubclass(kind, Columns):
                raise ph.errors.EnvError(
                    f"The population {self.id!r} sent {kind.__name__} to {receiver!r}, but it is no "
                    f"pa.Columns, which says who sent what. Write class {kind.__name__}(pa.Columns), with "
                    "the dtype of each column."
                )
            if len(messages):
                found.append((receiver, _of_members(messages)))
        return found


@dataclass(frozen=True, eq=False)
class PopulationView(ph.AgentView):
    """What a population shows to its neighbours in a network: `ctx["customers"].wealth`, an array [members].

    Attributes:
        population: its name.
        class_name: that of its class.
        shown: what it declares with `is_public=True`, by name.
    """

    population: str
    class_name: str
    shown: Mapping[str, NDArray[Any]]

    def __getattr__(self, name: str) -> NDArray[Any]:
        shown = self.__dict__.get("shown")
        if shown is None or name.startswith("__"):
            raise AttributeError(name)
        if name not in shown:
            raise not_shown(self.population, self.class_name, name, list(shown))
        found: NDArray[Any] = shown[name]
        return found


class _NeighbourViews:
    """What neighbours show to a population: `self.view("SHOP").price` is an array of one."""

    def __init__(self, agent: PopulationAgent) -> None:
        self._agent = agent

    def __getitem__(self, neighbour_id: ph.AgentID) -> Any:
        agent = self._agent
        ctx = agent._ctx  # noqa: SLF001  of the same file
        who = f"{type(agent.population).__name__} {agent.id!r} looks at {neighbour_id!r}"
        if ctx is None:
            raise ph.errors.EnvError(
                f"{who} while it is reset. In a network a population sees its neighbours from the first step "
                "on."
            )
        found = ctx[neighbour_id]
        if found is None:
            raise ph.errors.EnvError(
                f"{who}, which shows nothing. Override view() in the class of that agent."
            )
        return found if isinstance(found, PopulationView) else _NeighbourView(found)


class _NeighbourView:
    """The view of an object, each attribute as an array of one."""

    def __init__(self, view: ph.AgentView) -> None:
        self._view = view

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return np.asarray(getattr(self._view, name))[None]


class _Links:
    """Edges from all members to any agent; the network says whether they are connected."""

    def __init__(self, population: Population) -> None:
        self._population = population

    def __contains__(self, agent_id: object) -> bool:
        return True

    def __getitem__(self, agent_id: Any) -> Callable[[], Edges]:
        population = self._population
        pairs = population.member, np.zeros(population.num_rows, np.int64)
        return partial(grouped, (population.name, agent_id), pairs, (population.num_rows, 1), 0)


def _of_members(messages: Messages) -> Columns:
    """Return messages to one receiver as a payload with who sent what."""
    payload: Columns = messages.payload
    if messages.where is None:
        return payload.of(messages.senders)
    sent = np.flatnonzero(messages.where)
    return taken(payload, sent).of(messages.senders[sent])  # type: ignore[no-any-return]  # of its class
