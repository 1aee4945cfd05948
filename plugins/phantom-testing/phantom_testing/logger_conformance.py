"""`LoggerConformance`: a logger takes what comes, and disturbs nobody."""

from __future__ import annotations

import contextlib
import gc
import json
import shutil
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import phantom_core as ph
from phantom_testing.conformance import Conformance, require
from phantom_testing.episode_trace import fingerprint
from phantom_testing.logger_events import (
    NOT_FINITE,
    NUM_ITERATIONS,
    ORDINARY,
    UNKNOWN,
    Handed,
    end_event,
    failed_event,
    iteration_events,
    iterations_in,
    marked,
    num_marks_in,
    start_event,
)
from phantom_testing.process_state import ProcessState, open_files
from phantom_testing.toy_agents import ToyForm
from phantom_testing.toy_trainer import ToyTrainer
from phantom_testing.trial_runs import Trial, changed, states, through_a_file, undisturbed

NUM_TIMED = 5
MOST_SECONDS = 1.0
NUM_ROWS = 307
"""More than most buffers hold, and a multiple of no size that anybody would choose."""
METRICS = "metrics.jsonl"
SAVED, CUT, WHOLE = 2, 4, 6
"""After so many iterations a checkpoint is written, the run is cut, the run ends."""


class LoggerConformance(Conformance):
    """Checks a logger: `class TestMyLogger(LoggerConformance): name = "my-logger"`.

    Attributes:
        patience: the most seconds that a hook may keep the training waiting in an ordinary iteration.
    """

    kind = "logger"
    base: ClassVar[type] = ph.Hooks
    patience: ClassVar[float] = 0.1

    # ------------------------------------------------------------------ an ordinary run

    def run_with_it(self, **arguments: Any) -> ph.TrainingResults:
        """Train with the kit's own trainer and the logger."""
        return _trial().run(hooks=[self.build()], **arguments)

    def run_without_it(self, **arguments: Any) -> ph.TrainingResults:
        """Train likewise without it."""
        return _trial().run(**arguments)

    def test_it_raises_nothing_in_an_ordinary_run(self) -> None:
        """Training, evaluations, a checkpoint, the end."""
        with tempfile.TemporaryDirectory() as folder:
            results = self.run_with_it(
                run_dir=folder,
                evaluation=ph.EvaluationPlan(episodes=2, every=1),
                num_iterations=NUM_ITERATIONS,
            )
        require(
            not results.hook_failures,
            f"{self.subject} raised in an ordinary run: {' '.join(results.hook_failures)} Expected it to "
            "raise nothing after on_train_start.",
        )

    def test_it_changes_nothing(self) -> None:
        """Weights are the same with it as without."""
        alone = self.run_without_it(num_iterations=NUM_ITERATIONS)
        with tempfile.TemporaryDirectory() as folder:
            logged = self.run_with_it(run_dir=folder, num_iterations=NUM_ITERATIONS)
        where = changed(states(alone.policies), states(logged.policies))
        require(
            not where,
            f"{self.subject} changes what is trained: {where}. Expected the same weights as without it: look "
            "at policies, do not change them, and draw from no generator but your own.",
        )

    def test_it_draws_from_no_global_generator(self) -> None:
        """The generators of the process belong to the program."""
        with undisturbed() as global_random, self._started() as logger:
            for iteration in range(NUM_ITERATIONS):
                self._deliver(logger, iteration_events(iteration, ORDINARY))
            drawn = global_random.used()
        require(
            not drawn,
            f"{self.subject} draws from {' and '.join(drawn)}. Draw from a generator of its own.",
        )

    def test_it_leaves_the_process_as_it_was(self) -> None:
        """NumPy, warnings, signals and the environment belong to the program."""
        with tempfile.TemporaryDirectory() as folder, undisturbed():
            state = ProcessState()
            self._play_run(Path(folder), "completed", NUM_ITERATIONS)
            found = state.changes()
        require(
            not found,
            f"{self.subject} leaves the process changed: {', '.join(found)}. Expected it as before: use "
            "np.errstate(), np.printoptions() or warnings.catch_warnings().",
        )

    def test_it_loses_no_rows_at_the_end(self) -> None:
        """What was logged last is there after `on_train_end`, also when the run failed."""
        for status in ("completed", "failed"):
            with tempfile.TemporaryDirectory() as folder, undisturbed():
                rows = self._play_run(Path(folder), status, NUM_ROWS)
                found = iterations_in(Path(folder), rows)
            every = max((b - a for a, b in pairwise(found)), default=1)
            require(
                not found or rows - 1 - found[-1] < every,  # nothing: it does not write in the run directory
                f"{self.subject} wrote iteration {found[-1] if found else ''} last in a run that {status}. "
                f"Expected {rows - 1}: write what is left in on_train_end, whatever its status, and close "
                "the "
                "file.",
            )

    def _play_run(self, folder: Path, status: str, num_iterations: int) -> int:
        """Deliver the events of a whole run; return the number of its iterations, fewer if it is slow."""
        logger, rows = self.build(), 0
        self._deliver(logger, [("on_train_start", start_event(folder))])
        end = time.perf_counter() + MOST_SECONDS
        while rows < num_iterations and (rows < NUM_ITERATIONS or time.perf_counter() < end):
            self._deliver(logger, iteration_events(rows, marked(rows)))
            rows += 1
        failed = [("on_exception", failed_event())] if status == "failed" else []
        self._deliver(logger, [*failed, ("on_train_end", end_event(status))])
        return rows

    # ------------------------------------------------------------------ what may come

    def test_it_takes_values_that_are_not_finite(self) -> None:
        """A loss can be NaN, and that is when somebody looks at the log."""
        with self._started() as logger:
            self._deliver(logger, iteration_events(0, NOT_FINITE), "with values that are not finite")

    def test_it_takes_names_that_it_has_not_seen_before(self) -> None:
        """Later iterations may log more, less, or something else."""
        with self._started() as logger:
            for iteration, values in enumerate((ORDINARY, UNKNOWN, {}, ORDINARY)):
                self._deliver(logger, iteration_events(iteration, values), "with other names than before")

    def test_it_can_be_closed_twice(self) -> None:
        """The second `on_train_end` finds nothing to do."""
        with self._started(ends=False) as logger:
            self._deliver(logger, [("on_train_end", end_event())])
            self._deliver(logger, [("on_train_end", end_event())], "when the run has ended already")

    def test_it_can_be_closed_without_having_been_started(self) -> None:
        """A run may end before it began: `on_train_end` is always delivered."""
        with undisturbed():
            logger = self.build()
            events = [*iteration_events(0, ORDINARY), ("on_train_end", end_event("failed"))]
            self._deliver(logger, events, "without on_train_start")

    def test_it_can_be_closed_after_an_exception(self) -> None:
        """`on_exception` and `on_train_end` may come in mid-iteration."""
        with self._started(ends=False) as logger:
            self._deliver(logger, iteration_events(0, ORDINARY)[:1])
            events = [("on_exception", failed_event()), ("on_train_end", end_event("failed"))]
            self._deliver(logger, events, "when an exception ended the run")

    def test_it_works_or_refuses_a_run_without_a_directory(self) -> None:
        """`on_train_start` may say what it needs, in a sentence."""
        with undisturbed():
            logger = self.build()
            try:
                self._call(logger, "on_train_start", start_event(None))
            except ph.PhantomError:
                return
            except Exception as error:
                raise AssertionError(
                    f"{self.subject} raised {ph.tools.error_text(error)} in on_train_start of a run that "
                    "writes nothing. Expected it to do without run_directory, or to raise a ConfigError that "
                    "says what to do."
                ) from error
            events = [*iteration_events(0, ORDINARY), ("on_train_end", end_event())]
            self._deliver(logger, events, "in a run without a directory")

    # ------------------------------------------------------------------ a run that is resumed

    def test_a_resumed_run_has_each_row_once(self) -> None:
        """What it wrote before the checkpoint stays, what it wrote after it comes again; nothing is twice."""
        with tempfile.TemporaryDirectory() as folder, undisturbed():
            logger = self._started_in(Path(folder))
            self._deliver_marked(logger, range(WHOLE), Path(folder))
            self._deliver(logger, [("on_train_end", end_event())])
            expected = num_marks_in(Path(folder), WHOLE)
        for is_killed in (False, True):
            with tempfile.TemporaryDirectory() as folder, undisturbed():
                self._play_run_that_is_cut(Path(folder, "run"), is_killed=is_killed)
                found = num_marks_in(Path(folder), WHOLE)
            found[CUT - 1] = expected[CUT - 1]  # it may also be in a summary of the part that was cut
            problems = [
                f"iteration {i} {'is missing' if found[i] < expected[i] else 'is there twice'}"
                for i in range(WHOLE)
                if found[i] != expected[i]
            ]
            require(
                not problems,
                f"{self.subject} does not go on where a checkpoint was, when a run that was "
                f"{'killed' if is_killed else 'interrupted'} after {CUT} iterations is resumed from one "
                f"after {SAVED}: {', '.join(problems)}. Expected what a run writes that is not cut: flush "
                "the file in state_dict() and return its size; when event.is_resumed, cut it back to that, "
                "ph.writing.cut_back(path, size), and append.",
            )

    def test_its_state_outlives_the_start_of_a_resumed_run(self) -> None:
        """What `load_state_dict` restored is not reset in `on_train_start`."""
        with tempfile.TemporaryDirectory() as folder, undisturbed():
            logger = self._started_in(Path(folder))
            self._deliver_marked(logger, range(SAVED), Path(folder))
            state = _state_of(logger)
            self._deliver(logger, [("on_train_end", end_event("interrupted"))])
            logger = self._started_in(Path(folder), state)
            lost = _what_is_lost(state, _state_of(logger))
            self._deliver(logger, [("on_train_end", end_event())])
        require(
            not lost,
            f"{self.subject} forgets its state in on_train_start of a resumed run: {lost}. Expected what "
            "load_state_dict() restored: begin anew only if event.is_resumed is False.",
        )

    def _play_run_that_is_cut(self, folder: Path, *, is_killed: bool) -> None:
        """Deliver the events of a run that is cut, and of its resumption."""
        folder.mkdir()
        logger = self._started_in(folder)
        self._deliver_marked(logger, range(SAVED), folder)
        state, size = _state_of(logger), (folder / METRICS).stat().st_size
        self._deliver_marked(logger, range(SAVED, CUT), folder)
        left = folder.with_name("left")
        if is_killed:
            shutil.copytree(folder, left)  # what is on the disk now
        self._deliver(logger, [("on_train_end", end_event("interrupted"))])
        if is_killed:
            shutil.rmtree(folder)
            left.rename(folder)
        ph.writing.cut_back(folder / METRICS, size)
        logger = self._started_in(folder, state)
        self._deliver_marked(logger, range(SAVED, WHOLE), folder)
        self._deliver(logger, [("on_train_end", end_event())])

    def _started_in(self, folder: Path, state: Mapping[str, Any] | None = None) -> Any:
        """Return a logger in a run that was started, or is resumed with a state."""
        logger = self.build()
        if state is not None and isinstance(logger, ph.Hooks):
            logger.load_state_dict(state)
        self._deliver(logger, [("on_train_start", start_event(folder, is_resumed=state is not None))])
        return logger

    def _deliver_marked(self, logger: Any, iterations: Iterable[int], folder: Path) -> None:
        """Deliver the events of iterations of a run, which has `metrics.jsonl` in its directory."""
        for iteration in iterations:
            events = iteration_events(iteration, marked(iteration))
            row = {"iteration": iteration, "env_steps": 5 * iteration + 5, "values": marked(iteration)}
            ph.writing.append(folder / METRICS, json.dumps(row).encode() + b"\n")
            self._deliver(logger, events)

    # ------------------------------------------------------------------ what it leaves behind

    def test_it_leaves_no_thread_and_no_open_file(self) -> None:
        """After `on_train_end` everything is closed."""
        before, opened = set(threading.enumerate()), open_files()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            with self._started() as logger:
                self._deliver(logger, iteration_events(0, ORDINARY))
            files = sorted(name for number, name in open_files().items() if opened.get(number) != name)
            del logger
            gc.collect()
        threads = [thread.name for thread in threading.enumerate() if thread not in before]
        files = files or [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)]
        require(
            not threads and not files,
            f"{self.subject} leaves behind after on_train_end: {', '.join(threads + files)}. Expected "
            "nothing: close files and join threads there.",
        )

    def test_it_keeps_nothing_that_it_was_handed(self) -> None:
        """What events hold belongs to the run, which goes on changing it."""
        with self._started() as logger:
            values = Handed(ORDINARY)
            kept = weakref.ref(values)
            self._deliver(logger, iteration_events(0, values))
            del values
            gc.collect()
            is_kept = kept() is not None
        require(
            not is_kept,
            f"{self.subject} keeps the values of an event after the hook has returned. Expected it to keep "
            "copies only: dict(event.values).",
        )

    def test_it_does_not_keep_training_waiting(self) -> None:
        """Whatever takes long happens elsewhere. The one check that looks at a clock."""
        fastest: dict[str, float] = {}
        with self._started() as logger:
            for iteration in range(NUM_TIMED):
                for hook, event in iteration_events(iteration, ORDINARY):
                    started = time.perf_counter()
                    self._call(logger, hook, event)
                    seconds = time.perf_counter() - started
                    fastest[hook] = min(seconds, fastest.get(hook, seconds))
        patience = self.option("patience")
        for hook, seconds in fastest.items():
            require(
                seconds <= patience,
                f"{self.subject} blocks: {hook} took {seconds:.1f} s or more in each of {NUM_TIMED} "
                f"iterations. Expected at most {patience:g} s: hand values over to a thread or a process.",
            )

    # ------------------------------------------------------------------ how it is called

    @contextmanager
    def _started(self, *, ends: bool = True) -> Iterator[ph.Hooks]:
        """Yield a logger in a run that was started; end the run, if asked to."""
        with tempfile.TemporaryDirectory() as folder, undisturbed():
            logger = self.build()
            self._deliver(logger, [("on_train_start", start_event(Path(folder)))])
            try:
                yield logger
            except AssertionError:
                with contextlib.suppress(Exception):  # let it close its files all the same
                    logger.on_train_end(end_event("failed"))
                raise
            if ends:
                self._deliver(logger, [("on_train_end", end_event())])

    def _deliver(self, logger: ph.Hooks, events: Iterable[tuple[str, Any]], when: str = "") -> None:
        """Call hooks; at the end of a run a plugin may raise a `PhantomError`, to say what was in vain."""
        for hook, event in events:
            try:
                self._call(logger, hook, event)
            except Exception as error:
                if hook == "on_train_end" and isinstance(error, ph.PhantomError):
                    continue
                raise AssertionError(
                    f"{self.subject} raised {ph.tools.error_text(error)} in {f'{hook} {when}'.strip()}. "
                    "Expected it to raise nothing."
                ) from error

    def _call(self, logger: ph.Hooks, hook: str, event: Any) -> None:
        getattr(logger, hook)(event)


def _trial() -> Trial:
    return Trial(trainer=ToyTrainer, form=ToyForm(), subject="The kit's own trainer")


def _state_of(logger: Any) -> dict[str, Any]:
    """Return what a checkpoint holds of a logger, after it was written and read."""
    return through_a_file(logger.state_dict()) if isinstance(logger, ph.Hooks) else {}


def _what_is_lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Name the first part of a state that is another one; mappings may have got more."""
    for name, value in before.items():
        other = after.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            if lost := _what_is_lost(value, other):
                return lost
        elif fingerprint(value) != fingerprint(other):
            return f"{name!r} was {value} and is {other}"
    return ""
