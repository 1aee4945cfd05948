"""What is sent by value is the same thing in a process that knows nothing of this script."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import phantom_core as ph
from phantom_experiments import pickled_by_value

CHILD = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))())"
SCRIPT = '''
import msgspec
import phantom_core as ph

@ph.msg_payload(sender_type="Seller")
class Offer:
    """An offer."""
    price: int
    tags: list = msgspec.field(default_factory=list)
    kind: str = "plain"

    def doubled(self):
        return Offer(2 * self.price)

@ph.msg_payload()
class Special(Offer):
    rebate: float = 0.5

class Buyer(ph.Agent):
    bought = 0

    @ph.msg_handler(Offer)
    def buy(self, ctx, message):
        self.bought += message.payload.price

class Seller(ph.Agent):
    def generate_messages(self, ctx):
        return [("BUYER", Offer(3).doubled()), ("BUYER", Special(1))]

class Market(ph.PhantomEnv):
    def __init__(self, num_steps=2):
        network = ph.Network([Buyer("BUYER"), Seller("SELLER")])
        network.add_connection("BUYER", "SELLER")
        super().__init__(num_steps, network)

MODEL = ph.load_model(Market)

def tried():
    env = MODEL.with_config({"num_steps": 3}).make_env()
    env.reset(seed=1)
    while not env.step({}).truncations["__all__"]:
        pass
    first, second = Offer(1), Offer(1)
    return (
        isinstance(env, Market), isinstance(env["BUYER"], Buyer), env["BUYER"].bought, Offer(7), Special(7),
        first.tags is second.tags, Offer.__doc__, Offer.__struct_config__.frozen, first == second,
    )
'''
EXPECTED = (
    "(True, True, 21, Offer(price=7, tags=[], kind='plain'), "
    "Special(price=7, tags=[], kind='plain', rebate=0.5), False, 'An offer.', True, True)\n"
)


def run(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("place", ["the script", "a file beside it", "a file that a reference names"])
def test_models_of_scripts_and_files_are_sent(place: str, tmp_path: Path) -> None:
    write = "open('sent', 'wb').write(px.pickled_by_value({}))"
    (tmp_path / "elsewhere").mkdir()
    if place == "the script":
        text = f"{SCRIPT}\nimport phantom_experiments as px\n{write.format('tried')}"
    elif place == "a file beside it":
        (tmp_path / "bazaar.py").write_text(SCRIPT)
        text = f"import bazaar, phantom_experiments as px\n{write.format('bazaar.tried')}"
    else:
        (tmp_path / "elsewhere" / "bazaar.py").write_text(SCRIPT)
        text = (
            "import phantom_core as ph, phantom_experiments as px\n"
            "found = ph.tools.load_reference('./elsewhere/bazaar.py:tried', setting='x', folder='.')\n"
            + write.format("found")
        )
    (tmp_path / "main.py").write_text(
        text.replace("folder='.'", f"folder=__import__('pathlib').Path('{tmp_path}')")
    )
    run("main.py", folder=tmp_path)
    sent = tmp_path / "sent"
    for file in (tmp_path / "main.py", tmp_path / "bazaar.py", tmp_path / "elsewhere" / "bazaar.py"):
        file.unlink(missing_ok=True)
    (tmp_path / "empty").mkdir()
    assert run("-c", CHILD, str(sent), folder=tmp_path / "empty") == EXPECTED


class Plain(msgspec.Struct):
    number: int = 1


def test_what_belongs_to_a_package_is_sent_by_name() -> None:
    sent = pickled_by_value([ph.Agent, msgspec.Struct, ph.errors.ConfigError])
    assert len(sent) < 250
    assert b"phantom_core.world.agents" in sent


def test_what_cannot_be_sent_is_said() -> None:
    generator: Any = (number for number in range(3))
    with pytest.raises(ph.errors.ConfigError) as caught:
        pickled_by_value(generator)
    assert str(caught.value) == (
        "The study cannot be sent to another process: TypeError: cannot pickle 'generator' object. Put "
        "what it uses into a package that is installed there."
    )
