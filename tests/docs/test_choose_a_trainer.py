"""The page on choosing a trainer names trainers that there are, and spaces that their policies take."""

import re
from pathlib import Path

import phantom_core as ph

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "choose_a_trainer.md"


def test_every_trainer_and_policy_that_the_page_names_is_registered() -> None:
    rows = re.findall(r"^\|.*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z]+(?:-[a-z]+)*)`", row)}
    named -= {name for name in named if name.startswith("phantom-")} | {"observation"}
    known = {entry.name for kind in ("trainer", "policy") for entry in ph.components(kind)}
    assert named <= known
    assert {"ppo", "mappo", "dqn", "sac", "es", "q-learning", "gru-actor-critic"} <= named


def test_every_trainer_of_the_distributions_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    ours = {
        e.name
        for e in ph.components("trainer")
        if e.distribution not in ("phantom-testing", "phantom-rl-core")
    }
    assert {name for name in ours if f"`{name}`" not in page} == set()
