"""The logger `console`: the whole text that people see, by a clock that the tests hold."""

import io
import json
import logging
import math
import re
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import phantom_core as ph
from phantom_console import ConsoleConfig, ConsoleLogger
from phantom_console.console_logger import PatientConsole

STYLE = re.compile(r"\x1b\[[0-9;]*m")
HIDE_CURSOR, SHOW_CURSOR, ERASE_LINE = "\x1b[?25l", "\x1b[?25h", "\x1b[2K"


class Terminal(io.StringIO):
    """A terminal that keeps what was written to it."""

    def isatty(self) -> bool:
        return True

    @property
    def num_views(self) -> int:
        """How often a live view was drawn."""
        return STYLE.sub("", self.getvalue()).count("iterations ")

    @property
    def last_view(self) -> str:
        """What follows the last erased line."""
        return self.getvalue().rpartition(ERASE_LINE)[2]


class TimedLogger(ConsoleLogger):
    """Prints where every `ConsoleLogger` does, by the clock `seconds`."""

    seconds = 0.0

    def make_console(self) -> Console:
        console = super().make_console()
        console.get_time = lambda: self.seconds
        return console

    def start(self, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "run_name": "chain-1",
            "run_directory": Path("runs", "chain-1"),
            "trainer_name": "q-learning",
            "num_iterations": 4,
            "total_steps": None,
            "seed": 7,
        }
        self.on_train_start(ph.TrainStart(**{**fields, **changes}))

    def iterate(
        self, iteration: int, values: Mapping[str, float], *, seconds: float = 1.0, steps: int = 100
    ) -> None:
        """Make an iteration that takes some seconds and env steps."""
        env_steps = steps * (iteration + 1)
        self.on_iteration_start(ph.IterationStart(iteration=iteration, env_steps=steps * iteration))
        self.seconds += seconds
        self.record(values, iteration, env_steps)
        self.on_iteration_end(ph.IterationEnd(iteration=iteration, env_steps=env_steps, values=values))

    def record(self, values: Mapping[str, float], iteration: int = 3, env_steps: int = 400) -> None:
        self.on_metrics(ph.MetricsRecorded(iteration=iteration, env_steps=env_steps, values=values))

    def end(self, status: Any = "completed", **changes: Any) -> None:
        fields: dict[str, Any] = {"iterations": 4, "env_steps": 400}
        self.on_train_end(ph.TrainEnd(status=status, **{**fields, **changes}))


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "64"), ("LINES", "40")):
        monkeypatch.setenv(name, value)


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal behind the standard error stream, one without colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def rows(text: str) -> list[str]:
    """Return the lines of a text without styles and padding."""
    return [line.rstrip() for line in STYLE.sub("", text).strip("\n").splitlines()]


# ---- the output is no terminal ----


def test_a_run_is_a_heading_the_first_line_one_per_interval_the_last_line_and_a_summary(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = TimedLogger(interval=2.0)
    logger.start()
    logger.iterate(0, {"rewards/SHOP": -1.5, "stock": 12.0, "time/iteration_seconds": 1.0})
    logger.iterate(1, {"rewards/SHOP": -1.25, "stock": 12.5})
    logger.iterate(2, {"rewards/SHOP": 0.123456, "stock": 12345.6})
    logger.iterate(3, {"rewards/SHOP": 0.5, "stock": math.nan})
    logger.record({"eval/mean_return": 801.32})
    logger.end()
    assert rows(capsys.readouterr().err) == [
        "chain-1: q-learning, 4 iterations, seed 7",
        f"Run directory: {Path('runs', 'chain-1')}",
        "1 of 4 iterations, 100 env steps, 1.0 s, 3.0 s left: rewards/SHOP -1.5, stock 12",
        "3 of 4 iterations, 300 env steps, 3.0 s, 1.0 s left: rewards/SHOP 0.1235, stock 12346",
        "4 of 4 iterations, 400 env steps, 4.0 s: eval/mean_return 801.3, rewards/SHOP 0.5, stock nan",
        "Completed: 4 iterations, 400 env steps in 4.0 s.",
    ]


def test_nothing_goes_to_the_standard_output_stream(capsys: pytest.CaptureFixture[str]) -> None:
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"a": 1.0})
    logger.end()
    assert capsys.readouterr().out == ""


def test_a_line_that_says_nothing_new_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logger = TimedLogger(interval=0.0)
    logger.start(num_iterations=1, run_directory=None)
    logger.iterate(0, {"a": 1.0})
    logger.end(iterations=1, env_steps=100)
    assert rows(capsys.readouterr().err) == [
        "chain-1: q-learning, 1 iteration, seed 7",
        "1 of 1 iteration, 100 env steps, 1.0 s: a 1",
        "Completed: 1 iteration, 100 env steps in 1.0 s.",
    ]


def test_a_run_may_be_limited_by_env_steps(capsys: pytest.CaptureFixture[str]) -> None:
    logger = TimedLogger()
    logger.start(num_iterations=None, total_steps=1000, run_directory=None)
    logger.iterate(0, {})
    logger.end(iterations=1, env_steps=100)
    assert rows(capsys.readouterr().err) == [
        "chain-1: q-learning, 1,000 env steps, seed 7",
        "1 iteration, 100 of 1,000 env steps, 1.0 s, 9.0 s left",
        "Completed: 1 iteration, 100 of 1,000 env steps in 1.0 s.",
    ]


def test_with_two_limits_the_nearer_one_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    logger = TimedLogger()
    logger.start(num_iterations=4, total_steps=200, run_directory=None)
    logger.iterate(0, {})
    logger.end(iterations=1, env_steps=100)
    assert rows(capsys.readouterr().err)[:2] == [
        "chain-1: q-learning, 4 iterations or 200 env steps, seed 7",
        "1 of 4 iterations, 100 of 200 env steps, 1.0 s, 1.0 s left",
    ]


def test_env_steps_are_left_out_if_the_trainer_counts_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = TimedLogger()
    logger.start(num_iterations=None, run_directory=None)
    logger.iterate(0, {}, steps=0)
    logger.end(iterations=1, env_steps=0)
    assert rows(capsys.readouterr().err) == [
        "chain-1: q-learning, seed 7",
        "1 iteration, 1.0 s",
        "Completed: 1 iteration in 1.0 s.",
    ]


def test_values_from_before_the_first_iteration_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = TimedLogger()
    logger.start(run_directory=None)
    logger.record({"eval/mean_return": 1.0}, -1, 0)
    logger.iterate(0, {"stock": 2.0})
    logger.end()
    assert rows(capsys.readouterr().err)[1].endswith(": eval/mean_return 1, stock 2")


def test_a_run_that_goes_on_from_iteration_500_is_timed_from_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = TimedLogger()
    logger.start(num_iterations=510)
    logger.iterate(500, {})
    logger.end()
    assert "501 of 510 iterations, 50,100 env steps, 1.0 s, 9.0 s left" in capsys.readouterr().err


def test_a_resumed_run_says_after_how_much_and_goes_on_from_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, after = TimedLogger(quiet=True), TimedLogger(interval=0.0)
    before.start()
    for iteration, stock in enumerate([10.0, 12.0]):
        before.iterate(iteration, {"stock": stock})
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    after.start(is_resumed=True)
    after.iterate(2, {"stock": 15.0})
    after.iterate(3, {"stock": 11.0})
    after.end()
    assert rows(capsys.readouterr().err) == [
        "chain-1: q-learning, 4 iterations, seed 7",
        "Resumed after 2 iterations, 200 env steps.",
        f"Run directory: {Path('runs', 'chain-1')}",
        "3 of 4 iterations, 300 env steps, 1.0 s, 1.0 s left: stock 15",
        "4 of 4 iterations, 400 env steps, 2.0 s: stock 11",
        "Completed: 4 iterations, 400 env steps in 2.0 s.",
    ]


def test_the_view_of_a_resumed_run_has_the_bar_and_the_changes_of_the_whole_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal(monkeypatch)
    before, after = TimedLogger(quiet=True), TimedLogger()
    before.start()
    before.iterate(0, {"stock": 10.0})
    after.load_state_dict(before.state_dict())
    after.start(is_resumed=True)
    after.on_iteration_start(ph.IterationStart(iteration=1, env_steps=100))
    assert "25 %" in terminal.last_view
    after.iterate(1, {"stock": 15.0})
    after.end()
    assert "50 %" in terminal.getvalue()
    assert re.search(r"stock +15 +\+5 *$", STYLE.sub("", terminal.getvalue()), re.MULTILINE)


def test_a_run_that_it_did_not_follow_before_is_resumed_too(capsys: pytest.CaptureFixture[str]) -> None:
    logger = TimedLogger()
    logger.start(is_resumed=True, run_directory=None)
    assert rows(capsys.readouterr().err) == ["chain-1: q-learning, 4 iterations, seed 7", "Resumed."]
    logger.end()


@pytest.mark.parametrize(
    ("status", "reasons", "expected"),
    [
        ("completed", (), "Completed: 4 iterations, 400 env steps in 0.0 s."),
        (
            "stopped",
            ("early-stop: no progress", "mine: enough"),
            "Stopped: 4 iterations, 400 env steps in 0.0 s. Reason: early-stop: no progress; mine: enough.",
        ),
        (
            "interrupted",
            ("SIGINT",),
            "Interrupted: 4 iterations, 400 env steps in 0.0 s. Reason: SIGINT.",
        ),
        ("failed", (), "Failed: 4 iterations, 400 env steps in 0.0 s."),
    ],
)
def test_the_summary_says_how_the_run_ended(
    capsys: pytest.CaptureFixture[str], status: str, reasons: tuple[str, ...], expected: str
) -> None:
    logger = TimedLogger()
    logger.start()
    logger.end(status, stop_reasons=reasons)
    assert rows(capsys.readouterr().err)[-1] == expected


def test_each_plugin_that_failed_has_a_line_after_the_summary(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = TimedLogger()
    logger.start()
    logger.end(hook_failures=("Plugin 'a' failed once in x: E: [b]", "Plugin 'c' failed twice."))
    assert rows(capsys.readouterr().err)[-2:] == [
        "Problem: Plugin 'a' failed once in x: E: [b]",
        "Problem: Plugin 'c' failed twice.",
    ]


def test_quiet_prints_problems_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    logger = TimedLogger(quiet=True)
    logger.start()
    logger.iterate(0, {"a": 1.0})
    logger.end()
    assert capsys.readouterr() == ("", "")
    logger.start()
    logger.end(hook_failures=("Plugin 'a' failed.",))
    assert capsys.readouterr().err == "Problem: Plugin 'a' failed.\n"


@pytest.mark.parametrize(
    ("directory", "hint"),
    [(Path("runs", "chain-1"), " To evaluate it: phantom evaluate runs/chain-1"), (None, "")],
)
def test_quiet_says_how_a_run_ended_early_and_how_to_use_it(
    capsys: pytest.CaptureFixture[str], directory: Path | None, hint: str
) -> None:
    logger = TimedLogger(quiet=True)
    logger.start(run_directory=directory)
    logger.end("interrupted", stop_reasons=("SIGINT",))
    assert capsys.readouterr().err == (
        f"Interrupted: 4 iterations, 400 env steps in 0.0 s. Reason: SIGINT.{hint}\n"
    )


def test_the_summary_names_the_env_steps_that_were_asked_for_beside_those_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = TimedLogger()
    logger.start(num_iterations=None, total_steps=390)
    logger.end()
    assert rows(capsys.readouterr().err)[-1] == "Completed: 4 iterations, 400 of 390 env steps in 0.0 s."


def test_every_group_of_values_gets_its_share_of_max_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [f"rewards/{i}" for i in range(50)] + ["rewards/group", "p/loss", "stock", "eval/x"]
    logger = TimedLogger(max_rows=6)
    logger.start()
    logger.iterate(0, dict.fromkeys(names, 1.0))
    logger.end()
    shown = rows(capsys.readouterr().err)[2].partition("left: ")[2]
    assert shown == "eval/x 1, rewards/group 1, rewards/0 1, rewards/1 1, stock 1, p/loss 1"


def test_names_are_text_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    logger = TimedLogger()
    logger.start(run_name="[bold]x[/]", run_directory=Path("[red]"))
    logger.iterate(0, {"[link]:smile:": 1.0})
    logger.end()
    printed = rows(capsys.readouterr().err)
    assert printed[0].startswith("[bold]x[/]: q-learning")
    assert printed[1] == "Run directory: [red]"
    assert printed[2].endswith(": [link]:smile: 1")


def test_an_end_without_a_start_and_a_second_end_print_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = TimedLogger()
    logger.end("failed")
    assert capsys.readouterr().err == ""
    logger.start()
    logger.end()
    capsys.readouterr()
    logger.end()
    assert capsys.readouterr().err == ""


def test_one_logger_may_follow_one_run_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    logger = TimedLogger()
    texts = []
    for _ in range(2):
        logger.start()
        logger.iterate(0, {"a": 1.0})
        logger.end()
        texts.append(capsys.readouterr().err)
    assert texts[0] == texts[1]


def test_a_program_without_standard_streams_prints_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, None)
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"a": 1.0})
    logger.end()


class FailingTrainer(ph.Trainer):
    """Fails in its second iteration."""

    policy_class = ph.RandomPolicy

    def training_step(self, *_: Any) -> None:
        self.log_scalar("loss", 0.5)
        if self.run.iteration == 1:
            raise RuntimeError("broken")


def test_a_run_follows_it_by_name_until_an_exception_ends_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        ph.train(
            FailingTrainer,
            env="gymnasium",
            env_config={"env": "FrozenLake-v1"},
            num_iterations=5,
            loggers=["console"],
            seed=3,
            name="lake",
            run_dir=None,
        )
    heading, first, summary = rows(capsys.readouterr().err)
    assert heading == "lake: FailingTrainer, 5 iterations, seed 3"
    assert first.startswith("1 of 5 iterations, ")
    assert first.endswith(": loss 0.5")
    assert summary.startswith("Failed: 1 iteration in ")


# ---- settings ----


def test_settings_have_defaults() -> None:
    assert ConsoleLogger().config == ConsoleConfig(quiet=False, interval=10.0, max_rows=12)


@pytest.mark.parametrize("setting", [{"interval": -1.0}, {"max_rows": -1}])
def test_negative_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        ConsoleLogger(**setting)
    ((name, value),) = setting.items()
    assert str(caught.value) == f"ConsoleLogger: {name} is {value}. Expected 0 or more."


# ---- the output is a terminal ----


def test_the_live_view_has_a_bar_the_rates_and_the_newest_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal(monkeypatch)
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"rewards/SHOP": -1.5, "shop/epsilon": 0.2, "lost": 3.0, "time/s": 1.0})
    logger.iterate(1, {"rewards/SHOP": 7.25, "shop/epsilon": 0.19, "lost": 3.0})
    assert rows(terminal.last_view) == [
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━                              50 %",
        "iterations   2 of 4   1/s",
        "env steps    200      100/s",
        "time         2.0 s    2.0 s left",
        "",
        "                    newest   change",
        "rewards   SHOP      7.25     +8.75",
        "metrics   lost      3",
        "shop      epsilon   0.19     -0.01",
    ]
    logger.end()


def test_the_live_view_stays_below_the_heading_and_above_the_summary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal(monkeypatch)
    logger = TimedLogger()
    logger.start(num_iterations=None)
    logger.iterate(0, {})
    logger.end(iterations=1, env_steps=100)
    assert rows(terminal.getvalue().partition(HIDE_CURSOR)[0]) == [
        "chain-1: q-learning, seed 7",
        f"Run directory: {Path('runs', 'chain-1')}",
    ]
    assert rows(terminal.last_view.replace(SHOW_CURSOR, "")) == [
        "iterations   1       1/s",
        "env steps    100     100/s",
        "time         1.0 s",
        "",
        "Completed: 1 iteration, 100 env steps in 1.0 s.",
    ]


def test_the_view_is_drawn_at_most_eight_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    logger = TimedLogger()
    logger.start(num_iterations=1000)
    for iteration in range(1000):
        logger.iterate(iteration, {"a": 1.0}, seconds=1 / 512)
    drawn_before_the_end = terminal.num_views
    logger.end()
    assert drawn_before_the_end == 17  # at the start, then every 1/8 of 1.95 seconds
    assert terminal.num_views == 18


@pytest.mark.parametrize("status", ["completed", "stopped", "interrupted", "failed"])
def test_every_ending_gives_back_the_cursor_and_the_streams(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    terminal = open_terminal(monkeypatch)
    stdout = Terminal()
    monkeypatch.setattr(sys, "stdout", stdout)
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"a": 1.0})
    assert HIDE_CURSOR in terminal.getvalue()
    assert SHOW_CURSOR not in terminal.getvalue()
    logger.on_exception(ph.TrainFailed(iteration=1, exception=KeyboardInterrupt()))
    logger.end(status)
    assert terminal.getvalue().rpartition(HIDE_CURSOR)[2].count(SHOW_CURSOR) == 1
    assert (sys.stdout, sys.stderr) == (stdout, terminal)


def test_what_is_printed_and_logged_meanwhile_is_above_the_view(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", Terminal())
    handler = logging.StreamHandler(terminal)
    log = logging.getLogger("test_console_logger")
    log.addHandler(handler)
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"a": 1.0})
    sys.stdout.write("printed\n")
    log.warning("logged")
    logger.end()
    log.removeHandler(handler)
    after_erasing = [part.partition("\n")[0] for part in terminal.getvalue().split(ERASE_LINE)]
    assert {"printed", "logged"} <= set(after_erasing)
    assert handler.stream is terminal


def test_a_standard_output_that_is_a_file_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"a": 1.0})
    sys.stdout.write("a result\n")
    logger.end()
    assert file.getvalue() == "a result\n"
    assert "a result" not in terminal.getvalue()


def test_no_thread_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    open_terminal(monkeypatch)
    before = threading.enumerate()
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"a": 1.0})
    assert threading.enumerate() == before
    logger.end()


def test_in_a_narrow_terminal_names_are_cut_and_numbers_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"rewards/the agent with the very long name": 0.0001234, "shop/loss": 12345})
    assert rows(terminal.last_view)[4:] == [
        "",
        "                           newest",
        "rewards   the agent wit…       0.0001234",
        "shop      loss             12345",
    ]
    logger.end()


def test_in_a_low_terminal_there_are_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    monkeypatch.setenv("LINES", "11")
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {f"value {i}": 1.0 for i in range(9)})
    assert len(rows(terminal.last_view)) < 11
    assert rows(terminal.last_view)[-1] == "and 7 more"
    logger.end()


def test_no_color_prints_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"a": 1.0})
    logger.end()
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", terminal.getvalue())


@pytest.mark.parametrize(
    "make_plain",
    [
        lambda monkeypatch: monkeypatch.setenv("TERM", "dumb"),
        lambda monkeypatch: monkeypatch.setattr(Terminal, "isatty", lambda _: False),
        lambda monkeypatch: [
            monkeypatch.setattr(Terminal, "isatty", lambda _: False),
            monkeypatch.setenv("FORCE_COLOR", "1"),
        ],
    ],
    ids=["dumb terminal", "file", "file with FORCE_COLOR"],
)
def test_elsewhere_there_are_lines_instead_of_a_live_view(
    monkeypatch: pytest.MonkeyPatch,
    make_plain: Callable[[pytest.MonkeyPatch], object],
) -> None:
    terminal = open_terminal(monkeypatch)
    make_plain(monkeypatch)
    logger = TimedLogger()
    logger.start()
    logger.iterate(0, {"a": 1.0})
    logger.end()
    assert HIDE_CURSOR not in terminal.getvalue()
    assert "1 of 4 iterations, 100 env steps, 1.0 s, 3.0 s left: a 1\n" in terminal.getvalue()


def test_a_run_in_a_thread_prints_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)

    def train() -> None:
        logger = TimedLogger()
        logger.start()
        logger.iterate(0, {"a": 1.0})
        logger.end()

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert HIDE_CURSOR not in terminal.getvalue()
    assert "1 of 4 iterations, 100 env steps, 1.0 s, 3.0 s left: a 1\n" in terminal.getvalue()


class ClosedPipe(io.StringIO):
    """A stream that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_closed_pipe_silences_the_display_and_never_ends_the_run() -> None:
    console = PatientConsole(file=ClosedPipe())
    console.print("nobody reads this")
    assert console.quiet
