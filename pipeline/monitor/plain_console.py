"""A terminal on which words only show: colours are ours, and what a prompt, a name or a record brings along is spelled."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from storage.printable import spell_unprintable


class PlainConsole(Console):
    """rich's console on which no letter of what is drawn is obeyed by the terminal."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments that are drawn, unprintable letters spelled; those that move the cursor are rich's own."""
        for segment in super().render(renderable, options):
            if segment.control is None and not segment.text.isprintable():
                yield Segment(spell_unprintable(segment.text, keep="\n"), segment.style)
            else:
                yield segment
