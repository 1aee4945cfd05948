"""Progress in a terminal, in a notebook and where nobody sees it."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from phantom_experiments.progress import NotebookProgress, TerminalProgress, progress_bar

NOTEBOOK = """
import gymnasium as gym
import phantom_core as ph
import phantom_experiments as px

class Market(ph.PhantomEnv):
    def __init__(self, cost=1.0):
        self.price = 2 * cost
        super().__init__(num_steps=2, network=ph.Network([ph.Agent("A")]))

study = px.Study(Market, {"cost": [1.0, 2.0]}, seeds=3, collect=px.collect(env={"price": "price"}, every=1))
results = study.simulate()
"""


def test_where_nobody_sees_it_nothing_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as progress:
        progress(1, 10, 0)
    assert capfd.readouterr() == ("", "")


def test_in_a_terminal_it_is_a_bar_with_rate_remaining_time_and_failures() -> None:
    seen = io.StringIO()
    console = Console(file=seen, force_terminal=True, width=120, get_time=iter(range(1000)).__next__)
    with TerminalProgress(console) as bar:
        bar.update(50, 200, 0)
        bar.update(100, 200, 2)
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.getvalue()).strip().splitlines()[-1]
    assert re.search(r" 100/200 tasks +[0-9.]+/.+ left 2 failed$", last)


def test_in_a_notebook_it_is_drawn_a_few_times_a_second_and_at_the_end() -> None:
    drawn: list[str] = []
    now = [0.0]
    view = NotebookProgress(drawn.append, clock=lambda: now[0])
    for done in range(1, 101):
        now[0] += 0.05
        view.update(done, 100, 0)
    view.close()
    assert 20 <= len(drawn) <= 30
    assert drawn[0] == "<div><progress></progress> starting</div>"
    assert (
        drawn[-1] == '<div><progress value="100" max="100"></progress> 100 of 100 tasks, 20/s, in 5 s</div>'
    )
    view.update(50, 100, 3)
    assert view.html().endswith("50 of 100 tasks, 10/s, 5 s left, 3 failed</div>")


@pytest.mark.integration
def test_a_notebook_shows_progress_results_tables_and_pictures(tmp_path: Path) -> None:
    nbclient = pytest.importorskip(
        "nbclient", reason="nbclient is not installed: run make check-integrations"
    )
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: run make check-integrations")
    import nbformat

    sources = [NOTEBOOK, "results", "results.summary()", "results.plot('grid')"]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=50, resources={"metadata": {"path": tmp_path}}).execute()
    first, shown, table, picture = ([output["data"] for output in cell["outputs"]] for cell in notebook.cells)
    assert "6 of 6 tasks" in json.dumps(first)
    assert "&lt;" not in shown[0]["text/html"]
    assert shown[0]["text/html"].startswith("<p>Results of __main__:Market: 2 points")
    assert "<th>mean</th>" in table[0]["text/html"]
    assert picture[0]["image/png"]
