"""The README's first picture: what is on the strip, and where."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.bench import film_strip
from pipeline.bench.film_strip import FRAME, GAP, LIPS, NAME, WAVE

SOUND = np.concatenate([np.zeros(8000), np.sin(np.arange(8000) / 3)]).astype(np.float32)


def test_frames_stand_in_a_row_above_the_mouths() -> None:
    """Each frame and each mouth is in its place, in order."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    frames = [Image.new("RGB", (512, 512), colour) for colour in colours]
    mouths = [Image.new("RGB", LIPS, colour) for colour in colours]
    strip = film_strip.draw_strip([("", frame) for frame in frames], mouths, SOUND)
    middle, line = FRAME // 2, FRAME + NAME + LIPS[1] // 2
    assert [strip.getpixel((middle + n * (FRAME + GAP), middle)) for n in range(3)] == colours
    assert [strip.getpixel((LIPS[0] // 2 + n * LIPS[0], line)) for n in range(3)] == colours


def test_the_wave_is_drawn_under_its_mouths() -> None:
    """Silence is a line, loud sound fills the height."""
    strip = film_strip.draw_strip([("", Image.new("RGB", (512, 512)))], [], SOUND)
    inked = (np.asarray(strip)[-WAVE:] != 255).any(-1).sum(0)
    half = strip.width // 2
    assert inked[: half - 1].max() == 1
    assert inked[half + 1 :].max() > 0.9 * WAVE


def test_presenters_and_the_readme_are_of_one_mind() -> None:
    """Every presenter of the strip is an example that the README names below its picture."""
    caption = (
        (film_strip.EXAMPLES.parent / "README.md").read_text(encoding="utf-8").split("\n\n")[3]
    )
    for scene in film_strip.SCENES:
        assert (film_strip.EXAMPLES / f"{scene.name}.png").exists()
        assert f"`{scene.name}`" in caption


def test_a_real_film_is_read(tmp_path: Path) -> None:
    """All frames, and the sound that belongs to them, from the file."""
    import av

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("libx264", rate=25), container.add_stream("aac", 16000)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        for shade in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 4 * shade, np.uint8))
            container.mux(video.encode(frame))
        container.mux(video.encode())
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
        tone.sample_rate = 16000
        container.mux(audio.encode(tone))
        container.mux(audio.encode())
    frames, sound = film_strip.read_film(path)
    assert (len(frames), len(sound)) == (50, 32000)
