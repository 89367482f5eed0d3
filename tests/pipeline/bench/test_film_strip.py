"""A film as one picture: what is on the sheet, and where."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.bench import film_strip


def film(seconds: float = 2.0) -> film_strip.StripFilm:
    """Grey frames that grow lighter; a second of silence, then a loud one."""
    shades = np.linspace(0, 250, int(seconds * 25)).astype(np.uint8)
    frames = [Image.new("RGB", (64, 64), (shade, shade, shade)) for shade in map(int, shades)]
    sound = np.concatenate([np.zeros(8000), np.sin(np.arange(8000) / 3)]).astype(np.float32)
    return film_strip.StripFilm(frames, 25.0, sound)


def test_frames_stand_in_a_row_behind_the_picture() -> None:
    """First the picture, then the frames at the times that were asked for."""
    sheet = film_strip.draw_sheet(
        Image.new("RGB", (64, 64), "red"), film(), [0.0, 1.0], [0, 0, 1, 1]
    )
    middle = film_strip.FRAME // 2
    seen = [
        sheet.getpixel((middle + n * (film_strip.FRAME + film_strip.GAP), middle)) for n in range(3)
    ]
    assert seen[0] == (255, 0, 0)
    assert seen[1] == (0, 0, 0)
    assert seen[2] == (127, 127, 127)


def test_the_wave_is_drawn_under_its_mouths() -> None:
    """Silence is a line, loud sound fills the height."""
    sheet = film_strip.draw_sheet(Image.new("RGB", (64, 64)), film(), [0.0], [0, 0, 1, 1])
    wave = np.asarray(sheet)[-film_strip.WAVE :]
    inked = (wave != 255).any(-1).sum(0)
    half = sheet.width // 2
    assert inked[: half - 1].max() == 1
    assert inked[half + 1 :].max() > 0.9 * film_strip.WAVE


def test_a_real_film_is_read(tmp_path: Path) -> None:
    """Frames and sound of the first seconds, from the file."""
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
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 32000), np.float32), "fltp", "mono")
        tone.sample_rate = 16000
        container.mux(audio.encode(tone))
        container.mux(audio.encode())
    found = film_strip.read_film(path, 1.0)
    assert (len(found.frames), found.fps, len(found.sound)) == (25, 25.0, 16000)
