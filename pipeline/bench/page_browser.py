"""A person in front of the page of `longtake web`: the server as a process of its own, and Chromium driven by Selenium. For tests, pictures and measurements."""

import base64
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 240.0
"""Seconds for what must come, however busy the machine is."""
EVERY = 0.1
SMALL_PHONE, DESKTOP = (390, 844), (1280, 900)
ADDRESS = "http://127.0.0.1"
CHROMIUM, DRIVER = "chromium", "chromedriver"
FILM = """
const video = document.getElementById('lt-film'), spans = video.buffered;
return [video.currentTime, spans.length ? spans.end(spans.length - 1) : 0, video.readyState];
"""


def find_lack() -> str:
    """What this machine lacks of a browser that can be driven; empty where nothing is lacking."""
    try:
        import selenium  # noqa: F401 - whether it is there is asked
    except ImportError:
        return "selenium"
    return next((name for name in (CHROMIUM, DRIVER) if shutil.which(name) is None), "")


@dataclass
class WebServer:
    """`longtake web` over a folder, as a process that can be killed and started again at the same port."""

    root: Path
    port: int = 0
    process: "subprocess.Popen[str] | None" = None

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"{ADDRESS}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it says where it listens."""
        words = ["web", "--root", str(self.root), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
            cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("http"), f"longtake web said {line!r}"
        self.port = int(line.strip().rstrip("/").rsplit(":", 1)[1])

    def kill(self) -> None:
        """End it as a crash does: no word, no time."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class PageBrowser:
    """Chromium without a window, of a given size, light or dark, in a given language."""

    def __init__(
        self, size: tuple[int, int] = DESKTOP, *, dark: bool = False, language: str = "en"
    ) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which(CHROMIUM))
        for word in _WORDS:
            options.add_argument(word)
        options.add_argument(f"--window-size={size[0]},{size[1]}")
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        self.driver: Any = webdriver.Chrome(
            options=options, service=Service(str(shutil.which(DRIVER)))
        )
        self.driver.set_script_timeout(PATIENCE)
        light = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [light]})
        if size[0] < 600:
            metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": True}
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, address: str) -> None:
        """Go to an address, and wait until the page stands."""
        self.driver.get(address)
        self.wait_for(lambda: self.is_seen("#lt-tabs"))

    def run_script(self, script: str, *values: object) -> Any:
        """What JavaScript returns in the page."""
        return self.driver.execute_script(script, *values)

    def wait_for(self, there: Callable[[], object], what: str = "") -> Any:
        """Wait until something is true, and give it; fails where it never is."""
        end = time.monotonic() + PATIENCE
        while not (found := self._try(there)):
            assert time.monotonic() < end, f"it never came: {what}; the page says {self.describe()}"
            time.sleep(EVERY)
        return found

    def _try(self, there: Callable[[], object]) -> object:
        from selenium.common.exceptions import WebDriverException

        try:
            return there()
        except WebDriverException:  # the page is being loaded
            return None

    def find(self, css: str) -> Any:
        """The first element, once it is there."""
        return self.wait_for(lambda: self.driver.find_elements("css selector", css), css)[0]

    def is_seen(self, css: str) -> bool:
        """Whether an element is there and can be seen."""
        return any(each.is_displayed() for each in self.driver.find_elements("css selector", css))

    def read_text(self, css: str) -> str:
        """The words of an element; empty where it is not there."""
        return str(
            self.run_script("return document.querySelector(arguments[0])?.innerText || ''", css)
        )

    def click(self, css: str) -> None:
        """Click an element once it can be seen."""
        self.wait_for(lambda: self.is_seen(css), css)
        self.run_script(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", css
        )
        self.run_script("document.querySelector(arguments[0]).click()", css)

    def give(self, picture: Path, sound: Path) -> None:
        """Choose a picture and a sound, and wait for the plan."""
        self.find("#lt-picture input[type=file]").send_keys(str(picture))
        self.find("#lt-sound input[type=file]").send_keys(str(sound))
        self.wait_for(lambda: self.is_seen("#lt-plan .lt-facts"), "the plan")

    def type_in(self, option: str, words: str) -> None:
        """Type words into the field of an option, by its name in tasks/options.py; its group must be open."""
        field = self.find(f"#lt-field-{option} :is(input, textarea)")
        self.run_script("arguments[0].scrollIntoView({block: 'center'})", field)
        field.clear()
        field.send_keys(words)

    def open_tab(self, place: int) -> None:
        """Choose a tab by its place, from 0."""
        self.run_script(
            "document.querySelectorAll('#lt-tabs button[role=tab]')[arguments[0]].click()", place
        )

    @property
    def state(self) -> str:
        """The film's state, as the class of its coloured word; empty where there is none."""
        return str(
            self.run_script(
                "return (document.querySelector('#lt-state .lt-pill')?.className || '').replace('lt-pill ', '')"
            )
        )

    @property
    def run(self) -> str:
        """The film in the page's address."""
        return str(self.run_script("return new URLSearchParams(location.search).get('run') || ''"))

    @property
    def film(self) -> tuple[float, float, int]:
        """Where the player is, how far it has the film, in seconds, and its readyState."""
        now, end, ready = self.run_script(FILM)
        return float(now), float(end), int(ready)

    @property
    def has_ended(self) -> bool:
        """Whether the player has come to the end of what there is, and waits for no more."""
        return bool(self.run_script("return document.getElementById('lt-film').ended"))

    def describe(self) -> str:
        """The page in a few words, for a failure."""
        return f"{self.driver.current_url} {self.state} {self.read_text('#lt-plan')!r} {self.read_text('#lt-state')!r}"

    def list_foreign(self) -> list[str]:
        """Addresses of what the page has fetched from elsewhere than its server."""
        names = self.run_script(
            "return performance.getEntriesByType('resource').map((each) => each.name)"
        )
        return [name for name in names if not name.startswith((ADDRESS, "blob:", "data:"))]

    def photograph(self, path: Path, most: int = 2400) -> None:
        """Write a picture of the whole page as PNG, of at most so many pixels height."""
        high, wide = self.run_script("return [document.documentElement.scrollHeight, innerWidth]")
        clip = {"x": 0, "y": 0, "width": wide, "height": min(high, most), "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png", "clip": clip}
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()


_WORDS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip


@contextmanager
def serve_page(root: Path) -> Iterator[WebServer]:
    """A server over a folder; ended afterwards."""
    server = WebServer(root)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


@contextmanager
def open_browser(
    size: tuple[int, int] = DESKTOP, *, dark: bool = False, language: str = "en"
) -> Iterator[PageBrowser]:
    """A browser; ended afterwards."""
    browser = PageBrowser(size, dark=dark, language=language)
    try:
        yield browser
    finally:
        browser.close()
