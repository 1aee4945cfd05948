"""Recordings of worlds of arrays: in columns, whatever the number of members."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phantom_arrays as pa
import phantom_core as ph
from phantom_recording import EpisodePrinter, RecordedEpisode, Recorder, read_recording, replay

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "arrays"

Settings = dict[str, Any]
BUSY: Settings = {"turns": True, "visits": True, "leaving": 0.2, "joining": 0.3, "enough": 15, "cut": 0.02}
CALM: Settings = {"turns": False, "visits": False, "leaving": 0.0, "joining": 0.0, "enough": 99, "cut": 0.0}


def supply_chain(num_customers: int) -> Any:
    """Return the example, with so many customers."""
    reference = f"{EXAMPLES / 'array_supply_chain.py'}:ArraySupplyChainEnv"
    return ph.tools.load_reference(reference, setting="env", folder=Path())(num_customers)


def zoo_env(zoo: Any, settings: Settings) -> Any:
    """Return a world that uses everything that populations have."""
    edges = np.divmod(np.arange(12), 2)
    friends = np.array([0, 1, 2]), np.array([1, 2, 4])
    return zoo.ZooEnv((6, 2), edges, friends, 12, **settings)


def played(env: Any, seed: int = 1) -> Iterator[ph.StepResult]:
    """Play an episode with random actions; yield what the reset and each step return."""
    rng = np.random.default_rng(seed)
    observations, infos = env.reset(seed=seed)
    yield ph.StepResult(observations, {}, {}, {}, infos)
    is_over = False
    while not is_over:
        acting = env.acting_agent_ids
        ids = env.strategic_agent_ids if acting is None else acting
        found = env.step({agent_id: int(rng.integers(4)) for agent_id in ids})
        yield found
        is_over = found.terminations["__all__"] or found.truncations["__all__"]


def by_member(episode: RecordedEpisode, number: int, kind: str) -> dict[Any, Any]:
    """Return the values of a recorded step by the id of the member."""
    step, found = episode.steps[number], {}
    assert episode.sizes is not None
    for name, values in getattr(step, kind).items():
        who = step.members.get(kind, {}).get(name, range(len(values)))
        is_single = episode.sizes[name] is None
        found |= {name if is_single else (name, int(i)): v for i, v in zip(who, values, strict=True)}
    return found


@pytest.mark.parametrize("settings", [BUSY, CALM], ids=["members come and go", "all go on"])
def test_a_recording_has_what_the_env_returned(zoo: Any, settings: Settings, tmp_path: Path) -> None:
    env = zoo_env(zoo, settings)
    file = tmp_path / "episodes.jsonl"
    env.recorder = Recorder(file)
    results = [list(played(env, seed)) for seed in (1, 2)]
    env.close()
    episodes = list(read_recording(file))
    assert [(episode.seed, episode.is_finished) for episode in episodes] == [(1, True), (2, True)]
    assert episodes[0].sizes == {"traders": 6, "shops": 2, "banks": 2}
    for episode, found in zip(episodes, results, strict=True):
        assert episode.num_steps == len(found) - 1
        for number, result in enumerate(found):
            for kind, expected in (("observations", result.observations), ("rewards", result.rewards)):
                seen = by_member(episode, number, kind)
                assert {i: np.asarray(v).tobytes() for i, v in seen.items()} == {
                    i: np.asarray(v).tobytes() for i, v in expected.items()
                }
            step = episode.steps[number]
            for kind, flags in (
                ("terminations", result.terminations),
                ("truncations", result.truncations),
            ):
                names = getattr(step, kind)
                ended = {agent_id for agent_id, is_end in flags.items() if is_end and agent_id != "__all__"}
                there = {agent_id[1] for agent_id in flags if agent_id != "__all__"}
                who = step.members.get(kind, {}).get("traders", sorted(there))
                assert ended == ({("traders", int(i)) for i in who} if "traders" in names else set())
                assert ("__all__" in names) == flags.get("__all__", False)


def test_messages_are_recorded_as_they_were_delivered(zoo: Any, tmp_path: Path) -> None:
    env = zoo_env(zoo, BUSY)
    env.recorder = Recorder(tmp_path / "episodes.jsonl")
    heard: list[Any] = []
    listener = env.world.recorder

    def listen(number: int, messages: pa.Messages) -> None:
        sent = messages.is_sent
        payload = messages.payload
        columns = {name: getattr(payload, name)[sent].tolist() for name in type(payload).__struct_fields__}
        ends = messages.edges.source, messages.edges.to
        who = messages.senders[sent].tolist(), messages.receivers[sent].tolist()
        heard.append((number, *ends, type(payload).__name__, columns, *who))
        listener(number, messages)

    env.world.recorder = listen
    list(played(env))
    env.close()
    (episode,) = read_recording(tmp_path / "episodes.jsonl")
    assert episode.sizes is not None
    found = []
    for message in (message for step in episode.steps for message in step.messages):
        number = len(next(iter(message.fields.values())))
        who = []
        for name, side in ((message.sender_id, message.senders), (message.receiver_id, message.receivers)):
            who.append(list(range(number)) if side is None else side.tolist())
            assert len(who[-1]) == number <= (1 if side is None and episode.sizes[name] is None else 99)
        columns = {name: column.tolist() for name, column in message.fields.items()}
        ends = message.sender_id, message.receiver_id
        found.append((message.round, *ends, message.payload_class, columns, *who))
    assert found == heard
    assert {message[3] for message in heard} == {"Order", "Filled", "Rumour", "Visit", "Thanks"}


@pytest.mark.parametrize("settings", [BUSY, CALM], ids=["members come and go", "all go on"])
def test_an_episode_is_replayed_to_any_step(zoo: Any, settings: Settings, tmp_path: Path) -> None:
    env = zoo_env(zoo, settings)
    file = tmp_path / "episodes.jsonl"
    env.recorder = Recorder(file)
    states = [env.world.copy_state(0)["traders"]["state"] for _ in played(env)]
    env.close()
    for step in (0, 1, len(states) - 1):
        again = replay(file, step=step, env=lambda: zoo_env(zoo, settings))
        found = again.world.copy_state(0)["traders"]["state"]
        assert [array.tobytes() for array in found] == [array.tobytes() for array in states[step]]


def test_what_a_step_costs_and_writes_hardly_depends_on_the_number_of_members(tmp_path: Path) -> None:
    def calls_and_bytes(size: int) -> tuple[int, int]:
        env = supply_chain(size)
        file = tmp_path / f"{size}.jsonl"
        env.recorder = Recorder(file)
        env.reset(seed=1)
        actions = {"SHOP": np.array([0.1], np.float32)}
        for _ in range(10):
            env.step(actions)
        number = 0

        def count(*_: object) -> None:
            nonlocal number
            number += 1

        sys.setprofile(count)
        try:
            env.step(actions)
        finally:
            sys.setprofile(None)
        env.close()
        return number, file.stat().st_size

    calls, _ = calls_and_bytes(5_000)
    many_calls, written = calls_and_bytes(15_000)
    assert many_calls == calls
    assert written < 1.1 * 11 * 15_000  # a byte for each customer and step, of the 16 that two integers have


def test_the_env_is_shown_in_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    env = supply_chain(1000)
    env.recorder = Recorder(EpisodePrinter(kinds=["actions", "messages", "rewards"]))
    env.reset(seed=1)
    env.step({"SHOP": np.array([0.1], np.float32)})
    env.step({"SHOP": np.array([0.0], np.float32)})
    env.recorder = None
    assert capsys.readouterr().out == (
        "──── episode 0 · ArraySupplyChainEnv · seed 1\n"
        "reset\n"
        "step 1 · simultaneous\n"
        "  actions\n"
        "    SHOP  [0.1]\n"
        "  messages\n"
        "    1  SHOP → FACTORY  StockRequest(size=2000)\n"
        "    1  CUST → SHOP  1,000 OrderRequest(size=<1,000 numbers: 0 to 4, mean 2.027>)\n"
        "    2  FACTORY → SHOP  StockResponse(size=2000)\n"
        "    2  SHOP → CUST  1,000 OrderResponse(size=<1,000 numbers: all 0>)\n"
        "  rewards\n"
        "    SHOP  -0.2\n"
        "step 2 · simultaneous\n"
        "  actions\n"
        "    SHOP  [0.0]\n"
        "  messages\n"
        "    1  SHOP → FACTORY  StockRequest(size=0)\n"
        "    1  CUST → SHOP  1,000 OrderRequest(size=<1,000 numbers: 0 to 4, mean 1.936>)\n"
        "    2  FACTORY → SHOP  StockResponse(size=0)\n"
        "    2  SHOP → CUST  1,000 OrderResponse(size=<1,000 numbers: 0 to 4, mean 1.936>)\n"
        "  rewards\n"
        "    SHOP  1.9296\n"
        "──── left unfinished after 2 steps\n"
    )


def test_a_run_is_recorded_and_shown_by_the_command_line(
    counting: Any, phantom: Callable[..., Any], tmp_path: Path
) -> None:
    results = ph.train(
        "q-learning",
        env=f"{Path(__file__).with_name('counting_world.py')}:CounterEnv",
        policies={"all": counting.Counter.Member},
        num_iterations=1,
        run_dir=tmp_path,
    )
    run = results.run_directory
    recorded = phantom("record", run, "--episodes", 2)
    file = f"{run}/episodes.jsonl"
    assert (recorded.code, recorded.out) == (0, f"2 episodes in {file}. Show them: phantom show {file}\n")
    shown = phantom("show", file, "--episode", 1, "--agent", "counters")
    assert (shown.code, shown.out.count("  actions\n    counters  [")) == (0, 10)
    assert replay(file, episode=1, step=4).current_step == 4


def test_metrics_are_recorded(tmp_path: Path) -> None:
    env = supply_chain(50)
    metrics = {
        "stock": ph.metrics.SimpleAgentMetric("SHOP", "stock"),
        "sold": ph.metrics.LambdaMetric(lambda env: int(env["SHOP"].sales[0]), np.mean, np.mean),
    }
    env.recorder = Recorder(tmp_path / "episodes.jsonl", metrics=metrics)
    env.reset(seed=1)
    stocks = []
    for _ in range(3):
        env.step({"SHOP": np.array([0.1], np.float32)})
        stocks.append(int(env["SHOP"].stock[0]))
    env.close()
    (episode,) = read_recording(tmp_path / "episodes.jsonl")
    assert [step.metrics["stock"] for step in episode.steps[1:]] == stocks
    assert episode.metrics["stock"] == stocks


def test_a_recording_stops_and_begins_at_resets(tmp_path: Path) -> None:
    env = supply_chain(5)
    actions = {"SHOP": np.array([0.1], np.float32)}
    env.reset(seed=1)
    with Recorder(tmp_path / "episodes.jsonl") as recorder:
        env.recorder = recorder
        env.step(actions)  # in the middle of an episode
        env.reset(seed=2)
        env.step(actions)
        env.recorder = None
        env.step(actions)
        env.reset(seed=3)
    assert [(e.seed, e.num_steps, e.is_finished) for e in read_recording(tmp_path / "episodes.jsonl")] == [
        (2, 1, False)
    ]


def test_a_replay_that_differs_says_where(tmp_path: Path) -> None:
    env = supply_chain(5)
    file = tmp_path / "episodes.jsonl"
    env.recorder = Recorder(file)
    env.reset(seed=1)
    for _ in range(3):
        env.step({"SHOP": np.array([0.1], np.float32)})
    env.close()

    def altered() -> Any:
        other = supply_chain(5)
        other.models["SHOP"].max_stock = 50
        return other

    for make, message in (
        (
            lambda: supply_chain(6),
            (
                "The env has other agents than the recorded ArraySupplyChainEnv: 'FACTORY', 'SHOP', '6 CUST' "
                "instead of 'FACTORY', 'SHOP', '5 CUST'. Give env_config to the Recorder, or env to replay."
            ),
        ),
        (
            altered,
            (
                "The replay differs at step 1, agent 'SHOP': rewards are array([-0.1]), but array([-0.2]) "
                "was recorded. The env changed, or something in it does not follow from its seed: phantom "
                "doctor finds what."
            ),
        ),
    ):
        with pytest.raises(ph.errors.RecordingError) as raised:
            replay(file, env=make)
        assert str(raised.value) == message


def test_what_records_no_arrays_is_refused() -> None:
    class Objects:
        def attach(self, env: Any) -> None: ...

    env = supply_chain(5)
    with pytest.raises(ph.errors.ConfigError) as raised:
        env.recorder = Objects()
    assert str(raised.value).partition("recorder=")[0] == "ArraySupplyChainEnv got "
    assert str(raised.value).partition(">, ")[2] == (
        "which records no arrays. Expected a pa.ArrayRecorder, such as "
        "phantom_recording.Recorder('episodes.jsonl')."
    )


def test_copies_that_are_stepped_together_are_not_recorded(tmp_path: Path) -> None:
    env = supply_chain(5)
    env.recorder = Recorder(tmp_path / "episodes.jsonl")
    with pytest.raises(ph.errors.ConfigError) as raised:
        pa.ArrayVectorEnv([supply_chain(5), env])
    env.close()
    assert str(raised.value) == (
        "A copy of ArraySupplyChainEnv has a recorder, but copies that are stepped together are not "
        "recorded. Play the env itself, as phantom record does, or set env.recorder = None."
    )
