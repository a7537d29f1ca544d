"""Small plots as inline SVG. Knows numbers and labels, nothing of datasets.

matplotlib draws in a few fixed colours, which are then replaced by the page's CSS variables, so that one drawing serves
light and dark. Text stays text and takes the page's font. The same numbers give the same bytes.
"""

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree  # reads only what matplotlib wrote here

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pipelines.report.compare import CALENDAR
from pipelines.report.wording import compact, label, percent, thousands

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
REAL, SYNTHETIC, INK, MUTED, LINE = "#0072b2", "#d55e00", "#222222", "#777777", "#cccccc"
PLUS, MINUS = (0.0, 0.62, 0.45), (0.72, 0.35, 0.62)
_THEME = {REAL: "--real", SYNTHETIC: "--synthetic", INK: "--ink", MUTED: "--muted", LINE: "--line"}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "makeweight",
    "text.parse_math": False,  # a `$` in the data is a dollar
    "axes.unicode_minus": False,
    "font.size": 11,
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
}


@dataclass(frozen=True)
class Frame:
    """The size of a plot and the margins around its axes, in pixels."""

    width: int
    height: int
    left: int = 8
    right: int = 10
    top: int = 6
    bottom: int = 24


def draw(frame: Frame, description: str, paint: Callable[["Axes"], None]) -> Markup:
    """Return what `paint` draws on one pair of axes, as an SVG element that screen readers read as `description`."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    w, h = frame.width, frame.height
    box = (frame.left / w, frame.bottom / h, 1 - (frame.left + frame.right) / w, 1 - (frame.top + frame.bottom) / h)
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update(_SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the browser's fonts have it
        figure = Figure(figsize=(w / 72, h / 72), dpi=72)
        canvas = FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_axes(box)
        axes.patch.set_visible(False)
        paint(axes)
        sink = io.StringIO()
        canvas.print_figure(sink, format="svg", metadata={"Date": None})
    return _apply_theme(sink.getvalue(), description)


def _apply_theme(svg: str, description: str) -> Markup:
    """Remove what a page does not need, and insert the page's colours."""
    root = ElementTree.fromstring(svg)  # noqa: S314 (written by matplotlib a moment ago, with every label escaped)
    own = hashlib.sha256(f"{description}\n{svg}".encode(errors="replace")).hexdigest()[:8]
    used = {name: f"{name}-{own}" for name in re.findall(r"(?:url\(|href=\")#([^\")]+)", svg)}
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.text = None if not (element.text or "").strip() else element.text
        element.tail = None
        _simplify(element, used)
    view = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "role": "img", "aria-label": description})
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 (labels are escaped by both writers)


def _simplify(element: "ElementTree.Element[str]", used: dict[str, str]) -> None:
    """Drop namespaces, and ids that nothing refers to; make the others unique within a page of many plots."""
    for name in list(element.attrib):
        value = element.attrib.pop(name)
        plain = name.rpartition("}")[2]
        if plain == "style":
            value = _style(value)
        if plain == "d":
            value = " ".join(value.split())
        if plain in ("href", "clip-path"):
            value = re.sub(r"#(\w+)", lambda match: "#" + used.get(match[1], match[1]), value)
        if plain != "id":
            element.set(plain, value)
        elif value in used:
            element.set(plain, used[value])


def _style(style: str) -> str:
    style = re.sub(r"font-family: [^;]+;?|font: ", lambda m: "" if m[0].startswith("font-family") else m[0], style)
    for colour, variable in _THEME.items():
        style = style.replace(colour, f"var({variable})")
    return style.strip()


def counts_plot(
    names: Sequence[str],
    real: Floats,
    synthetic: Floats,
    before: Floats,
    width: int,
    gap: int | None,
    unit: str = "rows",
) -> Markup:
    """Draw a bar per class, real rows (or other units) then synthetic ones, and a mark for the count before.

    After the first `gap` bars dots stand for the classes that are left out.
    """
    labels = [label(name, 24 if width > 500 else 14) for name in names]
    left = margin(labels)
    positions = np.arange(len(names)) + (np.arange(len(names)) >= (len(names) if gap is None else gap))
    dots: tuple[list[int], list[str]] = ([], []) if gap is None else ([gap], ["⋮"])

    def paint(axes: "Axes") -> None:
        axes.barh(positions, real, height=0.62, color=REAL)
        axes.barh(positions, synthetic, left=real, height=0.62, color=SYNTHETIC)
        axes.vlines(before, positions - 0.46, positions + 0.46, color=INK, linewidth=2)
        axes.set_yticks([*positions, *dots[0]], [*labels, *dots[1]])
        axes.set_ylim(positions[-1] + 0.6, -0.6)
        axes.set_xlim(0, max(1.0, float((real + synthetic).max()), float(before.max())) * 1.02)
        _count_axis(axes, ticks=5 if width > 500 else 3)

    height = round(34 + max(len(names) * 22, 60 if len(names) > 1 else 36))
    described = f"Bars of {unit} for {len(names)} classes: real and synthetic, with a mark at the count before"
    return draw(Frame(width, height, left=left, right=16), described, paint)


def _count_axis(axes: "Axes", ticks: int) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.grid(axis="x")


def margin(labels: Sequence[str], least: int = 20) -> int:
    """Return the space in pixels that labels need beside the axes; wide scripts take twice as much."""
    return max([least, *(12 + round(sum(6.2 if ord(c) < 0x1100 else 11 for c in text)) for text in labels)])


def histogram_plot(edges: Floats, real: Floats, synthetic: Floats, name: str, dates: bool) -> Markup:
    """Draw the shares of the bins: real rows filled, synthetic rows as a line."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def paint(axes: "Axes") -> None:
        axes.stairs(real, edges, fill=True, color=REAL, alpha=0.45)
        axes.stairs(synthetic, edges, color=SYNTHETIC, linewidth=1.8, baseline=None)
        axes.set_xlim(*(np.clip(edges[[0, -1]], *CALENDAR) if dates else edges[[0, -1]]))
        axes.set_ylim(0, max(0.01, float(real.max()), float(synthetic.max())) * 1.08)
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda share, _: f"{share:.2g}" if share < 0.01 else f"{share:.0%}")
        )
        axes.tick_params(axis="y", labelcolor=MUTED)
        axes.grid(axis="y")
        if dates:
            _date_axis(axes)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(FuncFormatter(compact))

    return draw(Frame(320, 190, left=38, right=14), f"Histogram of {label(name)}, real against synthetic", paint)


def _date_axis(axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)


def bars_plot(levels: Sequence[str], real: Floats, synthetic: Floats, name: str) -> Markup:
    """Draw two bars per category, real above synthetic."""
    labels = [label(level, 17) for level in levels]
    positions = np.arange(len(levels))
    half = 0.36

    def paint(axes: "Axes") -> None:
        axes.barh(positions - half / 2, real, height=half, color=REAL, alpha=0.8)
        axes.barh(positions + half / 2, synthetic, height=half, color=SYNTHETIC)
        axes.set_yticks(positions, labels)
        axes.set_ylim(max(len(levels), 4) - 0.4, -0.6)
        axes.set_xlim(0, max(0.01, float(real.max()), float(synthetic.max())) * 1.04)
        _share_axis(axes)

    frame = Frame(320, 190, left=margin(labels), right=20)
    return draw(frame, f"Shares of the categories of {label(name)}, real against synthetic", paint)


def _share_axis(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: percent(share).replace(".0%", "%")))
    axes.grid(axis="x")


def matrix_plot(names: Sequence[str], values: Floats, description: str) -> Markup:
    """Draw a square matrix of values from -1 to 1; a value that is not defined is hatched in grey."""
    labels = [label(name, 14) for name in names]
    side = max(9, min(22, round(250 / len(names))))
    left = margin(labels)
    size = max(9 * 14, side * len(names))
    strength = np.nan_to_num(np.clip(np.abs(values), 0, 1))
    image = np.zeros((*values.shape, 4))
    image[..., :3] = np.where((values < 0)[..., None], MINUS, PLUS)
    image[..., 3] = strength

    def paint(axes: "Axes") -> None:
        axes.imshow(image, interpolation="nearest", aspect="auto")
        rows, columns = np.nonzero(np.isnan(values))
        axes.plot(columns, rows, linestyle="", marker="x", markersize=3, color=MUTED)
        axes.set_xticks(range(len(names)), labels, rotation=90)
        axes.set_yticks(range(len(names)), labels)
        axes.tick_params(length=0, labelsize=min(11, max(7, side - 2)))
        axes.tick_params(axis="x", labelcolor=INK)
        for spine in axes.spines.values():
            spine.set_visible(False)

    frame = Frame(left + size + 10, left + size + 10, left=left, right=10, top=10, bottom=left)
    return draw(frame, description, paint)


def timings_plot(timings: dict[str, float], described: str) -> Markup:
    """Draw one bar per step."""
    labels = [label(step, 14) for step in timings]
    values = np.array(list(timings.values()))
    positions = np.arange(len(labels))

    def paint(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        axes.barh(positions, values, height=0.55, color=MUTED)
        axes.set_yticks(positions, labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlim(0, max(1e-3, float(values.max())) * 1.04)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="x")

    return draw(Frame(380, 34 + 22 * max(2, len(labels)), left=margin(labels), right=16), described, paint)
