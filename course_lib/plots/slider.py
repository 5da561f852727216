"""A figure that follows a slider."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import VBox
    from matplotlib.axes import Axes


def with_slider(
    draw: Callable[[Any, Axes], object],
    options: Sequence[Any],
    *,
    value: Any,
    label: str,
    figure_size: tuple[float, float] = (10.0, 3.2),
) -> VBox:
    """Show a figure under a slider; it is drawn again for each option that the reader chooses.

    The picture is an image widget, not a captured output: it needs no second message to the kernel, so the cell also
    runs where nobody moves the slider.

    Args:
        draw: called with the chosen option and empty axes; draws into them.
        options: what the slider offers, in order.
        value: the option to start with.
        label: stands beside the slider, with the unit if there is one.
        figure_size: width and height, in inches.
    Returns:
        The slider above the figure, to stand last in a cell.
    Raises:
        ValueError: if ``value`` is not among the options.
    Lesson: 01 §6
    """
    import ipywidgets
    from matplotlib.figure import Figure

    if value not in options:
        raise ValueError(f"value: got {value!r}, expected one of the options {list(options)!r}.")

    def picture(option: Any) -> bytes:
        figure = Figure(figsize=figure_size, layout="constrained")
        draw(option, figure.add_subplot())
        png = io.BytesIO()
        figure.savefig(png, format="png")
        return png.getvalue()

    slider = ipywidgets.SelectionSlider(options=options, value=value, description=label, continuous_update=False)
    image = ipywidgets.Image(value=picture(value), format="png", layout={"max_width": "100%"})

    def show_chosen(change: dict[str, Any]) -> None:
        image.value = picture(change["new"])

    slider.observe(show_chosen, names="value")
    return ipywidgets.VBox([slider, image])
