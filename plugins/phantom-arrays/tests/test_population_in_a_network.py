"""A population as one agent of a network of objects."""

import copy
import gc
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

import phantom_arrays as pa
import phantom_core as ph

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "arrays" / "crowded_shop.py"


def example(*names: str) -> SimpleNamespace:
    """Return some names of the example."""
    return SimpleNamespace(
        **{n: ph.tools.load_reference(f"{EXAMPLE}:{n}", setting="env", folder=Path()) for n in names}
    )


class Orders(pa.Columns):
    """Members want so many, and pay so much for each."""

    size: NDArray[np.int64]
    price: NDArray[np.float64] = 1.0  # type: ignore[assignment]


class Sales(pa.Columns):
    """They get so many."""

    size: NDArray[np.int64]


@ph.msg_payload()
class Plain:
    """Not in columns."""

    size: Any


class Crowd(pa.Population):
    """Sends what a test says, and keeps what it hears."""

    wanted = pa.state(np.int64, lambda self: self.draw.integers(1, 5))
    got = pa.state(np.int64, is_public=True)
    rounds = pa.state(np.int64)
    says: ClassVar[Callable[[Any], Any]]

    def generate_messages(self) -> Any:
        return type(self).says(self)

    @pa.handler(Sales)
    def take(self, sales: pa.Messages) -> Any:
        self.got += sales.total(sales.payload.size)
        self.rounds += sales.count()
        return type(self).answers(self, sales)

    def answers(self, sales: pa.Messages) -> Any:
        return None


@pytest.fixture
def crowd_class() -> type[Crowd]:
    """A class of its own, which a test may change."""
    return type("Crowd", (Crowd,), {"says": lambda self: self.send("SHOP", Orders(self.wanted))})


class ShopView(ph.AgentView):
    """What the shop shows."""

    price = 7.5


class Shop(ph.Agent):
    """Keeps what it hears, and answers what a test says."""

    def __init__(self, agent_id: ph.AgentID, answer: Any = None) -> None:
        super().__init__(agent_id)
        self.answer, self.heard, self.seen = answer, [], []

    def view(self, neighbour_id: Any = None) -> ph.AgentView:
        return ShopView()

    @ph.msg_handler(Orders)
    def sell(self, ctx: ph.Context, message: ph.Message[Orders]) -> Any:
        self.heard.append(message.payload)
        self.seen.append(ctx["crowd"])
        return None if self.answer is None else [(message.sender_id, self.answer(message.payload))]


def world(population: Any, answer: Any = None, num_steps: int = 20) -> ph.PhantomEnv:
    """Return an env of a shop and a population, after a reset."""
    agents = [Shop("SHOP", answer), pa.PopulationAgent(population)]
    env = ph.PhantomEnv(num_steps, ph.Network(agents, connections=[("SHOP", population.name)]))
    env.reset(seed=5)
    return env


# ---------------------------------------------------------------------- the same as objects, and as arrays


def test_five_customers_are_the_same_as_objects_and_as_a_population(monkeypatch: Any) -> None:
    names = "CrowdedShopEnv", "CrowdedShop", "Customers", "Factory", "Orders", "Sales"
    crowded = example(*names)
    sizes = np.random.default_rng(1).integers(0, 5, (101, 5))

    @ph.msg_payload()
    class Order:
        size: int

    @ph.msg_payload()
    class Sale:
        size: int

    class Customer(ph.Agent):
        def reset(self) -> None:
            self.bought = 0

        def generate_messages(self, ctx: ph.Context) -> Any:
            size = int(sizes[ctx.env_view.current_step, self.id])
            return [("SHOP", Order(size))] if size else None

        @ph.msg_handler(Sale)
        def receive(self, ctx: ph.Context, message: Any) -> None:
            self.bought += message.payload.size

    class ShopOfObjects(crowded.CrowdedShop):  # type: ignore[misc, name-defined]
        @ph.msg_handler(Order)
        def sell_one(self, ctx: ph.Context, message: Any) -> Any:
            sold = min(message.payload.size, self.stock)
            self.stock -= sold
            self.sales += sold
            self.missed_sales += message.payload.size - sold
            return [(message.sender_id, Sale(sold))]

    def order(self: Any) -> Any:
        own = sizes[self.current_step[0]]
        return self.send("SHOP", crowded.Orders(own), where=own > 0)

    monkeypatch.setattr(crowded.Customers, "generate_messages", order)
    agents = [crowded.Factory("FACTORY"), ShopOfObjects("SHOP", 5, 60), *map(Customer, range(5))]
    network = ph.Network(agents, connections=[("SHOP", other.id) for other in agents if other.id != "SHOP"])
    objects, arrays = ph.PhantomEnv(100, network), crowded.CrowdedShopEnv(5, 60)
    sent: dict[str, list[Any]] = {"objects": [], "arrays": []}

    def unrolled(name: str) -> Any:
        def on_round(batches: Any) -> None:
            for receiver, batch in batches:
                for message in batch:
                    payload, kind = message.payload, type(message.payload).__name__.rstrip("s")
                    if isinstance(payload, pa.Columns):
                        rows = zip(payload.member.tolist(), payload.size.tolist(), strict=True)
                        for member, size in rows:
                            ends = (member, receiver) if kind == "Order" else (message.sender_id, member)
                            sent[name].append((*ends, kind, size))
                    else:
                        sent[name].append((message.sender_id, receiver, kind, payload.size))

        return SimpleNamespace(on_round=on_round)

    objects.network.recorder, arrays.network.recorder = unrolled("objects"), unrolled("arrays")
    rng = np.random.default_rng(2)
    for episode in range(2):
        assert (
            objects.reset(seed=episode)[0]["SHOP"].tobytes()
            == arrays.reset(seed=episode)[0]["SHOP"].tobytes()
        )
        for _ in range(100):
            action = {"SHOP": rng.uniform(0.0, 0.4, 1).astype(np.float32)}
            one, other = objects.step(action), arrays.step(action)
            assert one.observations["SHOP"].tobytes() == other.observations["SHOP"].tobytes()
            assert one[1:] == other[1:]
            # who is served first is the same; between a sale and a delivery, the shop's answers may stand
            # in another order, since the population is one sender
            assert sorted(sent["objects"], key=repr) == sorted(sent["arrays"], key=repr)
            for kind in ("Order", "Sale"):
                assert [m for m in sent["objects"] if m[2] == kind] == [
                    m for m in sent["arrays"] if m[2] == kind
                ]
            sent["objects"].clear()
            sent["arrays"].clear()
            bought = [objects[number].bought for number in range(5)]  # type: ignore[attr-defined]
            assert bought == arrays["customers"].bought.tolist()


def test_a_population_draws_what_it_draws_in_an_array_env(crowd_class: Any) -> None:
    class Mirror(pa.Population):
        seen = pa.state(np.int64)

        @pa.handler(Orders)
        def hear(self, orders: pa.Messages) -> None:
            self.seen[:] = orders.total(orders.payload.size)

    crowd_class.says = lambda self: self.send("SHOP", Orders(self.wanted + self.draw.integers(100)))
    arrays = pa.ArrayEnv(20, [Mirror("SHOP"), crowd_class("crowd", 40)], [pa.Link("crowd", "SHOP")])
    env = world(crowd_class("crowd", 40))
    for seed in (3, 4):
        env.reset(seed=seed)
        arrays.reset(seed=seed)
        assert env["crowd"].wanted.tolist() == arrays["crowd"].wanted.tolist()
        for _ in range(5):
            env.step({})
            arrays.step({})
            assert env["SHOP"].heard[-1].size.sum() == arrays["SHOP"].seen[0]


def test_a_reset_begins_anew_and_follows_from_the_seed(crowd_class: Any) -> None:
    env = world(crowd_class("crowd", 50), lambda orders: Sales(orders.size, member=orders.member))

    def played(seed: int) -> list[Any]:
        env.reset(seed=seed)
        assert not env["crowd"].got.any()
        for _ in range(3):
            env.step({})
        return [env["crowd"].got.tolist(), env["crowd"].wanted.tolist()]

    assert played(1) == played(1) != played(2)


def test_draws_of_a_handler_are_others_in_each_call_and_the_same_in_each_run(crowd_class: Any) -> None:
    drawn: list[list[int]] = []
    crowd_class.answers = lambda self, _: drawn.append(self.draw.integers(1000).tolist())
    env = world(crowd_class("crowd", 20), lambda _: Sales(1))
    for _ in range(2):
        env.reset(seed=1)
        env.step({})
        env.step({})
    assert drawn[:2] == drawn[2:]
    assert drawn[0] != drawn[1]


# ---------------------------------------------------------------------- messages


def test_ten_thousand_orders_are_one_message(crowd_class: Any) -> None:
    crowd_class.says = lambda self: self.send("SHOP", Orders(self.wanted, 2.5), where=self.wanted > 2)
    env = world(crowd_class("crowd", 10_000))
    env.step({})
    (orders,) = env["SHOP"].heard
    wanted = env["crowd"].wanted
    assert orders.member.tolist() == np.flatnonzero(wanted > 2).tolist()
    assert orders.size.tolist() == wanted[wanted > 2].tolist()
    assert orders.price.dtype == np.float64
    assert set(orders.price.tolist()) == {2.5}


def test_the_number_of_calls_does_not_depend_on_the_number_of_members(crowd_class: Any) -> None:
    def calls_of(size: int) -> int:
        env = world(crowd_class("crowd", size), lambda orders: Sales(orders.size, member=orders.member))
        env.step({})
        number = 0

        def count(*_: object) -> None:
            nonlocal number
            number += 1

        gc.disable()  # whatever is freed now may call functions of others
        sys.setprofile(count)
        try:
            env.step({})
        finally:
            sys.setprofile(None)
            gc.enable()
        return number

    assert calls_of(10) == calls_of(10_000)


@pytest.mark.parametrize(
    ("answer", "got", "rounds"),
    [
        (lambda _: Sales(2), [2, 2, 2, 2], [1, 1, 1, 1]),
        (lambda _: Sales([1, 2, 3, 4]), [1, 2, 3, 4], [1, 1, 1, 1]),
        (lambda _: Sales([5, 6], member=[3, 0]), [6, 0, 0, 5], [1, 0, 0, 1]),
        (lambda _: Sales(9, member=np.array([2], np.int32)), [0, 0, 9, 0], [0, 0, 1, 0]),
        (lambda _: Sales([1, 2, 4], member=[1, 3, 1]), [0, 5, 0, 2], [0, 2, 0, 1]),
        (lambda _: Sales([], member=[]), [0, 0, 0, 0], [0, 0, 0, 0]),
    ],
    ids=["one value for all", "all in order", "some in any order", "one", "one of them twice", "nobody"],
)
def test_an_agent_sends_to_some_members_or_all(crowd_class: Any, answer: Any, got: Any, rounds: Any) -> None:
    env = world(crowd_class("crowd", 4), answer)
    env.step({})
    assert env["crowd"].got.tolist() == got
    assert env["crowd"].rounds.tolist() == rounds


def test_members_reply_to_what_they_got(crowd_class: Any) -> None:
    crowd_class.answers = lambda _, sales: sales.reply(
        Orders(sales.payload.size * 10), where=sales.payload.size > 1
    )
    said = iter([Sales([1, 2, 3], member=[3, 1, 0])])
    env = world(crowd_class("crowd", 4), lambda _: next(said, Sales([], member=[])))
    env.step({})
    first, second = env["SHOP"].heard
    assert first.member.tolist() == [0, 1, 2, 3]
    assert (second.member.tolist(), second.size.tolist()) == ([0, 1], [30, 20])


def test_a_message_stays_as_it_was_sent(crowd_class: Any) -> None:
    crowd_class.says = lambda self: self.send("SHOP", Orders(self.got))
    own = np.array([1, 2, 3])
    payload = Sales(own)
    own += 5
    env = world(crowd_class("crowd", 3), lambda _: payload)
    env.step({})
    env.step({})
    first, second = env["SHOP"].heard
    assert (first.size.tolist(), second.size.tolist()) == ([0, 0, 0], [1, 2, 3])
    for column in (payload.size, first.size, first.member):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 7


def test_members_that_do_not_live_or_act_send_and_hear_nothing() -> None:
    class Some(Crowd):
        alive = pa.state(np.bool_, lambda self: self.member != 0)

        def is_acting(self) -> Any:
            return (self.current_step + self.member) % 2 == 0

        @staticmethod
        def says(self: Any) -> Any:  # noqa: PLW0211  called as a function of a population
            return self.send("SHOP", Orders(self.wanted))

        def post_message_resolution(self) -> None:
            self.leave(self.member == 4)

    env = world(Some("crowd", 5), lambda _: Sales(1))
    env.step({})
    env.step({})
    one, two = env["SHOP"].heard
    assert (one.member.tolist(), two.member.tolist()) == ([2, 4], [1, 3])
    assert env["crowd"].got.tolist() == [0, 2, 2, 2, 1]


def test_each_sees_what_the_other_shows(crowd_class: Any) -> None:
    prices: list[Any] = []

    def says(self: Any) -> Any:
        price = self.view("SHOP").price
        prices.append(price.tolist())
        return self.send("SHOP", Orders(1, self.edges("SHOP").of_receiver(price)))

    crowd_class.says = says
    env = world(crowd_class("crowd", 3), lambda _: Sales([1, 2, 3]))
    env.step({})
    env.step({})
    assert prices == [[7.5], [7.5]]
    assert env["SHOP"].heard[0].price.tolist() == [7.5, 7.5, 7.5]
    assert [view.got.tolist() for view in env["SHOP"].seen] == [[0, 0, 0], [1, 2, 3]]
    with pytest.raises(ph.errors.EnvError) as raised:
        _ = env["SHOP"].seen[0].gott
    assert str(raised.value) == (
        "A view of 'crowd' has no gott. Did you mean 'got'? It shows what Crowd declares with "
        "is_public=True: 'got'."
    )


def test_a_population_has_its_turn(crowd_class: Any) -> None:
    class Market(ph.FiniteStateMachineEnv):
        def __init__(self) -> None:
            network = ph.Network(
                [Shop("SHOP", lambda _: Sales(1)), pa.PopulationAgent(crowd_class("crowd", 3))]
            )
            network.add_connection("SHOP", "crowd")
            super().__init__(
                20,
                network,
                initial_stage="order",
                stages=[
                    ph.FSMStage("order", acting_agents=["crowd"], next_stages=["rest"]),
                    ph.FSMStage("rest", acting_agents=["SHOP"], next_stages=["order"]),
                ],
            )

    crowd_class.says = lambda self: self.send("SHOP", Orders(self.current_step))
    env = Market()
    env.reset(seed=1)
    for _ in range(4):
        env.step({})
    assert [orders.size.tolist() for orders in env["SHOP"].heard] == [[1, 1, 1], [3, 3, 3]]  # type: ignore[attr-defined]
    assert env["crowd"].got.tolist() == [2, 2, 2]  # type: ignore[attr-defined]


def test_a_population_may_join_in_an_episode(crowd_class: Any) -> None:
    env = world(crowd_class("crowd", 3))
    env.step({})
    other = crowd_class("others", 4)
    env.network.add_agent(pa.PopulationAgent(other))
    env.network.add_connection("others", "SHOP")
    env["SHOP"].seen = SimpleNamespace(append=lambda _: None)
    env.step({})
    assert [len(orders.member) for orders in env["SHOP"].heard] == [3, 3, 4]


def test_a_copy_of_the_env_goes_on_by_itself() -> None:
    class Leaving(Crowd):
        @staticmethod
        def says(self: Any) -> Any:  # noqa: PLW0211  called as a function of a population
            return self.send("SHOP", Orders(self.wanted))

        def post_message_resolution(self) -> None:
            self.leave(self.draw.uniform() < 0.3)

    env = world(Leaving("crowd", 30))
    env.step({})
    other = copy.deepcopy(env)
    for each in (env, other):
        each.step({})
        each.step({})
    heard = [[orders.member.tolist() for orders in each["SHOP"].heard] for each in (env, other)]
    assert heard[0] == heard[1]
    assert len({len(members) for members in heard[0]}) == 3
    assert env["crowd"].population is not other["crowd"].population


# ---------------------------------------------------------------------- training, measuring, recording


def test_metrics_read_what_the_population_has(crowd_class: Any) -> None:
    env = world(crowd_class("crowd", 4), lambda _: Sales([1, 2, 3, 4]))
    values: dict[str, list[Any]] = {}
    metrics = {
        "got": ph.metrics.SimpleAgentMetric("crowd", "got"),
        "most": ph.metrics.LambdaMetric(lambda env: int(env["crowd"].got.max()), np.mean, np.mean),
    }
    for _ in range(2):
        env.step({})
        ph.metrics.record_metrics(env, metrics, values)
    assert [seen.tolist() for seen in values["got"]] == [[1, 2, 3, 4], [2, 4, 6, 8]]
    assert values["most"] == [4, 8]
    with pytest.raises(AttributeError, match="'Crowd' object has no attribute 'gott'"):
        _ = env["crowd"].gott


def test_an_episode_is_recorded_and_replayed(tmp_path: Path) -> None:
    from phantom_recording import Recorder, read_recording, replay

    env_class = example("CrowdedShopEnv").CrowdedShopEnv
    env = env_class(8)
    with Recorder(tmp_path / "episodes.jsonl", env_config={"num_customers": 8}) as recorder:
        env.recorder = recorder
        env.reset(seed=1)
        for _ in range(100):
            env.step({"SHOP": np.array([0.05], np.float32)})
    (episode,) = read_recording(tmp_path / "episodes.jsonl")
    orders = episode.steps[1].messages[1]
    assert (orders.sender_id, orders.payload_class, list(orders.fields)) == (
        "customers",
        "Orders",
        ["size", "member"],
    )
    assert len(orders.fields["size"]) == len(orders.fields["member"]) <= 8
    again = replay(tmp_path / "episodes.jsonl", episode=0, step=100, env=env_class)
    assert again["customers"].bought.tolist() == env["customers"].bought.tolist() != [0] * 8


def test_the_doctor_finds_nothing() -> None:
    from phantom_testing import diagnose

    found = diagnose(lambda: example("CrowdedShopEnv").CrowdedShopEnv(20), num_episodes=1)
    assert [str(finding) for finding in found.findings] == []


def test_the_run_file_trains(phantom: Callable[..., Any], tmp_path: Path) -> None:
    found = phantom(
        *("train", EXAMPLE.with_suffix(".toml"), "--iterations", "1", "--set", "evaluate.episodes=1"),
        *("--set", "env_config.num_customers=50", "--run-dir", tmp_path, "--logger", "jsonl"),
    )
    assert (found.code, found.err) == (0, "")
    assert "bought: " in found.out


def test_a_run_that_was_cut_and_resumed_is_the_whole_run(tmp_path: Path) -> None:
    class StopAfterTwo(ph.Hooks):
        def should_stop(self, event: Any) -> str | None:
            return "cut" if event.iteration == 1 else None

    def run(folder: str, *hooks: ph.Hooks) -> ph.TrainingResults:
        return ph.train(
            "ppo",
            env=f"{EXAMPLE}:CrowdedShopEnv",
            env_config={"num_customers": 30},
            policies={"shop": ["SHOP"]},
            trainer_config={"steps_per_copy": 8},
            num_iterations=4,
            hooks=hooks,
            seed=1,
            run_dir=tmp_path / folder,
        )

    whole, cut = run("whole"), run("cut", StopAfterTwo())
    assert cut.run_directory is not None
    resumed = ph.resume(cut.run_directory)
    assert (cut.iterations, resumed.iterations) == (2, 4)
    seen = np.array([0.1, 0.2, 0.3], np.float32)
    acts = [found.policies["shop"].compute_action(seen).tolist() for found in (whole, resumed, cut)]
    assert acts[0] == acts[1] != acts[2]  # episodes have 100 steps: each run ends in the middle of one


# ---------------------------------------------------------------------- what is refused


def message_of(call: Callable[[], object], kind: type[Exception] = ph.errors.EnvError) -> str:
    """Return the text of the error that a call raises."""
    with pytest.raises(kind) as raised:
        call()
    return str(raised.value)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda _: Sales([1, 2], member=[0, 4]),
            "'SHOP' sent Sales to member 4 of 'crowd', which has 4 members. They are numbered from 0.",
        ),
        (
            lambda _: Sales([1, 2], member=[-1, 2]),
            "'SHOP' sent Sales to member -1 of 'crowd', which has 4 members. They are numbered from 0.",
        ),
        (
            lambda _: Sales([1, 2, 3]),
            (
                "'SHOP' sent Sales.size with 3 rows to all of 'crowd'. Expected one for each of its 4 "
                "members, or whom they are for: Sales(..., member=...)."
            ),
        ),
        (
            lambda _: Sales([1, 2, 3], member=[1, 2]),
            (
                "Sales has columns of several lengths: member 2, size 3. Give a value for each row, or one "
                "for all."
            ),
        ),
        (
            lambda _: Sales(1, member=2),
            "Sales.member is 2. Expected an array of integers: the number of a member for each row.",
        ),
        (
            lambda _: Sales(1, member=[0.5]),
            "Sales.member is [0.5]. Expected an array of integers: the number of a member for each row.",
        ),
        (
            lambda _: Sales([0.5, 1.0, 1.0, 1.0]),
            (
                "Sales.size is declared as int64, but is sent as float64. Convert it: x.astype(np.int64), "
                "or declare it as float64."
            ),
        ),
        (lambda _: Sales([[1], [2, 3]]), "Sales.size is [[1], [2, 3]], which is no array of int64."),
        (
            lambda _: Plain(3),
            (
                "'SHOP' sent Plain to the population 'crowd', but it is no pa.Columns, which says what is "
                "for whom. Write class Plain(pa.Columns), with the dtype of each column."
            ),
        ),
        (
            lambda orders: orders,
            (
                "Crowd 'crowd' received Orders from 'SHOP', but has no handler for it. Write one: "
                "@pa.handler(Orders)."
            ),
        ),
    ],
)
def test_a_wrong_answer_is_refused(crowd_class: Any, answer: Any, message: str) -> None:
    crowd_class.handlers = {**crowd_class.handlers, Plain: "take"}
    assert message_of(lambda: world(crowd_class("crowd", 4), answer).step({})) == message


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (
            lambda self: self.send("SHOP", Plain(self.wanted)),
            (
                "The population 'crowd' sent Plain to 'SHOP', but it is no pa.Columns, which says who sent "
                "what. Write class Plain(pa.Columns), with the dtype of each column."
            ),
        ),
        (
            lambda self: self.send("SHOP", Orders([1], member=[0])),
            (
                "A population sends Orders with member=array([0]). Leave it out: members send for "
                "themselves, and where=... says who does."
            ),
        ),
        (
            lambda self: self.send("SHOP", Orders([1, 2])),
            (
                "Orders.size is sent as an array of shape (2,). Expected one value for each of the 4 rows "
                "of 'crowd', or one for all."
            ),
        ),
        (
            lambda self: self.send_to("SHOP", self.member, Orders(1)),
            (
                "Crowd 'crowd' chooses among the members of 'SHOP', which is an agent of a network and has "
                "none. Send to each agent: self.send('SHOP', payload, where=...)."
            ),
        ),
        (
            lambda _: [("SHOP", Orders(1))],
            (
                "Crowd 'crowd' returned ('SHOP', Orders(size=array(1), price=array(1.), member=None)) to be "
                "sent. Expected what self.send(), self.send_to() or messages.reply() returns, a list of "
                "those, or None."
            ),
        ),
    ],
)
def test_a_wrong_message_of_a_population_is_refused(crowd_class: Any, says: Any, message: str) -> None:
    crowd_class.says = says
    assert message_of(lambda: world(crowd_class("crowd", 4)).step({})) == message


def test_a_receiver_that_is_not_connected_is_named(crowd_class: Any) -> None:
    crowd_class.says = lambda self: self.send("SHOPP", Orders(1))
    found = message_of(lambda: world(crowd_class("crowd", 4)).step({}), ph.errors.NetworkError)
    assert found == (
        "Agent 'crowd' sent Orders to 'SHOPP', but there is no such agent. Did you mean 'SHOP'? 'crowd' is "
        "connected to: 'SHOP'."
    )


def test_members_with_policies_are_refused() -> None:
    class Savers(pa.StrategicPopulation):
        observation_space = action_space = gym.spaces.Discrete(2)

    found = message_of(lambda: pa.PopulationAgent(Savers("savers", 3)), ph.errors.ConfigError)
    assert found == (
        "Savers 'savers' is a StrategicPopulation, but in a network of objects the members of a population "
        "do not act through policies. Derive the class from pa.Population, or write the whole model as a "
        "pa.ArrayEnv."
    )
    found = message_of(lambda: pa.PopulationAgent("savers"), ph.errors.ConfigError)  # type: ignore[arg-type]
    assert found == (
        "PopulationAgent got 'savers'. Expected an object of a pa.Population, such as Customers('customers', "
        "10_000)."
    )


def test_messages_between_populations_are_refused(crowd_class: Any) -> None:
    crowd_class.says = lambda self: self.send("others", Sales(1)) if self.name == "crowd" else None
    agents = [pa.PopulationAgent(crowd_class(name, 3)) for name in ("crowd", "others")]
    env = ph.PhantomEnv(3, ph.Network(agents, connections=[("crowd", "others")]))
    env.reset(seed=1)
    assert message_of(lambda: env.step({})) == (
        "The population 'crowd' sent Sales to 'others', which is a population, too. In a network populations "
        "exchange messages with objects only. Write the whole model as a pa.ArrayEnv."
    )


def test_a_population_that_looks_where_nothing_is_shown_is_told(crowd_class: Any) -> None:
    class Blind(Shop):
        def view(self, neighbour_id: Any = None) -> None:  # type: ignore[override]
            return None

    crowd_class.says = lambda self: self.view("SHOP").price
    network = ph.Network([Blind("SHOP"), pa.PopulationAgent(crowd_class("crowd", 3))])
    network.add_connection("SHOP", "crowd")
    env = ph.PhantomEnv(3, network)
    env.reset(seed=1)
    assert message_of(lambda: env.step({})) == (
        "Crowd 'crowd' looks at 'SHOP', which shows nothing. Override view() in the class of that agent."
    )

    class Early(Crowd):
        seen = pa.state(np.float64, lambda self: self.view("SHOP").price)

    assert message_of(lambda: world(Early("crowd", 3))) == (
        "Early 'crowd' looks at 'SHOP' while it is reset. In a network a population sees its neighbours "
        "from the first step on."
    )


def test_an_array_that_is_not_declared_is_found_in_the_second_step(crowd_class: Any) -> None:
    crowd_class.says = lambda self: setattr(self, "kept", self.wanted * 2)
    env = world(crowd_class("crowd", 3))
    env.step({})
    assert message_of(lambda: env.step({})) == (
        "Crowd.kept is an array of shape (3,) that is not declared, so it would be carried from one episode "
        "into the next. Declare it: kept = pa.state(np.int64)."
    )


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (np.ndarray, "ndarray"),
        (NDArray[Any], "numpy.ndarray[tuple[typing.Any, ...], numpy.dtype[typing.Any]]"),
        (NDArray[np.str_], "numpy.ndarray[tuple[typing.Any, ...], numpy.dtype[numpy.str_]]"),
    ],
)
def test_a_column_that_is_declared_in_another_way_is_refused(hint: Any, text: str) -> None:
    assert message_of(
        lambda: type(pa.Columns)("Odd", (pa.Columns,), {"__annotations__": {"size": hint}}),
        ph.errors.ConfigError,
    ) == (
        f"Odd.size is declared as {text}. Expected an array of bools, integers or floats, such as size: "
        "NDArray[np.int64], with NDArray of numpy.typing."
    )


def test_columns_may_be_declared_as_text_and_inherited() -> None:
    base = type(pa.Columns)(
        "Base", (pa.Columns,), {"__annotations__": {"size": "NDArray[np.int64]"}, "__module__": __name__}
    )
    derived = type(pa.Columns)(
        "Derived", (base,), {"__annotations__": {"good": NDArray[np.bool_]}, "__module__": __name__}
    )
    found = derived([1, 2], [True, False])
    assert (found.size.tolist(), found.good.tolist()) == ([1, 2], [True, False])


def test_columns_are_pickled_and_copied() -> None:
    orders = Orders([1, 2], member=[3, 1])
    for twin in (pickle.loads(pickle.dumps(orders)), copy.deepcopy(orders)):  # noqa: S301  our own
        assert (twin.size.tolist(), twin.member.tolist()) == ([1, 2], [3, 1])
        assert not twin.size.flags.writeable
