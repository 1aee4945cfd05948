"""The scripts of `docs/site/`, which are no package, and the plugins of docs/examples, as if installed."""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from phantom_testing import fake_distribution

TRAINERS = {
    "bandit": "bandit:BanditTrainer",
    "central-critic": "centralised_critic:CentralCriticTrainer",
    "recurrent-actor-critic": "recurrent_actor_critic:RecurrentActorCriticTrainer",
    "recurrent-reinforce": "recurrent_reinforce:RecurrentReinforceTrainer",
    "reinforce": "reinforce:ReinforceTrainer",
    "replay-q": "replay_q:ReplayQTrainer",
    "torch-dqn": "dqn:DQNTrainer",
}
POLICIES = {
    "arms": "bandit:ArmsPolicy",
    "elman": "recurrent_reinforce:ElmanPolicy",
    "gru": "recurrent_actor_critic:GRUPolicy",
    "linear-softmax": "reinforce:SoftmaxPolicy",
    "preferences": "centralised_critic:PreferencePolicy",
    "q-network": "dqn:QNetworkPolicy",
    "q-values": "replay_q:TablePolicy",
}
SITE = Path(__file__).resolve().parents[2] / "docs" / "site"


@pytest.fixture(scope="session")
def reference_blocks() -> ModuleType:
    """What writes the generated parts of the pages."""
    return site_module("reference_blocks")


@pytest.fixture(scope="session")
def api_pages() -> ModuleType:
    """What writes the API reference."""
    return site_module("api_pages")


@pytest.fixture(scope="session")
def stage_site() -> ModuleType:
    """What puts the pages of the site together."""
    return site_module("stage_site")


@pytest.fixture(scope="session")
def plugin_examples(repository: Path) -> Path:
    """The folder of plugins in one file each."""
    return repository / "docs" / "examples" / "plugins"


@pytest.fixture(scope="module")
def installed_plugins(
    plugin_examples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """Trainers and policies by name, found by these names until the tests of a module end."""
    sources = {path.stem: path.read_text("utf-8") for path in plugin_examples.glob("*.py")}
    site, entry_points = (
        tmp_path_factory.mktemp("site"),
        {"phantom_core.trainers": TRAINERS, "phantom_core.policies": POLICIES},
    )
    with fake_distribution(site, "acme-learners", entry_points, sources):
        yield TRAINERS | POLICIES


def site_module(name: str) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        return importlib.import_module(name)
