"""The tab in which one film is watched: how it goes, the film itself, its latents and sound; stopped, resumed, made again, looked into. All of it is read from the run's folder."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipeline.monitor.status import read_status
from pipeline.report.page import escape_words
from pipeline.web.page_context import PageContext, keep_changed
from pipeline.web.plan_card import render_fault, render_hint
from pipeline.web.run_view import (
    render_beside,
    render_links,
    render_nothing,
    render_settings,
    render_state,
)
from pipeline.web.verb_process import run_verb
from storage.errors import BadOption, LongtakeError
from storage.run import Run

if TYPE_CHECKING:
    from gradio.components import Component

    from pipeline.jobs.job_view import JobView

EVERY = 1.0
"""Seconds between two looks."""
PLAYER = (
    "<div class='lt-screen lt-empty'><video id=lt-film controls playsinline></video><p>{}</p></div>"
)
STANDING = {"stopped", "failed", "lost"}
LOOKS = ("film", "clip", "audio", "hunt")


@dataclass
class WatchTab:
    """The components of the tab, and what happens to them."""

    context: PageContext
    chosen: "Component"
    """The name of the film that is watched; empty for none."""
    parts: "dict[str, Component]" = field(default_factory=dict)

    def build(self) -> None:
        """Lay the tab out; inside of it."""
        say = self.context.say
        self.parts["state"] = gr.HTML(render_nothing(say("no_run")), elem_id="lt-state")
        with gr.Row(elem_classes="lt-buttons"):
            for name in ("stop", "resume"):
                self.parts[name] = gr.Button(
                    say(name), visible=False, elem_id=f"lt-{name}", min_width=90
                )
            self.parts["links"] = gr.HTML()
        self.fault = gr.HTML(elem_id="lt-fault")
        with gr.Row():
            with gr.Column(scale=6, min_width=320):
                gr.HTML(PLAYER.format(say("live_wait")))
            with gr.Column(scale=5, min_width=320):
                self.parts["beside"] = gr.HTML(elem_id="lt-beside")
        with gr.Column(visible=False) as self.parts["more"]:
            self._build_retake()
            self._build_look()
            self._build_report()
            self._build_settings()
            self._build_delete()
        self._connect()

    def _build_retake(self) -> None:
        say = self.context.say
        with gr.Accordion(say("retake"), open=False, elem_id="lt-retake"), gr.Row():
            first = gr.Number(0, label=say("first"), precision=0, minimum=0)
            until = gr.Number(1, label=say("until"), precision=0, minimum=1)
            seed = gr.Textbox(label=say("seed"), placeholder=say("seed_drawn"), max_lines=1)
            button = gr.Button(say("retake_button"), elem_id="lt-retake-button")
        button.click(
            self.retake_clips, [self.chosen, first, until, seed], [self.chosen, self.fault], api_visibility="private"
        )  # fmt: skip

    def _build_look(self) -> None:
        say = self.context.say
        with gr.Accordion(say("look"), open=False, elem_id="lt-look"):
            with gr.Row():
                what = gr.Dropdown(
                    [(say(f"look_{each}"), each) for each in LOOKS],
                    value="clip",
                    label=say("look_at"),
                )
                clip = gr.Number(0, label=say("clip"), precision=0, minimum=0)
                button = gr.Button(say("look_button"), elem_id="lt-look-button")
            picture = gr.Image(
                interactive=False,
                visible=False,
                format="png",
                elem_id="lt-look-picture",
                show_label=False,
            )
            words = gr.HTML()
        button.click(
            self.look_into, [self.chosen, what, clip], [picture, words], api_visibility="private", concurrency_limit=1
        )  # fmt: skip

    def _build_report(self) -> None:
        say = self.context.say
        with gr.Accordion(say("report"), open=False, elem_id="lt-report"):
            button = gr.Button(say("report_button"), elem_id="lt-report-button")
            words = gr.HTML()
        begun = button.click(
            lambda: render_hint(say("report_wait")),
            None,
            words,
            queue=False,
            api_visibility="private",
        )
        begun.then(
            self.write_report, self.chosen, words, api_visibility="private", concurrency_limit=1
        )

    def _build_settings(self) -> None:
        with gr.Accordion(self.context.say("settings"), open=False, elem_id="lt-settings") as fold:
            table = gr.HTML()
        fold.expand(self.list_settings, self.chosen, table, api_visibility="private")

    def _build_delete(self) -> None:
        say = self.context.say
        with gr.Accordion(say("delete"), open=False, elem_id="lt-delete"):
            button = gr.Button(say("delete_sure"), variant="stop", elem_id="lt-delete-button")
        button.click(
            self.delete_film, self.chosen, [self.chosen, self.fault], api_visibility="private"
        )

    def _connect(self) -> None:
        """Look at the chosen film again and again."""
        seen, timer = gr.State({}), gr.Timer(EVERY)
        shown: list[Any] = [seen, *(self.parts[name] for name in SHOWN)]
        gr.on(
            [timer.tick, self.chosen.change], self.look, [self.chosen, seen], shown,
            show_progress="hidden", queue=False, api_visibility="private",
        )  # fmt: skip
        for name, act in (("stop", self.stop_film), ("resume", self.resume_film)):
            self.parts[name].click(act, self.chosen, self.fault, api_visibility="private")

    def look(self, name: str, seen: dict[str, str]) -> list[Any]:
        """What has changed of the film since this browser's last look: an update for each of SHOWN, and what it shows now."""
        changed, digests = keep_changed(self.describe_film(name), seen)
        updates: list[Any] = [digests]
        for part in SHOWN:
            text = changed[part]
            if text is None:
                updates.append(gr.skip())
            elif part in SWITCHED:
                updates.append(gr.update(visible=bool(text)))
            else:
                updates.append(text)
        return updates

    def describe_film(self, name: str) -> dict[str, str]:
        """Each of SHOWN as text; of what is only seen or not, empty for not."""
        say = self.context.say
        nothing = dict.fromkeys(SHOWN, "")
        if not name:
            return {**nothing, "state": render_nothing(say("no_run"))}
        try:
            view = self.context.jobs.view(name)
        except LongtakeError as error:
            return {**nothing, "state": render_nothing(str(error))}
        return {
            "state": render_state(view, say),
            "beside": render_beside(view, say),
            "links": render_links(view, say),
            "stop": "yes" if view.state in {"queued", "running"} and not view.stopping else "",
            "resume": "yes" if view.state in STANDING else "",
            "more": "yes",
        }

    def stop_film(self, name: str) -> str:
        """Tell a film to stop after the current write; the error's line, or nothing."""
        return self._try(lambda: self.context.jobs.stop(name))[1]

    def resume_film(self, name: str) -> str:
        """Let a film go on; the error's line, or nothing."""
        return self._try(lambda: self.context.jobs.resume(name))[1]

    def retake_clips(self, name: str, first: float, until: float, seed: str) -> tuple[str, str]:
        """Make clips of a film again in a new one: its name, and the error's line or nothing."""
        flags = {"seed": seed.strip()} if seed.strip() else {}
        clips = range(int(first or 0), int(until or 0))
        made, fault = self._try(lambda: self.context.jobs.retake(name, clips, flags))
        return (made.name if made else name), fault

    def delete_film(self, name: str) -> tuple[str, str]:
        """Remove a film: no name is chosen then; the error's line where it stays."""
        _, fault = self._try(lambda: self.context.jobs.delete(name))
        return (name if fault else ""), fault

    def _try(self, act: Any) -> "tuple[JobView | None, str]":
        """What a deed gives, and its error as a line of the page."""
        try:
            return act(), ""
        except LongtakeError as error:
            return None, render_fault(error)

    def look_into(self, name: str, what: str, clip: float) -> tuple[Any, str]:
        """The picture of `longtake inspect`, and its words."""
        from PIL import Image

        try:
            root = self.context.jobs.view(name).run
            with TemporaryDirectory() as folder:
                file = Path(folder) / "look.png"
                words = run_verb("inspect", str(root), *words_of_look(what, int(clip or 0), file))
                picture = Image.open(file).convert("RGB") if file.exists() else None
                words = words.replace(str(root), name).replace(str(file), file.name)
        except LongtakeError as error:
            return gr.update(visible=False), render_fault(error)
        return gr.update(value=picture, visible=picture is not None), render_words(words)

    def write_report(self, name: str) -> str:
        """Write the report page into the run, and say what the terminal would."""
        try:
            root = self.context.jobs.view(name).run
            page = ["--output-file", str(root / "report.html"), "--overwrite"]
            return render_words(run_verb("report", str(root), *page).replace(str(root), name))
        except LongtakeError as error:
            return render_fault(error)

    def list_settings(self, name: str) -> str:
        """What the film is made with, as a table."""
        try:
            run = Run.open(self.context.jobs.view(name).run)
            return render_settings(read_status(run).settings, self.context.say)
        except LongtakeError as error:
            return render_fault(error)


SHOWN = ("state", "beside", "links", "stop", "resume", "more")
"""Parts of the tab that a look may change."""
SWITCHED = {"stop", "resume", "more"}
"""Those of them that are only seen or not."""


def words_of_look(what: str, clip: int, file: Path) -> list[str]:
    """The words of `longtake inspect` for a way to look. Raises BadOption."""
    if what not in LOOKS:
        raise BadOption("look", what, f"one of {', '.join(LOOKS)} is needed")
    one = ["--clip", str(clip)] if what in {"clip", "audio"} else []
    way = [f"--{what}"] if what in {"audio", "hunt"} else []
    return [*one, *way, *([] if what == "hunt" else ["--output-file", str(file)])]


def render_words(words: str) -> str:
    """What a command said, as it stands on a terminal."""
    return f"<pre class=lt-words>{escape_words_of(words)}</pre>"


def escape_words_of(words: str) -> str:
    """Lines of text for HTML, each without what a terminal would act on."""
    return "\n".join(map(escape_words, words.splitlines()))
