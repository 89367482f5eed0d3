"""The page of `longtake web`: a form, a film that is watched, and all films, in Gradio. It holds nothing: every state is read from the runs' folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from fastapi import Request
from fastapi.responses import RedirectResponse

from pipeline.web.films_tab import FilmsTab
from pipeline.web.form_tab import FormTab
from pipeline.web.page_context import PageContext
from pipeline.web.page_texts import LANGUAGES, choose_language
from pipeline.web.watch_tab import WatchTab

if TYPE_CHECKING:
    from fastapi import FastAPI
    from gradio import Blocks

    from pipeline.jobs.job_root import JobRoot

HERE = Path(__file__).parent
COOKIE = "longtake_language"
CACHE_SECONDS = (3600, 86_400)
"""How often what was uploaded is looked at, and after how long it goes; a film has copies of its own."""
SESSIONS = 100
"""Browsers whose last look is remembered, of each language; what another one shows is sent to it again. Gradio takes a third of a megabyte for each."""
LOOK_SECONDS = 0.05
FONTS = ("system-ui", "Segoe UI", "Roboto", "Noto Sans", "Noto Sans CJK SC", "sans-serif")
"""Those of the machine: nothing is fetched from the network."""


def mount_page(app: "FastAPI", jobs: "JobRoot", most_bytes: int, **more: Any) -> None:
    """Put the page into a server, once for each language; / leads to the one that the browser asks for. `more` goes to Gradio's mount_gradio_app."""

    @app.get("/", include_in_schema=False)
    def choose(request: Request) -> RedirectResponse:
        told = request.cookies.get(COOKIE) or request.headers.get("accept-language", "")
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{choose_language(told)}/{query}")

    for language in LANGUAGES:
        blocks = build_page(jobs, language)
        # Gradio takes any file of the machine for an upload until it is told this, which only its own server tells it.
        blocks.has_launched = True
        blocks.state_session_capacity = SESSIONS
        # Gradio looks a thousand times a second whether somebody waits, which takes a film 3 % of a core.
        queue = blocks._queue
        queue.sleep_when_free, queue.progress_update_sleep_when_free = LOOK_SECONDS, LOOK_SECONDS
        gr.mount_gradio_app(
            app, blocks, f"/{language}", max_file_size=most_bytes,
            theme=build_theme(), css=(HERE / "page.css").read_text(encoding="utf-8"),
            head=f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>",
            footer_links=[], run_history=False, ssr_mode=False, enable_monitoring=False, **more,
        )  # fmt: skip


def build_theme() -> Any:
    """Gradio's own looks, with the machine's fonts."""
    return gr.themes.Default(
        primary_hue="blue", neutral_hue="zinc", font=FONTS, font_mono=("ui-monospace", "monospace")
    )


def build_page(jobs: "JobRoot", language: str) -> "Blocks":
    """The page in one language."""
    context = PageContext(jobs, language)
    say = context.say
    with gr.Blocks(title="longtake", analytics_enabled=False, delete_cache=CACHE_SECONDS) as page:
        gr.HTML(render_header(language, say("title")))
        chosen = gr.Textbox(visible="hidden", elem_id="lt-chosen")
        form = FormTab(context)
        with gr.Tabs(elem_id="lt-tabs") as tabs:
            with gr.Tab(say("tab_new"), id="new"):
                form.build()
            with gr.Tab(say("tab_watch"), id="watch"):
                WatchTab(context, chosen).build()
            with gr.Tab(say("tab_films"), id="films") as films:
                FilmsTab(context, chosen).build(films, tabs)
        connect_form(form, chosen, tabs)
        connect_address(page, chosen, tabs)
    return page


def render_header(language: str, title: str) -> str:
    """Name, title, and the switches of language and light, as HTML."""
    links = "".join(
        f"<a href='../{name}/' data-language='{name}'{' aria-current=true' if name == language else ''}>{words}</a>"
        for name, words in LANGUAGES.items()
    )
    return f"<div class=lt-top><h1>longtake</h1><p>{title}</p><nav>{links}<button type=button data-light aria-label='light or dark'>◐</button></nav></div>"


def connect_form(form: FormTab, chosen: Any, tabs: Any) -> None:
    """Let the button make the film, and show it."""

    def make(*values: Any) -> tuple[Any, str, Any]:
        name, words = form.make_film(*values)
        if not name:
            return gr.skip(), words, gr.skip()
        return name, words, gr.Tabs(selected="watch")

    form.make.click(make, form.inputs, [chosen, form.plan, tabs], api_visibility="private")


def connect_address(page: Any, chosen: Any, tabs: Any) -> None:
    """Keep the chosen film in the page's address, from which a reload and another tab take it."""
    chosen.change(None, chosen, None, js="(run) => longtake.keep(run)", api_visibility="private")
    page.load(None, None, chosen, js="() => longtake.chosen()", api_visibility="private").then(
        lambda name: gr.Tabs(selected="watch") if name else gr.skip(),
        chosen, tabs, queue=False, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
