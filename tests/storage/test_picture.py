"""storage/picture.py: whatever a person gives becomes a picture of the film's size, or one line says why not."""

import os
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from storage.errors import BadImage
from storage.picture import (
    VIEW_SIDE,
    Treatment,
    read_picture,
    treat_and_view_picture,
    treat_picture,
)

RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 120, 120)


def quarters(width: int = 200, height: int = 200) -> Image.Image:
    """Red and green above blue and grey."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, GREY
    return Image.fromarray(pixels)


def corners(picture: np.ndarray) -> list[tuple[int, ...]]:
    """The colours near the four corners, line by line."""
    height, width = picture.shape[:2]
    return [
        tuple(int(value) for value in picture[y, x])
        for y in (height // 8, -height // 8)
        for x in (width // 8, -width // 8)
    ]


def near(colours: list[tuple[int, ...]], wanted: list[tuple[int, ...]], tolerance: int = 4) -> bool:
    """Equal but for what a codec does."""
    return bool(np.abs(np.array(colours) - np.array(wanted)).max() <= tolerance)


def read(path: Path, crop: str = "cover", width: int = 64, height: int = 64) -> np.ndarray:
    return read_picture(path, width=width, height=height, crop=crop)


def treated(
    path: Path, crop: str = "cover", width: int = 64, height: int = 64
) -> tuple[np.ndarray, Treatment]:
    """The picture, and what was done to it."""
    return treat_picture(path, width=width, height=height, crop=crop)


def refused(path: Path, crop: str = "cover") -> str:
    """The one line."""
    with pytest.raises(BadImage) as caught:
        read(path, crop)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "suffix", ["png", "jpg", "webp", "bmp", "tif", "gif", "avif", "jp2", "tga", "ppm"]
)
def test_every_common_kind_of_picture_is_read(tmp_path: Path, suffix: str) -> None:
    """The four colours are where they were."""
    quarters().save(tmp_path / f"face.{suffix}")
    picture = read(tmp_path / f"face.{suffix}")
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    assert near(corners(picture), [RED, GREEN, BLUE, GREY])


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA", "YCbCr", "LAB"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    """Whatever the file holds, the picture has three channels and about the same brightness."""
    source = quarters()
    if mode == "LAB":
        transform = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        image = ImageCms.applyTransform(source, transform)
    else:
        image = source.convert(mode)
    path = tmp_path / ("face.tif" if mode in {"CMYK", "YCbCr", "LAB"} else "face.png")
    image.save(path)
    picture = read(path)
    assert picture.shape == (64, 64, 3)
    assert abs(float(picture.mean()) - float(np.asarray(source).mean())) < 12


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    """Adobe's inverted CMYK is not taken for a negative."""
    quarters().convert("CMYK").save(tmp_path / "face.jpg", quality=95)
    assert near(corners(read(tmp_path / "face.jpg")), [RED, GREEN, BLUE, GREY], 10)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    """Half of 65535 is half of 255."""
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    Image.fromarray(np.tile(ramp, (64, 1))).save(tmp_path / f"ramp.{suffix}")
    picture = read(tmp_path / f"ramp.{suffix}")
    assert np.abs(picture[32, :, 0] - np.linspace(0, 255, 64)).max() <= 1


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    """Nobody can know what is white."""
    Image.fromarray(np.ones((64, 64), np.float32)).save(tmp_path / "f.tif")
    assert "floating-point" in refused(tmp_path / "f.tif")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_stands_before_white(tmp_path: Path, mode: str) -> None:
    """And the hidden colour below it does not shine through."""
    image = quarters().convert("RGBA")
    alpha = np.full((200, 200), 255, np.uint8)
    alpha[:100] = 0
    image.putalpha(Image.fromarray(alpha))
    if mode == "LA":
        image = image.convert("LA")
    elif mode == "P":
        image = image.quantize(16)
    image.save(tmp_path / "cut.png")
    picture, done = treated(tmp_path / "cut.png")
    assert near(corners(picture)[:2], [(255, 255, 255)] * 2)
    assert done.flattened


def test_half_transparent_is_mixed_with_white(tmp_path: Path) -> None:
    """Black at half alpha is grey."""
    Image.new("RGBA", (64, 64), (0, 0, 0, 128)).save(tmp_path / "half.png")
    assert near([tuple(read(tmp_path / "half.png")[3, 3])], [(127, 127, 127)], 1)


def test_a_picture_that_is_transparent_everywhere_is_refused(tmp_path: Path) -> None:
    """A white film would help nobody."""
    Image.new("RGBA", (64, 64), (9, 9, 9, 0)).save(tmp_path / "none.png")
    assert "transparent everywhere" in refused(tmp_path / "none.png")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_turned_as_its_exif_data_say(tmp_path: Path, orientation: int) -> None:
    """For each of the eight ways a camera can be held, the person is upright."""
    undo = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}.get(orientation, [])
    image = quarters(200, 160)
    for step in undo:
        image = image.transpose(Image.Transpose(step))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "held.jpg", exif=exif, quality=95)
    picture, done = treated(tmp_path / "held.jpg", "exact", 200, 160)
    assert near(corners(picture), [RED, GREEN, BLUE, GREY], 6)
    assert (done.width, done.height, done.turned) == (200, 160, orientation > 1)


def test_of_an_animation_the_first_frame_is_taken_and_noted(tmp_path: Path) -> None:
    """With how many frames there were."""
    frames = [Image.new("RGB", (64, 64), colour) for colour in (RED, GREEN, BLUE)]
    frames[0].save(tmp_path / "wink.gif", save_all=True, append_images=frames[1:])
    picture, done = treated(tmp_path / "wink.gif")
    assert near(corners(picture), [RED] * 4)
    assert done.frames == 3


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    """The same numbers under another profile are another colour."""
    image = Image.new("RGB", (64, 64), (200, 80, 80))
    image.save(tmp_path / "plain.png")
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    image.save(tmp_path / "odd.png", icc_profile=linear[:40])
    picture, done = treated(tmp_path / "odd.png")
    assert np.array_equal(picture, read(tmp_path / "plain.png"))
    assert done.profile_broken
    assert not done.profile
    image.save(
        tmp_path / "srgb.png",
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )
    picture, done = treated(tmp_path / "srgb.png")
    assert near(corners(picture), [(200, 80, 80)] * 4, 1)
    assert not done.profile  # into itself: nobody need know


def display_p3() -> bytes:
    """The profile of a telephone's pictures, as far as it matters: its primaries under D50, gamma 2.2."""

    def xyz(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in values))

    name = b"Display P3\0"
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    parts = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(79),
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body, start = struct.pack(">I", len(parts)), b"", 132 + 12 * len(parts)
    for tag, content in parts.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = bytes(4) + struct.pack(">I", 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    head = head + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    size = 128 + len(table) + len(body)
    return struct.pack(">I", size) + head.ljust(124, b"\0")[:124] + table + body


def test_colours_of_a_telephone_are_converted_and_named(tmp_path: Path) -> None:
    """The same numbers as Display P3 are a stronger red, and the profile's name is told."""
    path = tmp_path / "phone.png"
    Image.new("RGB", (64, 64), (200, 80, 80)).save(path, icc_profile=display_p3())
    picture, done = treated(path)
    assert picture[9, 9, 0] > 210
    assert done.profile == "Display P3"


def test_cover_fills_the_frame_and_cuts_both_sides_alike(tmp_path: Path) -> None:
    """A wide picture loses its left and right quarter, a tall one above and below; the shares are told."""
    wide = Image.new("RGB", (400, 200), GREY)
    wide.paste(RED, (0, 0, 100, 200))
    wide.paste(BLUE, (300, 0, 400, 200))
    for image, sides in (
        (wide, ("left", "right")),
        (wide.transpose(Image.Transpose.ROTATE_90), ("top", "bottom")),
    ):
        image.save(tmp_path / "odd.png")
        picture, done = treated(tmp_path / "odd.png")
        assert np.abs(picture[4:-4, 4:-4].astype(int) - GREY[0]).max() <= 1
        assert done.cut == dict.fromkeys(sides, 0.25)
        assert (done.width, done.height) == image.size


@pytest.mark.parametrize(
    ("crop", "size", "colour", "cut"),
    [
        ("top", (90, 160), RED, {"bottom": 0.4375}),
        ("bottom", (90, 160), BLUE, {"top": 0.4375}),
        ("left", (160, 90), RED, {"right": 0.4375}),
        ("right", (160, 90), BLUE, {"left": 0.4375}),
        ("top", (160, 90), GREY, {"left": 0.21875, "right": 0.21875}),
        ("left", (90, 160), GREY, {"top": 0.21875, "bottom": 0.21875}),
    ],
)
def test_one_side_can_be_kept(
    tmp_path: Path, crop: str, size: tuple[int, int], colour: tuple[int, ...], cut: dict[str, float]
) -> None:
    """A portrait with the face on top keeps its head; along the other axis the middle is taken."""
    image = Image.new("RGB", size, GREY)
    image.paste(RED, (0, 0, *((size[0], 30) if size[1] > size[0] else (30, size[1]))))
    image.paste(BLUE, (size[0] - 30, 0, *size) if size[0] > size[1] else (0, size[1] - 30, *size))
    image.save(tmp_path / "odd.png")
    picture, done = treated(tmp_path / "odd.png", crop)
    edge = {"top": (2, 32), "bottom": (61, 32), "left": (32, 2), "right": (32, 61)}[crop]
    assert near([tuple(picture[edge])], [colour], 8)
    assert done.cut == pytest.approx(cut)


def test_what_a_film_can_do_without_is_not_told(tmp_path: Path) -> None:
    """A picture of the film's shape: nothing was done to it but to make it smaller."""
    quarters(128, 128).save(tmp_path / "fits.png")
    done = treated(tmp_path / "fits.png")[1]
    assert done == Treatment(128, 128)


def test_contain_shows_all_and_repeats_the_edges(tmp_path: Path) -> None:
    """Above and below a wide picture stand its own colours, nowhere black."""
    quarters(400, 200).save(tmp_path / "wide.png")
    picture, done = treated(tmp_path / "wide.png", "contain", 64, 64)
    assert (done.cut, done.added) == ({}, 0.5)
    assert picture.shape == (64, 64, 3)
    assert near(
        [
            tuple(picture[0, 4]),
            tuple(picture[0, -4]),
            tuple(picture[-1, 4]),
            tuple(picture[-1, -4]),
        ],
        [RED, GREEN, BLUE, GREY],
    )
    assert near([tuple(picture[18, 4]), tuple(picture[45, 4])], [RED, BLUE])


def test_exact_takes_the_size_as_it_is_or_refuses(tmp_path: Path) -> None:
    """No pixel is changed, and another size is named with the way out."""
    quarters(64, 64).save(tmp_path / "fits.png")
    quarters(65, 64).save(tmp_path / "off.png")
    assert np.array_equal(read(tmp_path / "fits.png", "exact"), np.asarray(quarters(64, 64)))
    assert "65×64 and --crop exact asks for 64×64; use --crop cover" in refused(
        tmp_path / "off.png", "exact"
    )


@pytest.mark.parametrize("crop", ["cover", "contain"])
@pytest.mark.parametrize("size", [(33, 3000), (3000, 33), (256, 255), (1921, 1079)])
def test_odd_shapes_have_the_size_asked_for(
    tmp_path: Path, size: tuple[int, int], crop: str
) -> None:
    """Whatever the sides, the film's size comes out."""
    quarters(*size).save(tmp_path / "odd.png")
    assert read(tmp_path / "odd.png", crop, 64, 48).shape == (48, 64, 3)


def test_small_is_enlarged_smoothly(tmp_path: Path) -> None:
    """A ramp of 40 pixels has at 320 no steps of equal values, as repeated pixels would."""
    ramp = np.tile(np.linspace(20, 230, 40).astype(np.uint8)[None, :, None], (40, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    row = read(tmp_path / "ramp.png", "cover", 320, 320)[160, 20:-20, 0].astype(int)
    assert np.diff(row).min() >= 0
    assert len(np.unique(row)) > 150


def test_fine_detail_does_not_alias(tmp_path: Path) -> None:
    """A chess board of single pixels becomes even grey."""
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "board.png")
    assert np.abs(read(tmp_path / "board.png").astype(int) - 127).max() <= 3


@pytest.mark.parametrize("size", [(1, 1), (31, 400), (400, 31)])
def test_too_small_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    """With the least that is needed."""
    quarters(*size).save(tmp_path / "dot.png")
    assert f"it is {size[0]}×{size[1]}, and less than 32 pixels" in refused(tmp_path / "dot.png")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    """Missing, a folder, empty, text, a sound, and a PostScript file that PIL would hand to a program."""
    assert "no such file" in refused(tmp_path / "missing.png")
    assert "is a folder" in refused(tmp_path)
    for name, content, reason in (
        ("empty.png", b"", "is empty"),
        ("text.png", b"a letter\n" * 50, "no picture of a known kind"),
        ("sound.jpg", b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40), "no picture of a known kind"),
        (
            "page.eps",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n",
            "no picture of a known kind",
        ),
    ):
        (tmp_path / name).write_bytes(content)
        assert reason in refused(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_picture_without_permission_is_refused(tmp_path: Path) -> None:
    """The line speaks of permissions."""
    quarters().save(tmp_path / "mine.png")
    (tmp_path / "mine.png").chmod(0)
    assert "permissions" in refused(tmp_path / "mine.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tif", "bmp"])
def test_a_cut_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    """Wherever the file ends, it is one line and never half a picture."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
    content = (tmp_path / f"whole.{suffix}").read_bytes()
    for share in (0.02, 0.3, 0.7, 0.95):
        (tmp_path / f"cut.{suffix}").write_bytes(content[: int(len(content) * share)])
        assert refused(tmp_path / f"cut.{suffix}")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tif"])
def test_damage_anywhere_is_a_picture_or_one_line(tmp_path: Path, suffix: str) -> None:
    """Sixty files with eight broken bytes each: nothing else is ever raised."""
    quarters(90, 90).save(tmp_path / f"whole.{suffix}")
    content = np.frombuffer((tmp_path / f"whole.{suffix}").read_bytes(), np.uint8)
    draw = np.random.default_rng(1)
    for _ in range(60):
        broken = content.copy()
        broken[draw.integers(0, len(broken), 8)] = draw.integers(0, 256, 8)
        (tmp_path / f"broken.{suffix}").write_bytes(broken.tobytes())
        with suppress(BadImage):
            assert read(tmp_path / f"broken.{suffix}").shape == (64, 64, 3)


PEAK = """
import resource, sys
from pathlib import Path
from storage.picture import (
    VIEW_SIDE,
    Treatment,
    read_picture,
    treat_and_view_picture,
    treat_picture,
)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(read_picture(Path(sys.argv[1]), width=256, height=256).shape)
except Exception as error:
    print(error)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown // (1 << 20 if sys.platform == "darwin" else 1 << 10))
"""


def read_apart(path: Path) -> tuple[str, int]:
    """What a process of its own says of the picture, and by how many MiB it grew."""
    words, grown = (
        subprocess.run(
            [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
        )
        .stdout.strip()
        .splitlines()[-2:]
    )
    return words, int(grown)


def test_a_jpeg_of_20000_by_20000_is_read_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoded at an eighth: 400 million pixels take less than 150 MiB."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.new("L", (20_000, 20_000), 99).save(tmp_path / "vast.jpg")
    words, grown = read_apart(tmp_path / "vast.jpg")
    assert words == "(256, 256, 3)"
    assert grown < 150


def test_a_png_of_20000_by_20000_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line with its size, and without the 1.6 GB."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.new("1", (20_000, 20_000)).save(tmp_path / "vast.png")
    words, grown = read_apart(tmp_path / "vast.png")
    assert "20000×20000 = 400 million pixels, of which 100 can be read; make it smaller" in words
    assert grown < 50


def test_reading_leaves_the_limit_of_pil_alone(tmp_path: Path) -> None:
    """Others in the process keep their protection."""
    before = Image.MAX_IMAGE_PIXELS
    quarters().save(tmp_path / "face.png")
    read(tmp_path / "face.png")
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("crop", ["cover", "top", "contain"])
@pytest.mark.parametrize("size", [(3000, 2000), (300, 200)])
def test_a_view_shows_what_the_film_shows_and_knows_the_files_pixels(
    crop: str, size: tuple[int, int], tmp_path: Path
) -> None:
    """Also of a large JPEG that is decoded smaller, and held sideways by the camera."""
    upright = Image.new("RGB", size[::-1], "white")
    across, down = size[1] // 10, size[0] // 10
    upright.paste("black", (4 * across, 4 * down, 6 * across, 5 * down))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "held.jpg", exif=exif)
    (film, done), view = treat_and_view_picture(
        tmp_path / "held.jpg", width=96, height=96, crop=crop
    )
    assert (
        192 <= max(view.pixels.shape) <= VIEW_SIDE
    )  # a JPEG is read at twice the film's size or more
    dark = view.pixels[..., 0] < 128
    columns, rows = np.flatnonzero(dark.any(0)), np.flatnonzero(dark.any(1))
    box = (columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0])
    wanted = (4 * across, 4 * down, 2 * across, down)
    assert view.fit.to_picture(box) == pytest.approx(wanted, abs=size[0] / 100)
    assert (done.width, done.height) == size[::-1]
    assert np.array_equal(film, read(tmp_path / "held.jpg", crop, 96, 96))
