"""`Plot`: a picture that is drawn when it is shown or written; and how all pictures look.

Colours are those of Okabe and Ito (2008), which people with any colour vision tell apart; lines also differ
in their dashes, so that a grey print can be read. Text is 8 points at the width of a column, 3.3 inches.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import phantom_core as ph
from phantom_experiments.data_frames import library
from phantom_experiments.table_files import replaced

if TYPE_CHECKING:  # an extra of this distribution
    from matplotlib.figure import Figure

Theme: TypeAlias = Literal["light", "dark", "auto"]

COLUMN_WIDTH: Final = 3.3
"""The width of a column of a paper, in inches."""

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""The colours of series, by Okabe and Ito, those first that stand out from white and from black."""

DASHES: Final = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (8, 2)), (0, (2.5, 1)))
"""The dashes of series."""

MARKERS: Final = ("o", "s", "^", "D", "v", "P")
"""The markers of series."""

_DPI: Final = 300
_SCREEN_DPI: Final = 200


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of a theme, but for those of series.

    Attributes:
        ink: of text and axes.
        muted: of grid lines and zero lines.
        paper: of the background.
        band: how opaque bands are.
    """

    ink: str
    muted: str
    paper: str
    band: float


LOOKS: Final[Mapping[str, Look]] = {
    "light": Look(ink="#24292f", muted="#c8ced5", paper="#ffffff", band=0.18),
    "dark": Look(ink="#e6edf3", muted="#444c56", paper="#0d1117", band=0.3),
}


class Plot:
    """A picture of results: a notebook shows it, `write` writes it, `figure` returns it for more to be drawn.

    Attributes:
        title: what it shows, in a sentence: the title of the SVG file, for people who cannot see it.
        width: in inches.
        height: in inches.
    """

    def __init__(
        self, draw: Callable[[Figure, Look], None], *, title: str, height: float, width: float = COLUMN_WIDTH
    ) -> None:
        """Make a picture that a function draws into an empty figure.

        Args:
            draw: draws it, in the colours of a look.
            title: as in the attributes.
            height: as in the attributes.
            width: as in the attributes.

        Raises:
            PluginError: if matplotlib is not installed.
        """
        library("matplotlib", "A picture")
        self.title = title
        self.width = width
        self.height = height
        self._draw = draw

    def figure(self, theme: Theme = "light") -> Figure:
        """Return the picture as a new figure of matplotlib, which belongs to no window.

        Args:
            theme: `"light"` or `"dark"`.

        Raises:
            ConfigError: if there is no such theme.
        """
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        look = LOOKS["light" if theme == "auto" else _checked(theme)]
        with rc_context(style_of(look)):
            figure = Figure(figsize=(self.width, self.height), layout="constrained")
            figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)
            self._draw(figure, look)
        return figure

    def write(self, path: str | Path, theme: Theme | None = None) -> Path:
        """Write the picture to a file, and return its path.

        The same picture gives the same bytes.

        Args:
            path: the suffix says how: `.svg`, `.png` (300 dots per inch) or `.pdf`.
            theme: `"light"`, `"dark"`, or for SVG `"auto"`: in the colours that the reader's system asks for.
                Default: auto for SVG, else light.

        Raises:
            ConfigError: if the suffix is another one, there is no such theme, or the file cannot be written.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in (".svg", ".png", ".pdf"):
            raise ph.errors.ConfigError(
                f"A picture cannot be written to {str(path)!r}: the suffix {path.suffix!r} says nothing. "
                "Expected "
                "one of .svg, .png, .pdf."
            )
        chosen = _checked(theme or ("auto" if kind == ".svg" else "light"))
        if chosen == "auto" and kind != ".svg":
            raise ph.errors.ConfigError(
                f"theme is 'auto', which a {kind} file cannot have: it has one background. Expected light "
                "or dark."
            )
        content = self._svg(chosen) if kind == ".svg" else self._bytes(kind[1:], chosen, _DPI)
        try:
            with replaced(path) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            raise ph.errors.ConfigError(
                f"The picture cannot be written to {str(path)!r}: {error.strerror or error}. Choose another "
                "place."
            ) from error
        return path

    def _repr_png_(self) -> bytes:
        return self._bytes("png", "light", _SCREEN_DPI)

    def __repr__(self) -> str:
        return f"<Plot: {self.title}>"

    def _bytes(self, kind: str, theme: Theme, dpi: int) -> bytes:
        from matplotlib import rc_context

        figure, content = self.figure(theme), io.BytesIO()
        is_clear = theme == "auto"
        dates: Mapping[str, Any] = {
            "png": {"Software": None},
            "pdf": {"CreationDate": None},
            "svg": {"Date": None},
        }
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "phantom", "pdf.fonttype": 42}):
            figure.savefig(content, format=kind, dpi=dpi, transparent=is_clear, metadata=dates[kind])
        return content.getvalue()

    def _svg(self, theme: Theme) -> bytes:
        text = self._bytes("svg", theme, _DPI).decode()
        text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
        text = re.sub(r"<\?xml.*?(?=<svg)", "", text, flags=re.DOTALL)
        head = f"\n <title>{escape(self.title, quote=False)}</title>"
        head += f"\n <style>{_dark_rules()}</style>" if theme == "auto" else ""
        text = re.sub(r"(<svg[^>]*)>", rf'\1 role="img">{head}'.replace("\\n", "\\\\n"), text, count=1)
        return "\n".join(line.rstrip() for line in text.splitlines()).encode() + b"\n"


def _dark_rules() -> str:
    """Return a style sheet that replaces the colours of the light look where a reader wants a dark one."""
    light, dark = LOOKS["light"], LOOKS["dark"]
    pairs = ((light.ink, dark.ink), (light.muted, dark.muted), (light.paper, dark.paper))
    rules = "".join(
        f' [style*="{use}: {old}"] {{ {use}: {new} !important; }}'
        for old, new in pairs
        for use in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme: dark) {{{rules} }}"


def style_of(look: Look) -> dict[str, Any]:
    """Return settings of matplotlib for a look."""
    ink, muted = look.ink, look.muted
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": ink,
        "axes.facecolor": look.paper,
        "axes.formatter.use_mathtext": False,
        "axes.grid": True,
        "axes.labelcolor": ink,
        "axes.labelsize": 8,
        "axes.linewidth": 0.6,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": ink,
        "axes.titlelocation": "left",
        "axes.titlesize": 8,
        "axes.unicode_minus": True,
        "figure.facecolor": look.paper,
        "font.size": 8,
        "grid.color": muted,
        "grid.linewidth": 0.4,
        "legend.borderaxespad": 0.4,
        "legend.borderpad": 0,
        "legend.columnspacing": 1.2,
        "legend.fontsize": 7.5,
        "legend.frameon": False,
        "legend.handlelength": 2.0,
        "legend.handletextpad": 0.5,
        "lines.linewidth": 1.3,
        "lines.markersize": 3.5,
        "text.color": ink,
        "xtick.color": ink,
        "xtick.labelsize": 7.5,
        "xtick.major.size": 2.5,
        "xtick.major.width": 0.6,
        "ytick.color": ink,
        "ytick.labelsize": 7.5,
        "ytick.major.size": 2.5,
        "ytick.major.width": 0.6,
    }


def _checked(theme: Theme) -> Theme:
    if theme not in get_args(Theme):
        nearest = ph.tools.did_you_mean(theme, get_args(Theme))
        raise ph.errors.ConfigError(f"theme is {theme!r}.{nearest} Expected light, dark or auto.")
    return theme
