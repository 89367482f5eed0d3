"""The tab with all films: what waits, what is made, what is done, each with a thumbnail."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipeline.web.page_context import PageContext, keep_changed
from pipeline.web.run_view import render_gallery

if TYPE_CHECKING:
    from gradio.components import Component

EVERY = 2.0
"""Seconds between two looks, while the tab is open."""
PLACE = 2
"""Of the tab among the tabs."""
MOST = 200
"""Films that are shown, the newest."""
CHOOSE = """
element.addEventListener('click', (event) => {
  const card = event.target.closest('[data-run]');
  if (!card || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger('click', { run: card.dataset.run });
});
"""
"""A plain click stays on the page; with a key held down it opens another tab, as any link does."""


@dataclass
class FilmsTab:
    """The gallery, and what a click on a film does."""

    context: PageContext
    chosen: "Component"

    def build(self, tab: Any, tabs: Any) -> None:
        """Lay the tab out; inside of it."""
        gallery = gr.HTML(js_on_load=CHOOSE, elem_id="lt-gallery")
        seen, timer = gr.State({}), gr.Timer(EVERY, active=False)
        gr.on(
            [timer.tick, tab.select], self.look, seen, [seen, gallery],
            show_progress="hidden", queue=False, api_visibility="private",
        )  # fmt: skip
        tabs.select(watch_when_open, None, timer, queue=False, api_visibility="private")
        gallery.click(self.choose, None, [self.chosen, tabs], queue=False, api_visibility="private")

    def look(self, seen: dict[str, str]) -> list[Any]:
        """The gallery, where it has changed since this browser's last look."""
        views = self.context.jobs.list_jobs()[:MOST]
        changed, digests = keep_changed({"gallery": render_gallery(views, self.context.say)}, seen)
        return [digests, gr.skip() if changed["gallery"] is None else changed["gallery"]]

    def choose(self, event: gr.EventData) -> tuple[str, Any]:
        """The film whose card was clicked, and the tab in which it is watched."""
        return str(event.run), gr.Tabs(selected="watch")


def watch_when_open(event: gr.SelectData) -> gr.Timer:
    """The timer of the gallery, which ticks while its tab is open."""
    return gr.Timer(active=event.index == PLACE)
