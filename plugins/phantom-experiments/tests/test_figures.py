"""Pictures: how they look, what is in the files, and who can read them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph
from phantom_experiments.figures import COLOURS, DASHES, LOOKS, MARKERS, Plot

OKABE_ITO = {"#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"}


def luminance(colour: str) -> float:
    """Return the relative luminance of the Web Content Accessibility Guidelines."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture
def plot() -> Plot:
    def draw(figure: Any, _: Any) -> None:
        figure.subplots().plot([1, 2], [3, 4], color=COLOURS[0])

    return Plot(draw, title="Price < 4 & rising", height=1.5)


def test_series_have_colours_of_okabe_and_ito_and_differ_in_dashes_and_marks_too() -> None:
    assert set(COLOURS) <= OKABE_ITO
    assert len(set(COLOURS)) == len(set(DASHES)) == len(set(MARKERS)) == len(COLOURS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_the_first_series_stand_out_from_the_paper(theme: str) -> None:
    look = LOOKS[theme]
    assert contrast(look.ink, look.paper) >= 7
    assert all(contrast(colour, look.paper) >= 2.9 for colour in COLOURS[:4])
    assert all(contrast(colour, look.paper) >= 2.1 for colour in COLOURS)


def test_a_picture_is_as_wide_as_a_column_with_text_of_eight_points(plot: Plot) -> None:
    figure = plot.figure()
    assert figure.get_size_inches().tolist() == [3.3, 1.5]
    assert figure.axes[0].xaxis.label.get_fontsize() == 8


def test_an_svg_file_has_text_a_title_and_the_colours_that_the_reader_asks_for(
    plot: Plot, tmp_path: Path
) -> None:
    text = plot.write(tmp_path / "new" / "a.svg").read_text()
    assert text.startswith("<svg ")
    assert "<title>Price &lt; 4 &amp; rising</title>" in text
    assert "@media (prefers-color-scheme: dark)" in text
    assert f'[style*="fill: {LOOKS["light"].ink}"] {{ fill: {LOOKS["dark"].ink} !important; }}' in text
    assert ">2.0</text>" in text
    assert "metadata" not in text
    drawn = text.partition("</style>")[2]
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", drawn))
    assert used <= {LOOKS["light"].ink, LOOKS["light"].muted, *COLOURS}  # no paper: the page's own is seen


def test_the_same_picture_gives_the_same_bytes(plot: Plot, tmp_path: Path) -> None:
    for suffix in ("svg", "png", "pdf"):
        one, other = (plot.write(tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
        assert one == other


def test_light_and_dark_files_differ_in_their_paper(plot: Plot, tmp_path: Path) -> None:
    assert "prefers-color-scheme" not in plot.write(tmp_path / "d.svg", theme="dark").read_text()
    light, dark = (
        plot.write(tmp_path / f"{theme}.png", theme=theme).read_bytes() for theme in ("light", "dark")
    )
    assert light.startswith(b"\x89PNG")
    assert light != dark
    assert plot._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "theme", "message"),
    [
        (
            "a.gif", None,
            ("A picture cannot be written to '{path}': the suffix '.gif' says nothing. Expected one of .svg, "
            ".png, .pdf."),
        ),
        (
            "a.png", "auto",
            "theme is 'auto', which a .png file cannot have: it has one background. Expected light or dark.",
        ),
        ("a.png", "drak", "theme is 'drak'. Did you mean 'dark'? Expected light, dark or auto."),
        (
            "taken/a.png", None,
            "The picture cannot be written to '{path}': File exists. Choose another place.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_written_says_why(
    name: str, theme: Any, message: str, plot: Plot, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    path = tmp_path / name
    with pytest.raises(ph.errors.ConfigError) as caught:
        plot.write(path, theme)
    assert str(caught.value) == message.format(path=path)
    assert {one.name for one in tmp_path.iterdir()} == {"taken"}


def test_without_matplotlib_a_picture_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ph.errors.PluginError) as caught:
        Plot(lambda *_: None, title="", height=1.0)
    assert str(caught.value) == (
        'A picture needs matplotlib, which is not installed. Run: pip install "phantom-experiments[plot]"'
    )


def test_settings_of_matplotlib_stay_as_they_were(plot: Plot, tmp_path: Path) -> None:
    from matplotlib import rcParams

    before = dict(rcParams)
    plot.write(tmp_path / "a.svg")
    assert dict(rcParams) == before


def test_importing_the_package_imports_no_extra() -> None:
    extras = ("matplotlib", "pandas", "polars", "pyarrow", "xarray", "IPython")
    code = f"import sys, phantom_experiments; print([name for name in {extras} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
