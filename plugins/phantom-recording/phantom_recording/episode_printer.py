"""`EpisodePrinter`: what happens in an env as text, live or from a recording."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TextIO

import numpy as np

import phantom_core as ph
from phantom_recording.json_values import id_text
from phantom_recording.recorded_episodes import (
    LineReader,
    RecordedEpisode,
    RecordedMessage,
    RecordedStep,
    reset_of,
)
from phantom_recording.recorded_rows import EndRow, StartRow

_MANY: Final = 32
"""Of more numbers a summary is printed."""

_NUMBERS: Final = (int, float, bool)

KINDS: Final = (
    "actions",
    "messages",
    "observations",
    "rewards",
    "terminations",
    "truncations",
    "infos",
    "metrics",
)


class EpisodePrinter:
    """Prints what a `Recorder` hands to it: `env.recorder = Recorder(EpisodePrinter())`.

    ```text
    ──── episode 0 · SupplyChainEnv · seed 1
    step 1 · simultaneous
      actions
        SHOP  [10.0]
      messages
        1  SHOP → FACTORY  StockRequest(size=10)
        2  FACTORY → SHOP  StockResponse(size=10)
      rewards
        SHOP  -1.0
    ```

    What is empty is left out; where agents are chosen, so are the steps in which nothing is about them. Of
    many numbers, as in a world of arrays, it says how many there are, the least, the greatest and the mean.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        agents: Collection[ph.AgentID] | None = None,
        kinds: Collection[str] | None = None,
    ) -> None:
        """Choose what to print.

        Args:
            stream: where to print; default: the standard output.
            agents: print of these agents only, and messages that they send or receive.
            kinds: print only these: actions, messages, observations, rewards, terminations,
                truncations, infos, metrics.

        Raises:
            ConfigError: for a kind that there is not.
        """
        for kind in () if kinds is None else kinds:
            if kind not in KINDS:
                raise ph.errors.ConfigError(
                    f"EpisodePrinter got the kind {kind!r}.{ph.tools.did_you_mean(kind, KINDS)} Expected "
                    f"some of: {ph.tools.listing(KINDS)}."
                )
        self._stream = stream
        self._names = None if agents is None else {id_text(agent_id) for agent_id in agents}
        self._kinds = [kind for kind in KINDS if kinds is None or kind in kinds]
        self._reader = LineReader()
        self._episode = -1

    def write(self, data: bytes, /) -> None:
        """Print lines of a recording."""
        for line in data.splitlines():
            row = self._reader.read(line)
            if isinstance(row, StartRow):
                self._episode += 1
                self._print(_head(self._episode, row.env_class, row.seed))
                self.show_step(reset_of(row))
            elif isinstance(row, EndRow):
                self._end(row.num_steps, row.metrics, is_finished=row.is_finished)
            elif row is not None:
                self.show_step(row)

    def show(self, episode: RecordedEpisode, number: int) -> None:
        """Print an episode.

        Raises:
            RecordingError: if a value is nested too deeply to be printed.
        """
        self._print(_head(number, episode.env_class, episode.seed))
        for step in episode.steps:
            try:
                self.show_step(step)
            except RecursionError as error:
                message = f"Step {step.step} of episode {number} cannot be shown: it is nested too deeply."
                raise ph.errors.RecordingError(message) from error
        self._end(episode.num_steps, episode.metrics, is_finished=episode.is_finished)

    def show_step(self, step: RecordedStep) -> None:
        """Print a step."""
        found = {kind: list(self._lines(kind, step)) for kind in self._kinds}
        if self._names is not None and not any(found.values()):
            return
        self._print("reset" if step.step == 0 else f"step {step.step} · {_turns(step)}")
        for kind, lines in found.items():
            if lines:
                self._print(f"  {kind}", *(f"    {line}" for line in lines))

    def flush(self) -> None:
        """Hand what was printed to whoever reads it."""
        (self._stream or sys.stdout).flush()

    def close(self) -> None:
        """Leave the stream open: it is not ours."""

    def _lines(self, kind: str, step: RecordedStep) -> Iterator[str]:
        values = getattr(step, kind)
        if kind == "messages":
            yield from self._message_lines(values)
        elif kind in ("terminations", "truncations"):
            who = step.members.get(kind, {})
            ended = [name for name in values if self._is_chosen(name) or name == ph.tools.ALL]
            if ended:
                yield ", ".join(f"{_members(who[name])} of {name}" if name in who else name for name in ended)
        elif isinstance(values, Mapping):
            chosen = {
                name: value
                for name, value in values.items()
                if (kind == "metrics" or self._is_chosen(name)) and not (kind == "infos" and not value)
            }
            width = max(map(len, chosen), default=0)
            for name, value in chosen.items():
                yield f"{name:<{width}}  {_text(_bare(value) if kind == 'actions' else value)}"

    def _message_lines(self, messages: Iterable[RecordedMessage]) -> Iterator[str]:
        for message in messages:
            if self._is_chosen(message.sender_id) or self._is_chosen(message.receiver_id):
                number, values = _of_one(message.fields)
                fields = ", ".join(f"{name}={_text(value)}" for name, value in values.items())
                route = f"{message.sender_id} → {message.receiver_id}"
                yield f"{message.round}  {route}  {number}{message.payload_class}({fields})"

    def _is_chosen(self, name: str) -> bool:
        return self._names is None or name in self._names

    def _end(self, num_steps: int, metrics: Mapping[str, Any], *, is_finished: bool) -> None:
        steps = "1 step" if num_steps == 1 else f"{num_steps} steps"
        self._print(f"──── {'finished' if is_finished else 'left unfinished'} after {steps}")
        for name, value in metrics.items() if "metrics" in self._kinds else ():
            self._print(f"  {name}  {_text(value)}")

    def _print(self, *lines: str) -> None:
        stream = self._stream or sys.stdout  # looked up late: it may be another one by now
        stream.write("\n".join(ph.writing.printable(line, on_one_line=True) for line in lines) + "\n")


def _head(number: int, env_class: str, seed: int | None) -> str:
    return f"──── episode {number} · {env_class} · seed {seed}"


def _turns(step: RecordedStep) -> str:
    return f"{step.turn}" if step.turn == step.next_turn else f"{step.turn} ──▶ {step.next_turn}"


def _bare(action: Any) -> Any:
    """Return an action without its type."""
    match action:
        case {"dtype": _, "array": value} | {"dtype": _, "scalar": value}:
            return value
        case {"list": list(parts)} | {"tuple": list(parts)}:
            return [_bare(part) for part in parts]
        case {"dict": dict(parts)}:
            return {key: _bare(part) for key, part in parts.items()}
    return action


def _members(numbers: Any) -> str:
    """Return members of a population as text.

    >>> _members(np.array([3])), _members(np.array([3, 5]))
    ('member 3', '2 members')
    """
    return f"member {numbers[0]}" if len(numbers) == 1 else f"{len(numbers):,} members"


def _of_one(fields: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return how many messages there are, as text, and their fields; of a single one, its values."""
    first = next(iter(fields.values()), None)
    if not isinstance(first, np.ndarray):
        return "", fields
    if len(first) == 1:
        return "", {name: values[0] for name, values in fields.items()}
    return f"{len(first):,} ", fields


def _summary(values: Any) -> str:
    """Return what many numbers are like.

    >>> _summary(np.arange(1000)), _summary(np.ones(100)), _summary(np.ones((100, 3), bool))
    ('<1,000 numbers: 0 to 999, mean 499.5>', '<100 numbers: all 1.0>', '<100 × 3 bools: 300 true>')
    """
    shape = " × ".join(f"{length:,}" for length in values.shape)
    if values.dtype.kind == "b":
        return f"<{shape} bools: {int(values.sum()):,} true>"
    low, high, mean = (_text(function(values).item()) for function in (np.min, np.max, np.mean))
    return f"<{shape} numbers: {f'all {low}' if low == high else f'{low} to {high}, mean {mean}'}>"


def _text(value: Any) -> str:
    """Return a value as text, numbers with at most six digits."""
    if isinstance(value, (np.ndarray, np.generic)):
        if value.size > _MANY:
            return _summary(value)
        value = value.tolist()
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(value, list) and len(value) > _MANY and all(type(part) in _NUMBERS for part in value):
        return _summary(np.array(value))
    if isinstance(value, float):
        return f"{value:.6g}" if not value.is_integer() else f"{value:.1f}"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(part)}" for key, part in value.items()) + "}"
    return str(value)
