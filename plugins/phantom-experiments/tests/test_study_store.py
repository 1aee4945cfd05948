"""The directory of a study: what is written comes back, and a cut study goes on from what was whole."""

import json
from pathlib import Path

import numpy as np

from phantom_experiments.store import StudyStore, encode_rows, read_header


def test_rows_and_arrays_come_back(tmp_path: Path) -> None:
    store = StudyStore.create(tmp_path / "study", {"env": "Market"})
    store.write({"episodes": encode_rows([{"point": 0, "price": 1.5}])})
    store.write({"episodes": encode_rows([{"point": 1, "wealth": np.arange(3)}])})
    store.close("completed")
    lines = [json.loads(line) for line in (tmp_path / "study" / "episodes.jsonl").read_text().splitlines()]
    assert lines == [{"point": 0, "price": 1.5}, {"point": 1, "wealth": {"array": [0, 0]}}]
    with np.load(tmp_path / "study" / "arrays" / "episodes-0.npz") as arrays:
        assert arrays["0"].tolist() == [0, 1, 2]
    assert read_header(tmp_path / "study") == {"format": 1, "status": "completed", "env": "Market"}
