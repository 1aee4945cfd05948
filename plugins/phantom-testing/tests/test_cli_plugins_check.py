"""`phantom plugins check DIST`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest

from phantom_testing import MetricConformance
from phantom_testing.check_distribution import CONFORMANCE_BY_KIND

METRIC = '''
import phantom_core as ph

class Steps(ph.Metric):
    """The number of steps made."""

    def extract(self, env):
        return env.current_step
'''
ENTRY = {"phantom_core.metrics": {"steps": "acme_steps:Steps"}}


def test_every_component_is_checked(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    follower = "import phantom_core as ph\n@ph.hookimpl\ndef on_train_end(event): ..."
    fake_distribution(
        "acme-steps",
        {**ENTRY, "phantom_core.plugins": {"follow": "acme_follow"}},
        {"acme_steps": METRIC, "acme_follow": follower},
    )
    outcome = phantom("plugins", "check", "Acme_Steps")
    lines = outcome.out.splitlines()
    assert (outcome.code, outcome.err) == (0, "")
    assert lines[0] == "metric steps  (acme-steps 1.0)"
    assert "  ok      it is found by name" in lines
    at = lines.index("plugin follow  (acme-steps 1.0)")
    assert lines[at + 1] == "  ok      it takes part in runs"
    assert "  ok      it changes nothing" in lines[at:]
    assert lines[-1] == f"{sum(line.startswith('  ok') for line in lines)} checks passed, 0 failed."


def test_what_fails_is_told_below_the_check(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme-steps", ENTRY, {"acme_steps": METRIC}, requires="")
    outcome = phantom("plugins", "check", "acme-steps")
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    at = lines.index("  FAILED  it bounds the version of the core")
    assert lines[at + 1] == (
        "          acme-steps requires phantom-rl-core of any version, which admits versions that do not"
    )
    assert lines[-1] == "19 checks passed, 1 failed."


def test_what_does_not_apply_is_skipped_with_the_reason(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Skipping(MetricConformance):
        def test_it_counts_sheep(self) -> None:
            raise SkipTest("It counts steps.")

    monkeypatch.setitem(CONFORMANCE_BY_KIND, "metric", Skipping)
    fake_distribution("acme-steps", ENTRY, {"acme_steps": METRIC})
    lines = phantom("plugins", "check", "acme-steps").out.splitlines()
    at = lines.index("  skipped it counts sheep")
    assert lines[at + 1] == "          It counts steps."
    assert lines[-1] == "20 checks passed, 0 failed, 1 skipped."


def test_the_report_can_be_read_by_a_program(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme-steps", ENTRY, {"acme_steps": "print('hello')\n" + METRIC})
    outcome = phantom("plugins", "check", "acme-steps", "--json")
    report = json.loads(outcome.out.partition("hello\n")[2] or outcome.out)
    assert outcome.code == 1
    assert {key: report[key] for key in ("distribution", "version", "passed", "failed")} == {
        "distribution": "acme-steps",
        "version": "1.0",
        "passed": 19,
        "failed": 1,
    }
    (component,) = report["components"]
    assert (component["kind"], component["name"], component["target"]) == (
        "metric",
        "steps",
        "acme_steps:Steps",
    )
    assert [check for check in component["checks"] if not check["passed"]] == [
        {
            "check": "importing_it_prints_nothing",
            "passed": False,
            "message": "Importing Metric 'acme-steps:steps' prints 'hello'. Print in a hook, or not at all.",
        }
    ]


def test_a_plugin_object_that_takes_no_part_is_told_so(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme-odd", {"phantom_core.plugins": {"odd": "acme_odd"}}, {"acme_odd": ""})
    outcome = phantom("plugins", "check", "acme-odd")
    assert outcome.code == 1
    assert "Plugin 'acme-odd:odd' implements no hook." in outcome.out


def test_a_plugin_object_that_is_disabled_is_told_so(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path], monkeypatch: Any
) -> None:
    fake_distribution("acme-odd", {"phantom_core.plugins": {"odd": "acme_odd"}}, {"acme_odd": ""})
    monkeypatch.setenv("PHANTOM_DISABLED_PLUGINS", "odd")
    outcome = phantom("plugins", "check", "acme-odd")
    assert outcome.code == 1
    assert "It is disabled: PHANTOM_DISABLED_PLUGINS names it." in outcome.out


def test_metadata_that_cannot_be_read_is_told(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    site = fake_distribution("acme-steps", ENTRY, {"acme_steps": METRIC})
    (site / "acme_steps-1.0.dist-info" / "entry_points.txt").write_bytes(
        b"[phantom_core.metrics]\n\xff = a\n"
    )
    outcome = phantom("plugins", "check", "acme-steps")
    assert outcome.code == 2
    assert outcome.err.startswith(
        f"Error: acme-steps is installed in {site}, but its entry_points.txt cannot "
    )
    assert outcome.err.endswith(". Install it again: pip install --force-reinstall acme-steps\n")


def test_an_unknown_distribution_is_told_what_is_there(
    phantom: Callable[..., Any], fake_distribution: Callable[..., Path]
) -> None:
    fake_distribution("acme-steps", ENTRY, {"acme_steps": METRIC})
    outcome = phantom("plugins", "check", "acme-step")
    assert outcome == (
        2,
        "",
        (
            "Error: No distribution named 'acme-step' offers components here. Did you mean 'acme-steps'? "
            "Install it first, such as: pip install -e .\n"
        ),
    )
