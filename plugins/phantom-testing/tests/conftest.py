"""What the tests of the conformance kit have in common: broken components, and what the kit says of them."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from phantom_testing import fake_distribution, run_checks
from phantom_testing.import_report import ImportReport, import_report
from phantom_testing.scaffold import GROUPS
from phantom_testing.training_report import TrainingReport
from phantom_testing.trial_runs import crowd, curve, states

BROKEN = Path(__file__).parent / "broken"

Failures = Callable[..., dict[str, str]]


def trained_here(conformance: Any) -> TrainingReport:
    """Return what a process in which nothing is different would report; to start one takes a second."""
    results = crowd(conformance.trial)
    return TrainingReport(curve=curve(results), states=states(results.policies))


def failure_of(conformance: Any, check: str) -> dict[str, str]:
    """Run one check."""
    try:
        getattr(conformance(), f"test_{check}")()
    except AssertionError as error:
        return {check: str(error)}
    return {}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failures]:
    """`failures(kit, "broken_trainers", "LearnsNothing")`: message by check, of those that fail.

    All components of a module share what importing the module does, and train in this process only, because
    each other process takes a second, unless one `is_alone`. `only` is the one check that is run.
    """
    with ExitStack() as stack:
        reports: dict[str, ImportReport] = {}

        def report_of(group: str, module: str) -> ImportReport:
            if module not in reports:
                sources = {path.stem: path.read_text() for path in BROKEN.glob("*.py")}
                classes = re.findall(r"^class (\w+)", sources[module], re.MULTILINE)
                entries = {name.lower(): f"{module}:{name}" for name in classes}
                folder = tmp_path_factory.mktemp(module)
                groups = {f"phantom_core.{group}": entries}
                stack.enter_context(fake_distribution(folder, module, groups, sources))
                reports[module] = import_report(f"{module}:{classes[0]}")
            return reports[module]

        def failures(
            kit: Any, module: str, name: str, *, is_alone: bool = False, only: str = "", **options: Any
        ) -> dict[str, str]:
            report = report_of(GROUPS[kit.kind], module)
            shared = {} if is_alone else {"report": lambda _: report, "elsewhere": trained_here}
            conformance = type("Conformance", (kit,), {"name": name.lower(), **shared, **options})
            if only:
                return failure_of(conformance, only)
            return {result.check: result.message for result in run_checks(conformance) if result.message}

        yield failures
