"""`replay`: an env in the state that it had at a step of a recording."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import phantom_core as ph
from phantom_recording.json_values import action_from_plain, id_text
from phantom_recording.packed_arrays import is_same
from phantom_recording.recorded_episodes import (
    LineReader,
    RecordedEpisode,
    RecordedStep,
    read_recording,
    reset_of,
)
from phantom_recording.recorded_rows import StartRow
from phantom_recording.recorder import Recorder, is_recordable

_COMPARED: Final = (
    "observations",
    "rewards",
    "terminations",
    "truncations",
    "messages",
    "infos",
    "turn",
    "next_turn",
    "members",
)


def replay(
    recording: str | Path | RecordedEpisode,
    episode: int = 0,
    step: int | None = None,
    *,
    env: Callable[..., Any] | Any | None = None,
    trust: bool = False,
) -> Any:
    """Play a recorded episode again up to a step, and return the env as it was then.

    The env is made from its class and config, reset with the episode's seed, and given the same actions.
    Everything that was recorded of each step is compared on the way. The env is a `PhantomEnv` or a world of
    arrays.

    Args:
        recording: the file, or an episode of it.
        episode: the number of the episode in the file, from 0.
        step: stop after this step, 0: after the reset; None: after the last one.
        env: makes the env, or is it; default: the recorded class with the recorded `env_config`.
        trust: whether to import the recorded class whatever it is, though it was not recorded here.

    Raises:
        RecordingError: if there is no such episode or step, the env cannot be made, or what happens
            differs from what was recorded, with step and agent.
        ConfigError: if an environment variable that the `env_config` names is missing.
        TrustError: if it was not recorded here, and its env is of no installed plugin.
    """
    recorded = recording if isinstance(recording, RecordedEpisode) else _find(recording, episode)
    last = recorded.num_steps if step is None else step
    if not 0 <= last <= recorded.num_steps:
        raise ph.errors.RecordingError(f"The episode has no step {last}: it has {recorded.num_steps} steps.")
    of_class = f"The recorded episode of {recorded.env_class}"
    source = of_class if isinstance(recording, RecordedEpisode) else f"The recording {recording}"
    with ph.trust.untrusted(source, unless=trust or recorded.is_signed):
        world = _made(recorded, env)
        _play(world, recorded, last)
    return world


def _play(world: Any, recorded: RecordedEpisode, last: int) -> None:
    """Play an episode up to a step, and compare what happens with what was recorded."""
    listener = _Listener()
    with Recorder(listener) as recorder:
        world.recorder = recorder
        _playing(recorded.steps[0], world.reset, seed=recorded.seed)
        if (tuple(listener.agents), listener.sizes) != (recorded.agents, recorded.sizes):
            now, before = _cast(listener.agents, listener.sizes), _cast(recorded.agents, recorded.sizes)
            raise ph.errors.RecordingError(
                f"The env has other agents than the recorded {recorded.env_class}: {ph.tools.listing(now)} "
                f"instead of {ph.tools.listing(before)}. Give env_config to the Recorder, or env to replay."
            )
        _compare(recorded.steps[0], listener.newest)
        for wanted in recorded.steps[1 : last + 1]:
            read = _actions if recorded.sizes is None else _actions_of_members
            _playing(wanted, world.step, _playing(wanted, read, world, wanted, recorded.sizes))
            _compare(wanted, listener.newest)


class _Listener:
    """Takes the lines of a recorder, and keeps the newest step."""

    def __init__(self) -> None:
        self.agents: list[str] = []
        self.sizes: Mapping[str, int | None] | None = None
        self.newest = RecordedStep(step=0)
        self._reader = LineReader()

    def write(self, data: bytes, /) -> None:
        for line in data.splitlines():
            row = self._reader.read(line)
            if isinstance(row, StartRow):
                self.agents, self.sizes = row.agents, row.sizes
                self.newest = reset_of(row)
            elif isinstance(row, RecordedStep):
                self.newest = row

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Nothing is open."""


def _find(path: str | Path, number: int) -> RecordedEpisode:
    is_possible = 0 <= number < sys.maxsize  # islice takes no more
    found = next(islice(read_recording(path), number, None), None) if is_possible else None
    if found is None:
        raise ph.errors.RecordingError(
            f"The recording {path} has no episode {number}. Episodes are numbered from 0."
        )
    return found


def _made(recorded: RecordedEpisode, env: Callable[..., Any] | Any | None) -> Any:
    if is_recordable(env):
        return env
    if env is None:
        if recorded.env is None:
            raise ph.errors.RecordingError(
                f"The class {recorded.env_class} cannot be imported by name. Say how to make the env: "
                "replay(…, env=…)."
            )
        env = ph.tools.load_reference(
            recorded.env,
            setting="env",
            folder=Path.cwd(),
            start="the current folder",
            expected=ph.PhantomEnv,
        )
    if not callable(env):
        raise ph.errors.RecordingError(f"The env of the recording is {env!r}. Expected a class.")
    names = ph.secrets.masked_names(recorded.env_config, "env_config")
    if names:
        raise ph.errors.RecordingError(
            f"{recorded.env_class} cannot be made again: {', '.join(names)} were masked as secrets. Make it "
            f"yourself: replay(…, env={recorded.env_class}(…))."
        )
    env_config = ph.secrets.read_environment(recorded.env_config, "env_config")
    try:
        made = env(**ph.secrets.revealed(env_config))
    except TypeError as error:
        raise ph.errors.RecordingError(
            f"{recorded.env_class} cannot be made with the recorded env_config {dict(recorded.env_config)}: "
            f"{ph.secrets.Secrets.of(env_config).hide(str(error))}. Give env_config to the Recorder, or say "
            "how to make the env: replay(…, env=…)."
        ) from error
    return made


def _playing(wanted: RecordedStep, play: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what plays the reset or a step; raise `RecordingError` for what the env raises, but our own."""
    try:
        return play(*args, **kwargs)
    except ph.errors.PhantomError:
        raise
    except Exception as error:  # whatever a user's env raises
        where = "the reset" if wanted.step == 0 else f"step {wanted.step}"
        raise ph.errors.RecordingError(
            f"The replay differs at {where}: {ph.tools.error_text(error)}{ph.tools.error_place(error)}. The "
            "env changed, or something in it does not follow from its seed: phantom doctor finds what."
        ) from error


def _cast(agents: Sequence[str], sizes: Mapping[str, int | None] | None) -> list[str]:
    """Return the agents for a message; populations with their sizes."""
    found = sizes or {}
    return [name if found.get(name) is None else f"{found[name]:,} {name}" for name in agents]


def _actions_of_members(
    _: Any, wanted: RecordedStep, sizes: Mapping[str, int | None]
) -> dict[ph.AgentID, Any]:
    """Return the actions in a world of arrays by agent: a population that is one agent, or its members."""
    found: dict[ph.AgentID, Any] = {}
    for name, values in wanted.actions.items():
        if sizes[name] is None:
            found[name] = values[0]
            continue
        members = wanted.members.get("actions", {}).get(name)
        numbers = range(len(values)) if members is None else members.tolist()
        found |= {(name, number): value for number, value in zip(numbers, values, strict=True)}
    return found


def _actions(env: Any, wanted: RecordedStep, _: None) -> dict[ph.AgentID, Any]:
    by_name = {id_text(agent_id): agent_id for agent_id in env.agents}
    actions: dict[ph.AgentID, Any] = {}
    for name, plain in wanted.actions.items():
        agent_id = by_name.get(name, name)
        space = getattr(env.agents.get(agent_id), "action_space", None)
        actions[agent_id] = action_from_plain(plain, getattr(space, "dtype", None))
    return actions


def _compare(wanted: RecordedStep, found: RecordedStep) -> None:
    for kind in _COMPARED:
        before, now = getattr(wanted, kind), getattr(found, kind)
        if is_same(before, now):
            continue
        where = "the reset" if wanted.step == 0 else f"step {wanted.step}"
        what = f"{kind} are {now!r}, but {before!r} was recorded"
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            name = next(name for name in [*before, *now] if not is_same(before.get(name), now.get(name)))
            what = f"agent {name!r}: {kind} are {now.get(name)!r}, but {before.get(name)!r} was recorded"
        raise ph.errors.RecordingError(
            f"The replay differs at {where}, {what}. The env changed, or something in it does not follow "
            "from its seed: phantom doctor finds what."
        )
