"""`Recorder`: writes what happens in an env, step by step, as lines of JSON."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Final, Protocol, Self

import msgspec

import phantom_core as ph
from phantom_recording.json_values import to_plain
from phantom_recording.recorded_rows import FORMAT, PURPOSE, EndRow, StartRow, made_of, with_checksum
from phantom_recording.step_encoder import StepEncoder

_CHUNK: Final = 1 << 16
"""Bytes that are gathered before they are written in the middle of an episode; more fill the caches."""


class Sink(Protocol):
    """Where the lines go: a binary file, an `EpisodePrinter`, or anything that takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take whole lines."""

    def flush(self) -> object:
        """Called at the end of each episode."""

    def close(self) -> object:
        """Called when the recorder is closed."""


class Recorder:
    """Writes every episode of one env: `env.recorder = Recorder("episodes.jsonl")`.

    One line of JSON for the reset, one for each step and one for the end. All values are copied at
    once. An episode that is left before its end is written as far as it got, and marked.

    Recording starts at the next reset. `close()`, `env.close()` or the end of a `with` block closes the
    file; `env.recorder = None` only stops. Without an episode the file stays as it was, or is not there.
    Copies of the env record nothing.
    """

    def __init__(
        self,
        target: str | Path | Sink,
        *,
        env_config: Mapping[str, Any] | None = None,
        metrics: Mapping[str, ph.Metric] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Open the file.

        Args:
            target: the file to write; or an object to write to, such as an `EpisodePrinter`.
            env_config: what the env was made with, so that `replay` can make it again; secrets in it are
                masked, see `ph.secrets`.
            metrics: metric by name, to read in each step and to reduce at the end of an episode, with
                mode `"evaluate"`.
            overwrite: whether to replace a file that has something in it.

        Raises:
            RecordingError: if the file cannot be written, or has something in it.
        """
        self._path = Path(target) if isinstance(target, (str, Path)) else None
        self._sink: Sink | None = (
            target if not isinstance(target, (str, Path)) else _opened(target, overwrite=overwrite)
        )
        self._checksum = 0  # of the lines of the episode that were handed over
        self._env_config = to_plain(ph.secrets.masked({} if env_config is None else env_config))
        self._metrics = dict(metrics or {})
        self._values: dict[str, list[Any]] = {}
        self._encoder = StepEncoder()
        self._env: ph.PhantomEnv | None = None
        self._reference: str | None = None
        self._signature = ""
        self._network: ph.Network | None = None
        self._num_steps: int | None = None  # of the episode that is being written

    def close(self) -> None:
        """Finish what was written, close the file, and leave the env without a recorder."""
        env = self._env
        if env is not None and env.recorder is self:
            env.recorder = None  # which detaches
        if self._sink is not None:
            with self._writing():
                self._sink.close()
            self._sink = None

    # ------------------------------------------------------------------ what the env calls

    def attach(self, env: ph.PhantomEnv) -> None:
        """Called when it is set as the recorder of an env.

        Raises:
            RecordingError: if it is closed, or records another env.
        """
        if self._env not in (None, env):
            raise ph.errors.RecordingError(
                f"This Recorder already records another {type(self._env).__name__}. Make one for each env."
            )
        if self._sink is None:
            raise ph.errors.RecordingError("This Recorder is closed. Make another one.")
        self._env = env
        self._reference = ph.tools.reference_to(type(env))
        self._signature = ph.trust.sign(PURPOSE, made_of(self._reference, self._env_config))

    def detach(self) -> None:
        """Called when the env gets another recorder, or none: finish what was written."""
        self._end_episode(is_finished=False)
        self._watch(None)
        self._env = None

    def on_reset(
        self,
        env: ph.PhantomEnv,
        turn: ph.Turn,
        observations: Mapping[ph.AgentID, ph.Observation],
        infos: Mapping[ph.AgentID, Mapping[str, Any]],
    ) -> None:
        """Called after each reset."""
        self._end_episode(is_finished=False)
        self._watch(env.network)
        self._values = {}
        self._write(
            StartRow(
                format=FORMAT,
                seed=env.episode_seed,
                env_class=type(env).__name__,
                agents=self._encoder.names(env),
                env=self._reference,
                env_config=self._env_config,
                next_turn=to_plain(turn.name),
                observations=to_plain(observations),
                infos=to_plain(infos),
                signature=self._signature,
            )
        )
        self._num_steps = 0

    def on_step(
        self,
        env: ph.PhantomEnv,
        turns: tuple[ph.Turn, ph.Turn | None],
        actions: Mapping[ph.AgentID, ph.Action],
        result: ph.StepResult,
    ) -> None:
        """Called after each step."""
        if self._num_steps is None:  # it was set in the middle of an episode
            return
        metrics = self._measure(env) if self._metrics else {}
        try:
            self._encoder.add_step(self._num_steps + 1, env, turns, actions, result, metrics)
        except BaseException:  # there is no step after one that is missing
            self._end_episode(is_finished=False)
            raise
        self._num_steps += 1
        if turns[1] is None:
            self._end_episode(is_finished=True)
        elif len(self._encoder.lines) > _CHUNK or self._path is None:
            self._hand_over()

    # ------------------------------------------------------------------ how it is written

    def _measure(self, env: ph.PhantomEnv) -> dict[str, Any]:
        """Read the metrics after a step."""
        found: dict[str, list[Any]] = {}
        ph.metrics.record_metrics(env, self._metrics, found)
        for name, values in found.items():
            self._values.setdefault(name, []).extend(values)
        return {name: to_plain(values[-1]) for name, values in found.items()}

    def _end_episode(self, *, is_finished: bool) -> None:
        if self._num_steps is None:
            return
        reduced = to_plain(ph.metrics.reduce_metrics(self._metrics, self._values, "evaluate"))
        self._hand_over()
        end = EndRow(num_steps=self._num_steps, is_finished=is_finished, metrics=reduced)
        self._num_steps = None
        self._encoder.add(end)
        self._encoder.lines[:] = with_checksum(self._encoder.lines, self._checksum)
        self._hand_over()
        self._checksum = 0
        if self._sink is not None:
            with self._writing():
                self._sink.flush()

    def _write(self, row: msgspec.Struct) -> None:
        self._encoder.add(row)
        if self._path is None:
            self._hand_over()

    def _hand_over(self) -> None:
        lines = self._encoder.lines
        self._checksum = zlib.crc32(lines, self._checksum)
        if self._sink is not None:
            with self._writing():
                self._sink.write(bytes(lines))
        lines.clear()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise `RecordingError` if the file cannot be written; it is closed then, and removed if empty."""
        try:
            yield
        except OSError as error:
            sink, self._sink, path = self._sink, None, self._path
            if path is None:
                raise
            with contextlib.suppress(OSError):  # raises again what it could not write
                sink and sink.close()
            with contextlib.suppress(OSError):
                if not path.stat().st_size:
                    path.unlink()
            raise ph.errors.RecordingError(
                f"The recording {path} cannot be written: {error.strerror}. What was written before may be "
                "there; record to another file."
            ) from error

    def _watch(self, network: ph.Network | None) -> None:
        """Get the messages of a network, and no longer those of another one."""
        if self._network is not None:
            self._network.recorder = None
        if network is not None:
            network.recorder = self._encoder
        self._network = network

    def __enter__(self) -> Self:
        """Return the recorder."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close it."""
        self.close()

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Leave the recorder out of copies and pickles of its env: they have none."""
        return NoneType, ()


class _RecordingFile:
    """A file that stays as it was, also if that is not there, until the first lines come."""

    def __init__(self, path: Path) -> None:
        self._path, self._is_empty = path, True
        try:
            self._file, self._is_new = path.open("xb"), True
        except FileExistsError:
            self._file, self._is_new = path.open("ab"), False
        self._inode = path.stat().st_ino

    def write(self, data: bytes) -> None:
        """Take whole lines; the first ones replace what was in the file."""
        if self._is_empty and not self._is_new and self._path.is_file():
            self._file.truncate(0)
        self._is_empty = False
        self._file.write(data)

    def flush(self) -> None:
        """Hand all lines to the system."""
        self._file.flush()

    def close(self) -> None:
        """Close the file; raise `OSError` if what was written is not there any more."""
        self._file.close()
        if self._is_empty and self._is_new:
            self._path.unlink(missing_ok=True)
        elif self._path.stat().st_ino != self._inode:
            raise FileNotFoundError(0, "It was replaced by another file")


def _opened(path: str | Path, *, overwrite: bool) -> Sink:
    try:
        if not overwrite and Path(path).is_file() and Path(path).stat().st_size:
            raise ph.errors.RecordingError(
                f"The recording {path} exists already. Record to another file, delete this one, or "
                "replace it: Recorder(…, overwrite=True), or phantom record --overwrite."
            )
        return _RecordingFile(Path(path))
    except OSError as error:
        raise ph.errors.RecordingError(
            f"The recording {path} cannot be written: {error.strerror}."
        ) from error
