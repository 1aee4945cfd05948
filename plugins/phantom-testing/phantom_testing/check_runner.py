"""Runs the checks of a conformance class without pytest: what `phantom plugins check` does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from unittest import SkipTest

import phantom_core as ph
from phantom_testing.conformance import Conformance

PREFIX: Final = "test_"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended.

    Attributes:
        check: the name of the check, such as `the_same_seed_gives_the_same_curve`.
        message: what was found, what was expected and what to do; empty if all is well.
        skipped: why it was not run; empty if it was.
    """

    check: str
    message: str = ""
    skipped: str = ""

    @property
    def has_passed(self) -> bool:
        """Whether all is well."""
        return not self.message


def check_names(conformance: type[Conformance]) -> list[str]:
    """Return the names of the checks, those of every component first, in the order of their definition.

    A class that has no use for one of them sets it to None.
    """
    classes = [cls for cls in reversed(conformance.__mro__) if issubclass(cls, Conformance)]
    found = dict.fromkeys(name for cls in classes for name in vars(cls) if name.startswith(PREFIX))
    return [name.removeprefix(PREFIX) for name in found if getattr(conformance, name) is not None]


def run_checks(conformance: type[Conformance], *, timeout: float = 300.0) -> Iterator[CheckResult]:
    """Run every check; yield how each ended.

    Args:
        conformance: a class derived from one of the kit's, such as `TrainerConformance`.
        timeout: after so many seconds a check is given up; its thread is left behind.
    """
    with contextlib.suppress(Exception):  # the checks say why
        _ = conformance().target  # imported in this thread, because some modules must be
    for name in check_names(conformance):
        result = _run(conformance, name, timeout)
        yield result
        if name == "it_is_found_by_name" and not result.has_passed:
            return  # every other check would say the same


def _run(conformance: type[Conformance], name: str, timeout: float) -> CheckResult:
    messages: list[str] = []
    skipped: list[str] = []

    def check() -> None:
        try:
            getattr(conformance(), f"{PREFIX}{name}")()
        except SkipTest as reason:
            skipped.append(str(reason))
        except AssertionError as error:
            messages.append(str(error) or f"An assertion failed in the check {name}.")
        except Exception as error:  # whatever a component raises where the kit did not expect it
            messages.append(
                f"The check {name} broke off: {ph.tools.error_text(error)}. Run it with pytest to see where."
            )

    thread = threading.Thread(target=check, name=f"check {name}", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        subject = conformance().subject
        messages.append(
            f"{subject} had not finished the check {name} after {timeout:g} s. Expected a few seconds: look "
            "for what it waits for."
        )
    return CheckResult(name, " ".join(messages), "".join(skipped))
