"""What the tests of the conformance kit have in common: broken components, and what the kit says of them."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from phantom_testing import fake_distribution, run_checks
from phantom_testing.import_report import ImportReport, import_report

Failures = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failures]:
    """`failures(kit, "broken_trainers", "LearnsNothing")`: message by check, of those that fail.

    All components of a module share what importing the module does, which takes a process, unless
    one `is_alone`.
    """
    with ExitStack() as stack:
        reports: dict[str, ImportReport] = {}

        def report_of(module: str) -> ImportReport:
            if module not in reports:
                source = Path(__file__).parent.joinpath("broken", f"{module}.py").read_text()
                classes = re.findall(r"^class (\w+)", source, re.MULTILINE)
                entries = {name.lower(): f"{module}:{name}" for name in classes}
                groups = {f"phantom_core.{module.removeprefix('broken_')}": entries}
                folder = tmp_path_factory.mktemp(module)
                stack.enter_context(fake_distribution(folder, module, groups, {module: source}))
                reports[module] = import_report(f"{module}:{classes[0]}")
            return reports[module]

        def failures(
            kit: Any, module: str, name: str, *, is_alone: bool = False, **options: Any
        ) -> dict[str, str]:
            report = report_of(module)
            shared = {} if is_alone else {"report": lambda _: report}
            conformance = type("Conformance", (kit,), {"name": name.lower(), **shared, **options})
            return {result.check: result.message for result in run_checks(conformance) if result.message}

        yield failures
