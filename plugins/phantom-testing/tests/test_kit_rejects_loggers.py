"""Every broken logger fails exactly its own check, with this message; the correct one fails none."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from phantom_testing import LoggerConformance

Failures = Callable[..., dict[str, str]]

BROKEN = [
    (
        "Raises",
        "it_raises_nothing_in_an_ordinary_run",
        (
            "Logger 'raises' raised in an ordinary run: Plugin 'Raises' failed 3 times in "
            "on_evaluation_end: OSError: no space left on device. Expected it to "
            "raise nothing after on_train_start."
        ),
    ),
    (
        "ChangesWeights",
        "it_changes_nothing",
        (
            "Logger 'changesweights' changes what is trained: 'default'. Expected the same weights as "
            "without it: look at policies, do not change them, and draw from no generator but your own."
        ),
    ),
    (
        "Shuffles",
        "it_draws_from_no_global_generator",
        "Logger 'shuffles' draws from random. Draw from a generator of its own.",
    ),
    (
        "CountsInIntegers",
        "it_takes_values_that_are_not_finite",
        (
            "Logger 'countsinintegers' raised ValueError: cannot convert float NaN to integer in "
            "on_metrics with values that are not finite. Expected it to raise nothing."
        ),
    ),
    (
        "FixedColumns",
        "it_takes_names_that_it_has_not_seen_before",
        (
            "Logger 'fixedcolumns' raised KeyError: 'default/episode_return' in on_metrics with other "
            "names than before. Expected it to raise nothing."
        ),
    ),
    (
        "ClosesOnce",
        "it_can_be_closed_twice",
        (
            "Logger 'closesonce' raised ValueError: I/O operation on closed file in on_train_end when "
            "the run has ended already. Expected it to raise nothing."
        ),
    ),
    (
        "NeedsAStart",
        "it_can_be_closed_without_having_been_started",
        (
            "Logger 'needsastart' raised AttributeError: 'NeedsAStart' object has no attribute 'lines' "
            "in on_metrics without on_train_start. Expected it to raise nothing."
        ),
    ),
    (
        "NeedsAnIteration",
        "it_can_be_closed_after_an_exception",
        (
            "Logger 'needsaniteration' raised TypeError: unsupported operand type(s) for +: 'NoneType' "
            "and 'int' in on_exception when an exception ended the run. Expected it to raise nothing."
        ),
    ),
    (
        "NeedsADirectory",
        "it_works_or_refuses_a_run_without_a_directory",
        (
            "Logger 'needsadirectory' raised TypeError: expected str, bytes or os.PathLike object, not "
            "NoneType in on_train_start of a run that writes nothing. Expected it to do without "
            "run_directory, or to raise a ConfigError that says what to do."
        ),
    ),
    (
        "LeavesAThread",
        "it_leaves_no_thread_and_no_open_file",
        (
            "Logger 'leavesathread' leaves behind after on_train_end: writer. Expected nothing: close "
            "files and join threads there."
        ),
    ),
    (
        "WritesTens",
        "it_loses_no_rows_at_the_end",
        (
            "Logger 'writestens' wrote iteration 299 last in a run that completed. Expected "
            "306: write what is left in on_train_end, whatever its status, and close the file."
        ),
    ),
    (
        "WritesThePreviousRow",
        "it_loses_no_rows_at_the_end",
        (
            "Logger 'writesthepreviousrow' wrote iteration 305 last in a run that completed. Expected "
            "306: write what is left in on_train_end, whatever its status, and close the file."
        ),
    ),
    (
        "LosesRowsOfFailedRuns",
        "it_loses_no_rows_at_the_end",
        (
            "Logger 'losesrowsoffailedruns' wrote iteration 299 last in a run that failed. Expected "
            "306: write what is left in on_train_end, whatever its status, and close the file."
        ),
    ),
    (
        "KeepsTheFileOpen",
        "it_leaves_no_thread_and_no_open_file",
        (
            "Logger 'keepsthefileopen' leaves behind after on_train_end: events.bin. Expected nothing: close "
            "files and join threads there."
        ),
    ),
    (
        "KeepsTheConnection",
        "it_leaves_no_thread_and_no_open_file",
        (
            "Logger 'keepstheconnection' leaves behind after on_train_end: a socket, a socket. Expected "
            "nothing: close files and join threads there."
        ),
    ),
    (
        "KeepsTheDatabaseOpen",
        "it_leaves_no_thread_and_no_open_file",
        (
            "Logger 'keepsthedatabaseopen' leaves behind after on_train_end: rows.db. Expected nothing: "
            "close "
            "files and join threads there."
        ),
    ),
    (
        "SilencesNumPy",
        "it_leaves_the_process_as_it_was",
        (
            "Logger 'silencesnumpy' leaves the process changed: np.seterr(). Expected it as before: use "
            "np.errstate(), np.printoptions() or warnings.catch_warnings()."
        ),
    ),
    (
        "KeepsEvents",
        "it_keeps_nothing_that_it_was_handed",
        (
            "Logger 'keepsevents' keeps the values of an event after the hook has returned. Expected it "
            "to keep copies only: dict(event.values)."
        ),
    ),
    (
        "BeginsAnew",
        "a_resumed_run_has_each_row_once",
        (
            "Logger 'beginsanew' does not go on where a checkpoint was, when a run that was interrupted "
            "after 4 iterations is resumed from one after 2: iteration 0 is missing, iteration 1 is "
            "missing. Expected what a run writes that is not cut: flush the file in state_dict() and return "
            "its size; when event.is_resumed, cut it back to that, ph.writing.cut_back(path, size), and "
            "append."
        ),
    ),
    (
        "LogsTwice",
        "a_resumed_run_has_each_row_once",
        (
            "Logger 'logstwice' does not go on where a checkpoint was, when a run that was interrupted "
            "after 4 iterations is resumed from one after 2: iteration 2 is there twice. Expected "
            "what a run writes that is not cut: flush the file in state_dict() and return its size; when "
            "event.is_resumed, cut it back to that, ph.writing.cut_back(path, size), and append."
        ),
    ),
    (
        "KeepsLinesBack",
        "a_resumed_run_has_each_row_once",
        (
            "Logger 'keepslinesback' does not go on where a checkpoint was, when a run that was interrupted "
            "after 4 iterations is resumed from one after 2: iteration 0 is missing, iteration 1 is "
            "missing. Expected what a run writes that is not cut: flush the file in state_dict() and return "
            "its size; when event.is_resumed, cut it back to that, ph.writing.cut_back(path, size), and "
            "append."
        ),
    ),
    (
        "ForgetsOnStart",
        "its_state_outlives_the_start_of_a_resumed_run",
        (
            "Logger 'forgetsonstart' forgets its state in on_train_start of a resumed run: 'best' was 4002.5 "
            "and is 0.0. Expected what load_state_dict() restored: begin anew only if event.is_resumed is "
            "False."
        ),
    ),
    (
        "Blocks",
        "it_does_not_keep_training_waiting",
        (
            "Logger 'blocks' blocks: on_metrics took 0.1 s or more in each of 5 iterations. Expected at "
            "most 0.02 s: hand values over to a thread or a process."
        ),
    ),
]


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """Close what broken loggers leave open."""
    yield
    left: list[Any] = getattr(sys.modules.get("broken_loggers"), "OPEN", [])
    while left:
        left.pop().close()


def test_a_correct_logger_passes_every_check(failures: Failures) -> None:
    assert failures(LoggerConformance, "broken_loggers", "CorrectLogger") == {}


@pytest.mark.parametrize(("name", "check", "message"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_logger_fails_its_own_check(failures: Failures, name: str, check: str, message: str) -> None:
    options = {"patience": 0.02} if name == "Blocks" else {}  # the one check that looks at a clock
    assert failures(LoggerConformance, "broken_loggers", name, **options) == {check: message}


def test_a_class_of_another_kind_is_told_so(failures: Failures) -> None:
    found = failures(LoggerConformance, "broken_loggers", "NoHooks")
    assert found["it_is_found_by_name"] == (
        "Logger 'nohooks' of broken_loggers 1.0 is NoHooks, which is no Hooks. This is a defect of "
        "broken_loggers: derive it from ph.Hooks."
    )
