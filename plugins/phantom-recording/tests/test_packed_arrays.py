"""Arrays in recordings: what is read is what was written, in few bytes, and nothing else is taken for one."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
from phantom_recording import EpisodePrinter, Recorder, read_recording
from phantom_recording.packed_arrays import is_same, pack, unpack


def written_and_read(array: Any) -> Any:
    """Return what comes back of an array through JSON."""
    return unpack(json.loads(msgspec.json.encode(pack(array))))


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["?", "i1", "<i2", "<i4", "<i8", "u1", "<u8", "<f4", "<f8", ">i4"]),
        hnp.array_shapes(max_dims=3, min_side=0, max_side=90),
    ),
    st.booleans(),
)
def test_an_array_is_read_as_it_was_written(array: Any, is_sorted: bool) -> None:  # noqa: FBT001
    array = np.sort(array, axis=None) if is_sorted else array
    found = written_and_read(array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize(
    ("array", "most"),
    [
        (np.arange(10_000), 300),
        (np.full(10_000, 2.5), 700),
        (np.random.default_rng(1).integers(5, size=10_000), 5_500),
        (np.random.default_rng(1).integers(2**40, size=1_000), 11_000),
        (np.random.default_rng(1).normal(size=10_000), 107_000),
        (np.array([np.iinfo(np.int64).min, *range(100), np.iinfo(np.int64).max]), 1_300),
    ],
    ids=["in order", "all alike", "small", "large", "floats", "the extremes"],
)
def test_a_long_array_is_a_few_bytes(array: Any, most: int) -> None:
    assert len(msgspec.json.encode(pack(array))) < most
    assert written_and_read(array).tobytes() == array.tobytes()


def packed(data: bytes, how: str = "raw", **changes: Any) -> dict[str, Any]:
    """Return a packed array of ten bytes, with changes."""
    return {"dtype": "|i1", "shape": [10], how: base64.b64encode(data).decode(), **changes}


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (packed(b"123"), "it has 3 bytes instead of 10"),
        (packed(zlib.compress(bytes(1 << 20)), "zlib"), "it has 11 bytes instead of 10"),
        (packed(b"123", "zlib"), "Error -3 while decompressing data: incorrect header check"),
        (packed(bytes(10), shape=[2**40]), "its shape is (1099511627776,)"),
        (packed(bytes(10), shape=[-10, -1]), "its shape is (-10, -1)"),
        (packed(bytes(10), dtype="|O"), "it is of object"),
        (packed(bytes(10), stored="<U4"), "it is of int8, stored as <U4"),
        (packed(bytes(10), raw="%"), "Only base64 data is allowed"),
        ({"dtype": "|i1", "array": ["x"]}, "invalid literal for int() with base 10: 'x'"),
        ({"dtype": "|i1"}, "'shape'"),
        ({"dtype": "|i1", "array": 3}, "it is a single value"),
        ([1, 2], "list indices must be integers or slices, not str"),
    ],
)
def test_what_is_no_array_is_refused(plain: Any, reason: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        unpack(plain)
    assert str(raised.value) == f"an array cannot be read: {reason}"


def test_arrays_are_the_same_bit_for_bit() -> None:
    one = {"a": (np.array([np.nan, 1.0]), "x")}
    assert is_same(one, {"a": (np.array([np.nan, 1.0]), "x")})
    for other in (
        {"a": (np.array([np.nan, 1.0], np.float32), "x")},
        {"a": (np.array([np.nan, 2.0]), "x")},
        {"a": (np.array([[np.nan, 1.0]]), "x")},
        {"a": ([float("nan"), 1.0], "x")},
        {"a": (np.array([np.nan, 1.0]), "y")},
        {"b": (np.array([np.nan, 1.0]), "x")},
        {"a": (np.array([np.nan, 1.0]),)},
    ):
        assert not is_same(one, other)


@ph.msg_payload()
class Prices:
    values: Any


class Teller(ph.Agent):
    def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
        return [
            ("LISTENER", Prices(np.linspace(0.0, 1.0, 1001))),
            ("LISTENER", Prices(np.array([np.nan, 2.0]))),
        ]


class Listener(ph.Agent):
    @ph.msg_handler(Prices)
    def listen(self, ctx: ph.Context, message: ph.Message[Prices]) -> None:
        """Only listen."""


def test_a_long_array_in_a_payload_is_packed_and_read_as_a_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = ph.PhantomEnv(
        1, ph.Network([Teller("TELLER"), Listener("LISTENER")], connections=[("TELLER", "LISTENER")])
    )
    with Recorder(tmp_path / "episodes.jsonl") as recorder:
        env.recorder = recorder
        env.reset(seed=1)
        env.step({})
    (episode,) = read_recording(tmp_path / "episodes.jsonl")
    many, few = (message.fields["values"] for message in episode.steps[1].messages)
    assert (many, few) == (np.linspace(0.0, 1.0, 1001).tolist(), ["nan", 2.0])
    assert b'"class":"[]","dtype":"<f8","shape":[1001]' in (tmp_path / "episodes.jsonl").read_bytes()
    EpisodePrinter(kinds=["messages"]).show(episode, 0)
    assert capsys.readouterr().out.splitlines()[4:6] == [
        "    1  TELLER → LISTENER  Prices(values=<1,001 numbers: 0.0 to 1.0, mean 0.5>)",
        "    1  TELLER → LISTENER  Prices(values=[nan, 2.0])",
    ]
