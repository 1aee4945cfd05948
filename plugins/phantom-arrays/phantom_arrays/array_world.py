"""`ArrayWorld`: populations of B copies of an env, and the one step that all of them make."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

import phantom_core as ph
from phantom_arrays.counter_bits import episode_key, step_keys
from phantom_arrays.draws import Clock
from phantom_arrays.links import Edges, Link, grouped
from phantom_arrays.message_batch import Mask, Messages, Sent
from phantom_arrays.population import Population, StrategicPopulation, View, is_overridden

_AHEAD: Final = 4096
"""Draws are made ahead for as many steps as make so many of them, at most `_MOST_AHEAD`."""
_MOST_AHEAD: Final = 64

_ACT, _OBSERVE, _REWARD = ("act",), ("observe",), ("reward",)

_NEVER: Final = np.iinfo(np.int64).max


Route: TypeAlias = tuple[Population, Callable[[Messages], Sent], tuple[Any, ...]]
"""Who handles messages, by which method, and what the draws of that method are called."""


@dataclass(slots=True)
class PopulationStep:
    """What a step returned for a strategic population, by row.

    A mask of None: everybody, or in the last four nobody.

    Attributes:
        observations: of all rows; those of rows that do not observe mean nothing.
        rewards: float64; what is paid.
        observed: who observes.
        paid: who is paid.
        terminated: who ended now, by the rules of the world.
        truncated: who ended now, cut off.
        left: who left in this step.
        present: who has flags: was there in this step; None: everybody.
    """

    observations: Any
    rewards: NDArray[np.float64]
    observed: Mask | None = None
    paid: Mask | None = None
    terminated: Mask | None = None
    truncated: Mask | None = None
    left: Mask | None = None
    present: Mask | None = None


@dataclass(slots=True)
class WorldStep:
    """What a step returned.

    Attributes:
        by_population: for each strategic population, by its name.
        terminated: bool array [B]; whose episode ended by the rules of the world; None: nobody's.
        truncated: bool array [B]; whose episode was cut off.
        changed: bool array [B]; in which copies somebody ended, joined or left; None: in none.
    """

    by_population: dict[str, PopulationStep]
    terminated: Mask | None = None
    truncated: Mask | None = None
    changed: Mask | None = None

    @property
    def is_over(self) -> Mask | None:
        """Whose episode is over; None: nobody's."""
        if self.terminated is None or self.truncated is None:
            return None
        return self.terminated | self.truncated


class ArrayWorld:
    """B copies of an env as populations of all their members, stepped together.

    Attributes:
        env: an env whose populations are those of all copies, for its own methods.
        populations: by name, in order.
        strategic: those that act through policies.
        steps: int64 array [B]; the step of each copy's episode.
        num_copies: B.
        recorder: called with the number of the round, from 1, and the messages of each kind and link, just
            before they are delivered; it must not change them. None: nothing is recorded.
    """

    def __init__(self, models: Sequence[Any], env: Any) -> None:
        """Take what each copy is made of: populations that are not in use, links, time and round limits."""
        first = models[0]
        self.env, self.num_copies = env, len(models)
        self.steps = np.zeros(len(models), np.int64)
        self.episode_keys = np.zeros(len(models), np.uint64)
        self._clock = Clock()
        self._limits = np.array(
            [_NEVER if one.num_steps is None else one.num_steps for one in models], np.int64
        )
        self._nearest_limit = int(self._limits.min())
        self._longest = 0  # no episode is longer
        self._round_limit = first.round_limit
        views: dict[str, View] = {}
        self.populations: dict[str, Population] = {}
        for name, model in first.models.items():
            own = [one.models.get(name) for one in models]
            if None in own or any(len(one.models) != len(first.models) for one in models):
                raise ph.errors.ConfigError(
                    f"Copies of {type(first).__name__} have different populations: "
                    f"{ph.tools.listing(first.models)} and others. Give all of them the same; let members "
                    "begin dead where there should be fewer."
                )
            bound = self.populations[name] = copy.copy(model)
            bound.bind(own, self.steps, views, self._clock)
        for name, population in self.populations.items():
            views[name] = View(population)
        self._views = [
            view
            for name, view in views.items()
            if any(f.is_public for f in self.populations[name].fields.values())
        ]
        self.strategic = {n: p for n, p in self.populations.items() if isinstance(p, StrategicPopulation)}
        for index, link in enumerate(first.links):
            self._connect(index, link, [one.links[index] for one in models])
        self._players = [_Player(self, population) for population in self.strategic.values()]
        self._acts = [
            (p, self.strategic.get(n), is_overridden(p, "is_acting"))
            for n, p in self.populations.items()
            if n in self.strategic or is_overridden(p, "generate_messages")
        ]
        self._tellers = [p for p in self.populations.values() if is_overridden(p, "is_acting")]
        self._env_before, self._env_after = (
            getattr(env, name) if first.overrides(name) else None
            for name in ("pre_message_resolution", "post_message_resolution")
        )
        self._before = [p for p in self.populations.values() if is_overridden(p, "pre_message_resolution")]
        self._after = [p for p in self.populations.values() if is_overridden(p, "post_message_resolution")]
        self._ends_by_env = [name for name in ("is_terminated", "is_truncated") if first.overrides(name)]
        self._was_truncated = np.zeros(len(models), np.bool_)  # somebody, in this episode
        self._standing: Mask | None = None  # the copies that stood still in the last step
        rows = sum(p.num_rows for p in self.populations.values())
        self._ahead = max(1, min(_MOST_AHEAD, _AHEAD // max(rows, 1)))
        self._is_checked = False
        self.recorder: Callable[[int, Messages], None] | None = None

    # ------------------------------------------------------------------ episodes

    def reset(self, copies: Mask, seeds: Sequence[int]) -> None:
        """Begin an episode in each of these copies, by increasing number."""
        self.episode_keys[copies] = [episode_key(int(seed)) for seed in seeds]
        self.steps[copies] = 0
        self._was_truncated[copies] = False
        self._begin_draws(is_anew=True)
        is_all = bool(copies.all())
        for population in self.populations.values():
            rows = slice(None) if is_all else copies[population.copy]
            population.begin_episode(rows)
            for extra in population.extra_state:
                extra[rows] = 0
        for player in self._players:
            player.begin()
        self._longest = int(self.steps.max())
        self._look()
        self._choose_who_acts()

    def observe(self) -> dict[str, PopulationStep]:
        """Return what strategic populations observe after a reset."""
        return {player.name: player.observe() for player in self._players}

    def step(self, actions: Mapping[str, Any], playing: Mask | None = None) -> WorldStep:
        """Play one step in all copies, or in those of a mask, while the others stand still."""
        standing = None if playing is None or playing.all() else ~playing
        if not _is_same(standing, self._standing):
            self._begin_draws(is_anew=True)  # those that were made ahead are for the steps of others
            self._standing = standing
        if standing is None:
            return self._step(actions)
        rows = {name: standing[population.copy] for name, population in self.populations.items()}
        saved = {name: population.saved(rows[name]) for name, population in self.populations.items()}
        acting = {name: population.acting for name, population in self.populations.items()}
        own = self.steps[standing].copy(), self._was_truncated[standing].copy()
        found = self._step(actions)
        self.steps[standing], self._was_truncated[standing] = own
        for name, population in self.populations.items():
            population.restore(rows[name], saved[name])
            before, now = acting[name], population.acting
            if before is not None and now is not None:
                now[rows[name]] = before[rows[name]]
        for player in self._players:
            player.begin()
        return found

    def _step(self, actions: Mapping[str, Any]) -> WorldStep:
        self.steps += 1
        self._longest += 1
        self._begin_draws(is_anew=False)
        if self._views:
            self._look()
        queue: list[Messages] = []
        for population, acting, tells in self._acts:
            population.draw.enter(_ACT)
            if acting is not None and population.name in actions:
                sent = acting.decode_actions(actions[population.name])
            else:
                sent = population.generate_messages()
            if sent is not None:
                self._put(queue, population, sent, population.acting if tells else None)
        for population in self._before:
            population.draw.enter(("pre",))
            population.pre_message_resolution()
        if self._env_before is not None:
            self._env_before()
        if queue:
            self._resolve(queue)
        for population in self._after:
            population.draw.enter(("post",))
            population.post_message_resolution()
        if self._env_after is not None:
            self._env_after()
        if self._views:
            self._look()
        found = self._settle()
        if not self._is_checked:
            self._check_state()
        return found

    def copy_state(self, b: int) -> dict[str, Any]:
        """Return where copy b stands between two steps, as arrays."""
        found: dict[str, Any] = {"step": int(self.steps[b]), "was_truncated": bool(self._was_truncated[b])}
        for name, population in self.populations.items():
            rows = population.rows_of(b)
            acting = population.acting
            found[name] = {
                "state": [values for _, values in population.saved(rows)],
                "acting": None if acting is None else acting[rows].copy(),
            }
        return found

    def restore_copy(self, b: int, seed: int, state: Mapping[str, Any]) -> None:
        """Let copy b stand where it stood when `copy_state` was called, in the episode of this seed."""
        copies = np.arange(self.num_copies) == b
        self.reset(copies, [seed])
        self.steps[b], self._was_truncated[b] = state["step"], state["was_truncated"]
        for name, population in self.populations.items():
            rows, own = population.rows_of(b), state[name]
            arrays = [array for array, _ in population.saved(slice(0, 0))]
            population.restore(rows, list(zip(arrays, own["state"], strict=True)))
            if population.acting is not None and own["acting"] is not None:
                population.acting[rows] = own["acting"]
        for player in self._players:
            player.begin()
        self._longest = int(self.steps.max())
        self._begin_draws(is_anew=True)
        self._look()

    # ------------------------------------------------------------------ messages

    def _put(self, queue: list[Messages], sender: Population, sent: Sent, mask: Mask | None = None) -> None:
        """Put what a population sends into a queue, but for members that do not act or live."""
        if type(sent) is Messages and mask is None and not sender.has_dead:
            queue.append(sent)
            return
        queue += sender.outgoing(sent, mask)

    def _resolve(self, queue: list[Messages]) -> None:
        """Deliver messages, round after round, until there are no answers."""
        number = 0
        while queue:
            if number == self._round_limit:
                self._complain(queue, number)
            number += 1
            batch, queue = queue, []
            for messages in batch:
                self._deliver(messages, number, queue)

    def _deliver(self, messages: Messages, number: int, queue: list[Messages]) -> None:
        """Hand messages to their handler; put what it sends into the queue."""
        edges, kind = messages.edges, type(messages.payload)
        route = edges.routes.get((kind, number)) or self._route(messages, number)
        receiver, method, path = route
        if receiver.has_dead:
            messages.leave_out(receiver.alive[edges.receivers])
        missing = None
        if messages.where is not None or not edges.reaches_all:
            missing = self._copies_without(messages, receiver)
            if missing is not None and missing.all():
                return
        if self.recorder is not None:
            self.recorder(number, messages)
        receiver.draw.enter(path)
        if missing is None:
            sent = method(messages)
            if sent is not None:
                self._put(queue, receiver, sent)
            return
        rows = missing[receiver.copy]  # alone, these copies would not have been called
        saved = receiver.saved(rows)
        sent = method(messages)
        receiver.restore(rows, saved)
        if sent is not None:
            self._put(queue, receiver, sent, ~rows)

    def _copies_without(self, messages: Messages, receiver: Population) -> Mask | None:
        """Return the copies in which there is none of these messages; None: each has some."""
        edges, where = messages.edges, messages.where
        if where is not None and where.all():
            where = messages.where = None
        if where is not None:
            rows = receiver.copy[edges.receivers[where]]
            reached = np.bincount(rows, minlength=self.num_copies) > 0
            return None if reached.all() else ~reached
        if edges.unreached is None and not edges.reaches_all:  # the same in every step
            reached = np.logical_or.reduceat(edges.counts > 0, receiver.starts)
            edges.reaches_all = bool(reached.all())
            edges.unreached = None if edges.reaches_all else ~reached
        return edges.unreached

    def _route(
        self, messages: Messages, number: int
    ) -> tuple[Population, Callable[[Messages], Sent], tuple[Any, ...]]:
        """Return who handles such messages in this round, by which method, and what its draws are called."""
        edges, kind = messages.edges, type(messages.payload)
        receiver = self.populations[edges.to]
        method = receiver.handler_of(kind, edges.source)
        path = "handle", kind.__name__, edges.source, edges.index, number
        route = edges.routes[kind, number] = receiver, method, path
        return route

    def _complain(self, queue: Sequence[Messages], number: int) -> None:
        left = [messages for messages in queue if len(messages)]
        if left:
            total, first = sum(map(len, left)), left[0]
            raise ph.errors.ResolverError(
                f"{total} messages are still undelivered after {number} rounds "
                f"(round_limit={self._round_limit}), first: {first.edges.source!r} → {first.edges.to!r} "
                f"{type(first.payload).__name__}. Raise round_limit, or stop replying."
            )
        queue[:] = []  # type: ignore[index]

    # ------------------------------------------------------------------ the end of a step

    def _settle(self) -> WorldStep:
        """Observe, reward and end strategic members, then decide which episodes end."""
        is_late = self._longest >= self._nearest_limit
        cut = self.steps >= self._limits if is_late else None
        if cut is not None and not cut.any():
            cut, self._longest = None, int(self.steps.max())
        stopped = None
        for name in self._ends_by_env:
            found = _copies(self, getattr(self.env, name)(), name)
            if name == "is_terminated":
                stopped = found
            elif found is not None:
                cut = found if cut is None else cut | found
        if self._tellers:
            self._choose_who_acts()
        steps = {player.name: player.settle(cut, stopped) for player in self._players}
        result = WorldStep(steps)
        changes = [player.changed for player in self._players if player.changed is not None]
        if changes:
            result.changed = np.logical_or.reduce(changes)
        if cut is None and stopped is None and not changes:
            return result
        self._conclude(result, cut, stopped, has_changes=bool(changes))
        return result

    def _conclude(
        self, result: WorldStep, cut: Mask | None, stopped: Mask | None, *, has_changes: bool
    ) -> None:
        nobody = np.zeros(self.num_copies, np.bool_)
        terminated = nobody.copy() if stopped is None else stopped.copy()
        truncated = nobody.copy() if cut is None else cut.copy()
        for player in self._players:
            step = result.by_population[player.name]
            if step.truncated is not None:
                cut_rows = step.truncated if step.terminated is None else step.truncated & ~step.terminated
                self._was_truncated |= player.any_by_copy(cut_rows)
        if has_changes and self._players:
            deserted = np.logical_and.reduce([player.is_deserted for player in self._players])
            deserted &= ~terminated & _or_all(
                result.changed, terminated
            )  # not where nobody has been all along
            terminated |= deserted & ~self._was_truncated
            truncated |= deserted & self._was_truncated
        is_over = terminated | truncated
        if is_over.any():
            result.terminated, result.truncated = terminated, truncated
            for player in self._players:
                player.pay_all(result.by_population[player.name], is_over)
        for player in self._players:
            player.withdraw(result.by_population[player.name], is_over)

    # ------------------------------------------------------------------ how

    def _connect(self, index: int, link: Link, links: Sequence[Link]) -> None:
        """Make the edges of a link, when somebody asks for them."""
        for name in (link.first, link.second):
            if name not in self.populations:
                raise ph.errors.ConfigError(
                    f"A link connects {link.first!r} and {link.second!r}, but there is no population "
                    f"{name!r}.{ph.tools.did_you_mean(name, self.populations)} There are: "
                    f"{ph.tools.listing(self.populations)}."
                )
        first, second = self.populations[link.first], self.populations[link.second]
        if link.second in first.link_makers:
            raise ph.errors.ConfigError(
                f"{link.first!r} and {link.second!r} are linked twice. Put all edges into one link; it "
                "holds in both directions."
            )
        for one in links:
            if (one.first, one.second) != (link.first, link.second):
                raise ph.errors.ConfigError(
                    "Copies of an env have different links. Give all of them the same, with other edges."
                )
        if not all(one.edges is None for one in links):
            for one, n, m in zip(links, first.sizes.tolist(), second.sizes.tolist(), strict=True):
                one.pairs(n, m)  # raises if an edge is wrong
        else:
            first.complete_links[second.name] = second, index
            second.complete_links[first.name] = first, index
        first.link_makers[second.name] = partial(self._edges, index, links)
        if first is not second:
            second.link_makers[first.name] = lambda: first.edges(second.name).back

    def _edges(self, index: int, links: Sequence[Link]) -> Edges:
        first, second = self.populations[links[0].first], self.populations[links[0].second]
        known: dict[tuple[int, int, int], tuple[Any, Any]] = {}
        senders, receivers = [], []
        for b, link in enumerate(links):
            n, m = int(first.sizes[b]), int(second.sizes[b])
            key = n, m, 0 if link.edges is None else id(link)
            if key not in known:
                known[key] = link.pairs(n, m)
            senders.append(known[key][0] + first.starts[b])
            receivers.append(known[key][1] + second.starts[b])
        pairs = np.concatenate(senders), np.concatenate(receivers)
        return grouped((first.name, second.name), pairs, (first.num_rows, second.num_rows), index)

    def _begin_draws(self, *, is_anew: bool) -> None:
        clock = self._clock
        clock.now += 1
        if is_anew or clock.keys is None or clock.now >= len(clock.keys):
            clock.keys = step_keys(self.episode_keys, self.steps + np.arange(self._ahead)[:, None])
            clock.now = 0

    def _look(self) -> None:
        for view in self._views:
            view.look()

    def _choose_who_acts(self) -> None:
        """Ask populations who acts in the next step."""
        for population in self._tellers:
            population.choose_who_acts()

    def _check_state(self) -> None:
        """Raise if a population keeps an array that resets do not know."""
        self._is_checked = True
        for population in self.populations.values():
            population.check_state()


class _Player:
    """A strategic population at the end of a step."""

    def __init__(self, world: ArrayWorld, population: StrategicPopulation) -> None:
        self.world, self.population, self.name = world, population, population.name
        self.changed: Mask | None = None
        self.is_deserted: Any = False  # [B]: whether nobody of it is left
        self._ends = [
            n for n in ("is_terminated", "is_truncated") if is_overridden(population, n, StrategicPopulation)
        ]
        self._is_present = population.alive.copy()
        self._has_absent = False
        self._has_turns = is_overridden(population, "is_acting")
        self._owed = np.zeros(population.num_rows if self._has_turns else 0)
        if self._has_turns:
            population.extra_state.append(self._owed)

    def begin(self) -> None:
        """Note who is there at the beginning."""
        self._is_present = self.population.alive.copy()
        self._has_absent = self.population.has_dead

    def observe(self) -> PopulationStep:
        """Return what is observed after a reset."""
        population = self.population
        return PopulationStep(
            self._observations(), np.zeros(population.num_rows), self._observers(), present=self._who()
        )

    def settle(self, cut: Mask | None, stopped: Mask | None) -> PopulationStep:
        """Return what the members observe and earn, and who ended."""
        population = self.population
        self.changed, self.is_deserted = None, False
        observations, rewards = self._observations(), self._rewards()
        is_plain = cut is None and stopped is None and not self._ends
        if is_plain and not (self._has_turns or population.has_dead or self._has_absent):
            return PopulationStep(observations, rewards)
        before, now = self._is_present, population.alive
        present = now.copy()
        joined, left = now & ~before, before & ~now
        rewards = np.where(now & before, rewards, 0.0)
        terminated, truncated = (self._asked(name) for name in ("is_terminated", "is_truncated"))
        if stopped is not None:
            terminated = (
                stopped[population.copy] if terminated is None else terminated | stopped[population.copy]
            )
        if cut is not None:
            truncated = cut[population.copy] if truncated is None else truncated | cut[population.copy]
        terminated = None if terminated is None else terminated & present
        truncated = None if truncated is None else truncated & present
        step = PopulationStep(
            observations, rewards, self._observers(), None, terminated, truncated, left, present
        )
        if truncated is not None and step.observed is not None:
            step.observed |= truncated
        if self._has_turns:
            self._owed += rewards
            ended = np.logical_or.reduce([m for m in (terminated, truncated, left) if m is not None])
            step.paid = (present if step.observed is None else step.observed) | ended
            step.rewards = np.where(step.paid, self._owed, 0.0)
            self._owed[step.paid] = 0.0
        elif not present.all():
            step.paid = present | left
        rows = joined | left
        for mask in (terminated, truncated):
            rows = rows if mask is None else rows | mask
        if rows.any():
            self.changed = self.any_by_copy(rows)
            remains = present.copy()
            for mask in (terminated, truncated):
                remains &= True if mask is None else ~mask
            self.is_deserted = ~self.any_by_copy(remains)
        else:
            self.is_deserted = ~self.any_by_copy(present)
        self._is_present, self._has_absent = present, not bool(present.all())
        return step

    def pay_all(self, step: PopulationStep, is_over: Mask) -> None:
        """Pay what is owed to the members of copies whose episode is over."""
        if self._has_turns:
            rows = is_over[self.population.copy]
            step.rewards = np.where(rows & ~_or_all(step.paid, rows), self._owed, step.rewards)
            step.paid = _or_all(step.paid, rows) | (rows & _or_all(step.present, rows))
            self._owed[rows] = 0.0

    def withdraw(self, step: PopulationStep, is_over: Mask) -> None:
        """Let members that ended take no further part, in copies whose episode goes on."""
        ended = [mask for mask in (step.terminated, step.truncated) if mask is not None]
        if ended:
            rows = np.logical_or.reduce(ended) & ~is_over[self.population.copy]
            if rows.any():
                self.population.end_members(rows)
                self._is_present = self._is_present & ~rows
                self._has_absent = True

    def any_by_copy(self, rows: Mask) -> Mask:
        """Return in which copies a mask is true somewhere."""
        found: Mask = np.logical_or.reduceat(rows, self.population.starts)
        return found

    def _who(self) -> Mask | None:
        return self.population.alive.copy() if self.population.has_dead else None

    def _observers(self) -> Mask | None:
        population = self.population
        if population.acting is None:
            return self._who()
        return population.acting & population.alive if population.has_dead else population.acting.copy()

    def _observations(self) -> Any:
        population = self.population
        population.draw.enter(_OBSERVE)
        found = population.encode_observations()
        if getattr(found, "shape", (-1,))[:1] != (population.num_rows,):
            raise population.wrong_shape("encode_observations", found, "observations")
        return found

    def _rewards(self) -> NDArray[np.float64]:
        population = self.population
        population.draw.enter(_REWARD)
        found = np.asarray(population.compute_rewards(), np.float64)
        if found.shape != (population.num_rows,):
            raise population.wrong_shape("compute_rewards", found, "rewards")
        return found

    def _asked(self, name: str) -> Mask | None:
        """Return which members ended in a way."""
        if name not in self._ends:
            return None
        population = self.population
        population.draw.enter((name,))
        found = getattr(population, name)()
        if found is None:
            return None
        found = np.asarray(found)
        if found.shape != (population.num_rows,) or found.dtype != np.bool_:
            raise population.wrong_shape(name, found, "bools")
        return found


def _or_all(mask: Mask | None, like: Mask) -> Mask:
    return np.ones_like(like) if mask is None else mask


def _copies(world: ArrayWorld, found: Any, name: str) -> Mask | None:
    """Return what an env said about its copies, as a mask; None: nothing."""
    if found is None or found is False:
        return None
    mask = np.asarray(found)
    if mask.shape not in ((), (world.num_copies,)) or mask.dtype != np.bool_:
        raise ph.errors.EnvError(
            f"{type(world.env).__name__}.{name}() returned an array of shape {mask.shape} and dtype "
            f"{mask.dtype}. Expected a bool for each of the {world.num_copies} copies, or None."
        )
    mask = np.broadcast_to(mask, (world.num_copies,))
    return mask if mask.any() else None


def _is_same(one: Mask | None, other: Mask | None) -> bool:
    """Return whether two masks are the same."""
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
