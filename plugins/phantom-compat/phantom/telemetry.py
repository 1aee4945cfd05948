"""What happens in an env, printed or written to a file: the logger of one process and one env."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from phantom._layer.json_values import plain
from phantom.message import Message
from phantom.metrics import Metric, value_now
from phantom.types import AgentID, StageID

Choice: TypeAlias = bool | Iterable[AgentID] | None
_BLOCKS = ("actions", "observations", "rewards", "terminations", "truncations", "infos", "messages")
_INDENT = "    "


class TelemetryLogger:
    """Prints what envs do, and writes each finished episode as one line of JSON. Both are off at first.

    Attributes:
        is_on: whether anything is printed or written; whoever reports to the logger asks this first.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._is_printing = False
        self._printed: dict[str, bool | list[AgentID]] = dict.fromkeys(_BLOCKS, False)
        self._printed_metrics: dict[str, Metric[Any]] = {}
        self._file: TextIO | None = None
        self._is_readable = False
        self._filed_metrics: dict[str, Metric[Any]] = {}
        self._current_episode: dict[str, Any] | None = None
        self._is_written = True

    # ------------------------------------------------------------------ settings

    def configure_print_logging(
        self,
        enable: bool | None = None,
        print_actions: Choice = None,
        print_observations: Choice = None,
        print_rewards: Choice = None,
        print_terminations: Choice = None,
        print_truncations: Choice = None,
        print_infos: Choice = None,
        print_messages: Choice = None,
        metrics: Mapping[str, Metric[Any]] | None = None,
    ) -> None:
        """Say what is printed; None leaves a setting as it is.

        Args:
            enable: whether anything is printed.
            print_actions: True for those of all agents, False for none, or a list of agent ids.
            print_observations: likewise.
            print_rewards: likewise.
            print_terminations: likewise.
            print_truncations: likewise.
            print_infos: likewise.
            print_messages: likewise; a message is printed if its sender or its receiver is listed.
            metrics: metric by name.
        """
        choices = (
            print_actions,
            print_observations,
            print_rewards,
            print_terminations,
            print_truncations,
            print_infos,
            print_messages,
        )
        for name, choice in zip(_BLOCKS, choices, strict=True):
            if choice is not None:
                self._printed[name] = choice if isinstance(choice, bool) else list(choice)
        if enable is not None:
            self._is_printing = enable
        if metrics is not None:
            self._printed_metrics = dict(metrics)
        self.is_on = self._is_printing or self._file is not None

    def configure_file_logging(
        self,
        file_path: str | Path | None,
        append: bool = True,
        human_readable: bool | None = None,
        metrics: Mapping[str, Metric[Any]] | None = None,
    ) -> None:
        """Say where episodes are written.

        Args:
            file_path: the file; None ends the writing and closes the file.
            append: whether to keep what is in the file.
            human_readable: whether to write one value per line.
            metrics: metric by name.
        """
        if self._file is not None:
            self._file.close()
        self._file = None if file_path is None else Path(file_path).open("a" if append else "w")  # noqa: SIM115  closed when it is set anew
        self._current_episode = None
        if human_readable is not None:
            self._is_readable = human_readable
        if metrics is not None:
            self._filed_metrics = dict(metrics)
        self.is_on = self._is_printing or self._file is not None

    # ------------------------------------------------------------------ called by envs

    def log_reset(self) -> None:
        """Called when an env is reset."""
        if self._file is not None:
            self._write()  # an episode that was broken off
            first: dict[str, Any] = {"messages": [], "metrics": []}
            start = datetime.now().isoformat(sep=" ", timespec="seconds")  # noqa: DTZ005  the user's own time
            self._current_episode = {"start": start, "steps": [first]}
            self._is_written = False
        self._rule("ENV RESET")

    def log_step(self, current_step: int, num_steps: int | None) -> None:
        """Called when a step begins."""
        if self._current_episode is not None:
            self._current_episode["steps"].append({"messages": []})
        self._rule(f"STEP {current_step}/{num_steps}")

    def log_start_decoding_actions(self) -> None:
        """Called before actions are decoded."""
        self._say("DECODING ACTIONS:", is_shown=self._printed["messages"] is not False)

    def log_actions(self, actions: Mapping[AgentID, Any]) -> None:
        """Called with the actions of a step."""
        self._note("actions", actions)
        self._block("actions", actions)

    def log_observations(self, observations: Mapping[AgentID, Any]) -> None:
        """Called with the observations of a step, or of a reset."""
        self._note("observations", observations)
        self._block("observations", observations)

    def log_rewards(self, rewards: Mapping[AgentID, Any]) -> None:
        """Called with the rewards of a step."""
        self._note("rewards", rewards)
        self._block("rewards", rewards, digits=2)

    def log_terminations(self, terminations: Mapping[AgentID, bool]) -> None:
        """Called with who is terminated."""
        self._flags("terminations", terminations)

    def log_truncations(self, truncations: Mapping[AgentID, bool]) -> None:
        """Called with who is truncated."""
        self._flags("truncations", truncations)

    def log_infos(self, infos: Mapping[AgentID, Any]) -> None:
        """Called with the infos of a step."""
        self._note("infos", infos)
        self._block("infos", {agent_id: info for agent_id, info in infos.items() if info})

    def log_step_values(
        self,
        observations: Mapping[AgentID, Any],
        rewards: Mapping[AgentID, Any],
        terminations: Mapping[AgentID, bool],
        truncations: Mapping[AgentID, bool],
        infos: Mapping[AgentID, Any],
    ) -> None:
        """Called with all that a step returns."""
        self.log_observations(observations)
        self.log_rewards(rewards)
        self.log_terminations(terminations)
        self.log_truncations(truncations)
        self.log_infos(infos)

    def log_fsm_transition(self, current_stage: StageID, next_stage: StageID) -> None:
        """Called when an FSM env goes to its next stage."""
        self._note("fsm_current_stage", current_stage)
        self._note("fsm_next_stage", next_stage)
        self._say(f"FSM TRANSITION: {current_stage} --> {next_stage}")

    def log_start_resolving_msgs(self) -> None:
        """Called before messages are delivered."""
        self._say("RESOLVING MESSAGES:", is_shown=self._printed["messages"] is not False)

    def log_resolver_round(self, round_index: int, max_rounds: int | None) -> None:
        """Called before each round of messages; the first is round 0."""
        limit = "Inf" if max_rounds is None else max_rounds
        self._say(f"ROUND {round_index + 1}/{limit}:", 2, is_shown=self._printed["messages"] is not False)

    def log_msg_send(self, message: Message[Any]) -> None:
        """Called when a message is sent."""
        self._message("SEND", message)

    def log_msg_recv(self, message: Message[Any]) -> None:
        """Called when a message is received."""
        if self._current_episode is not None:
            self._current_episode["steps"][-1]["messages"].append(plain(message))
        self._message("RECV", message)

    def log_metrics(self, env: Any) -> None:
        """Called at the end of a step."""
        if self._current_episode is not None and "actions" in self._current_episode["steps"][-1]:
            self._note("metrics", {name: value_now(env, m) for name, m in self._filed_metrics.items()})
        if self._is_printing and self._printed_metrics:
            self._say("METRICS:")
            for name, metric in self._printed_metrics.items():
                self._say(f"{name}: {_text(value_now(env, metric))}", 2)

    def log_episode_done(self) -> None:
        """Called when an episode ended: write it."""
        self._write()
        self._rule("EPISODE DONE")

    # ------------------------------------------------------------------ how

    def _write(self) -> None:
        if self._file is None or self._is_written or self._current_episode is None:
            return
        if len(self._current_episode["steps"]) > 1:
            indent = 2 if self._is_readable else None
            self._file.write(json.dumps(plain(self._current_episode), indent=indent) + "\n")
            self._file.flush()
        self._is_written = True

    def _note(self, name: str, value: Any) -> None:
        if self._current_episode is not None:
            self._current_episode["steps"][-1][name] = plain(value)

    def _flags(self, name: str, flags: Mapping[AgentID, bool]) -> None:
        ids = [agent_id for agent_id, flag in flags.items() if flag and agent_id != "__all__"]
        self._note(name, ids)
        shown = [agent_id for agent_id in ids if self._shows(name, agent_id)]
        if self._printed[name] is not False:
            self._say(f"{name.upper()}: {', '.join(map(str, shown)) or 'None'}")

    def _block(self, name: str, values: Mapping[AgentID, Any], digits: int | None = None) -> None:
        if not self._is_printing or self._printed[name] is False:
            return
        shown = {agent_id: value for agent_id, value in values.items() if self._shows(name, agent_id)}
        self._say(f"{name.upper()}:" if shown else f"{name.upper()}: None")
        for agent_id, value in shown.items():
            self._say(f"{agent_id}: {_text(value, digits)}", 2)

    def _message(self, what: str, message: Message[Any]) -> None:
        if self._shows("messages", message.sender_id) or self._shows("messages", message.receiver_id):
            name, fields = type(message.payload).__name__, vars(message.payload)
            text = ", ".join(f"{key}: {_text(value)}" for key, value in fields.items())
            self._say(f"MSG {what}: {message.sender_id} --> {message.receiver_id}  {name}({text})", 2)

    def _shows(self, name: str, agent_id: AgentID) -> bool:
        choice = self._printed[name]
        return choice if isinstance(choice, bool) else agent_id in choice

    def _rule(self, text: str) -> None:
        for line in ("=" * 80, text, "=" * 80):
            self._say(line, 0)

    def _say(self, text: str, depth: int = 1, *, is_shown: bool = True) -> None:
        if self._is_printing and is_shown:
            sys.stdout.write(_INDENT * depth + text + "\n")


def _text(value: Any, digits: int | None = None) -> str:
    try:
        return f"{value:.{2 if digits is None else digits}f}" if isinstance(value, float) else str(value)
    except TypeError:
        return str(value)


logger = TelemetryLogger()
