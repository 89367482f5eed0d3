"""The picture, read once: whatever a person gives becomes [y, x, rgb] of the film's size, or one line says why not."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from storage.errors import BadImage
from storage.picture_fit import PictureFit, measure_fit
from storage.refusals import raise_if_unreadable

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsProfile

# By name: PIL would hand an EPS file to Ghostscript and knows formats whose readers nobody looks after.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM", "TGA")
SMALLEST_SIDE = 32
ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""
LEAST_CUT = 1e-3
"""A share below this is a rounding of the film's sides."""
VIEW_SIDE = 640
MOST_PIXELS = 100_000_000
"""Of what is decoded at once: 0.8 GB at the peak, 1.3 GB with transparency."""


@dataclass
class Treatment:
    """What was done to a picture to make it the film's; shares of 1."""

    width: int = 0
    height: int = 0
    """Upright, before it was fitted."""
    cut: dict[str, float] = field(default_factory=dict)
    """How much of it was cut off on the left, the right, the top and the bottom, where anything was."""
    added: float = 0.0
    """How much of the film is its edges, repeated."""
    turned: bool = False
    flattened: bool = False
    """Something transparent was put before white."""
    frames: int = 1
    """Of an animation, whose first was taken."""
    profile: str = ""
    """The colours that were converted to sRGB."""
    profile_broken: bool = False
    exif_broken: bool = False


TreatedPicture = tuple[NDArray[np.uint8], Treatment]
"""A picture as the film shows it [y, x, rgb], and what was done to it."""


@dataclass(frozen=True)
class PictureView:
    """What a film shows of a picture, to be looked at: large enough to see a face in."""

    pixels: NDArray[np.uint8]
    """[y, x, rgb]"""
    fit: PictureFit
    """How the file's pixels lie in these."""


def read_picture(path: Path, *, width: int, height: int, crop: str = "cover") -> NDArray[np.uint8]:
    """The picture as sRGB [y, x, rgb], upright, of exactly width × height; raises BadImage.

    `cover` fills the frame and cuts what hangs over on both sides alike, `top` and the other sides keep that side, `contain` shows all of it and
    repeats its edges, `exact` refuses another size. What is transparent stands before white; of an animation the first frame is taken.
    """
    return treat_picture(path, width=width, height=height, crop=crop)[0]


def treat_picture(path: Path, *, width: int, height: int, crop: str = "cover") -> TreatedPicture:
    """The picture as `read_picture` gives it, and what was done to it. Raises BadImage."""
    rgb, done = _read_upright(path, (width, height), crop)
    return _fit_size(rgb, (width, height), crop, done), done


def treat_and_view_picture(
    path: Path, *, width: int, height: int, crop: str = "cover"
) -> tuple[TreatedPicture, PictureView]:
    """The picture as `treat_picture` gives it and, decoded with it, a view of what the film shows. Raises BadImage."""
    rgb, done = _read_upright(path, (width, height), crop)
    view = _reduce_to_view(rgb, measure_fit(rgb.size, (width, height), crop), done)
    return (_fit_size(rgb, (width, height), crop, done), done), view


def fit_pixels(pixels: NDArray[np.uint8], size: tuple[int, int], crop: str) -> NDArray[np.uint8]:
    """Pixels [y, x, rgb] of any size as a picture of that size would stand in a film of `size` (width, height)."""
    from PIL import Image

    return _fit_size(Image.fromarray(pixels), size, crop, Treatment())


def _read_upright(path: Path, size: tuple[int, int], crop: str) -> tuple["Image", Treatment]:
    """The picture as sRGB, upright, at least twice as large as the film if the file is, and what was done to it."""
    _refuse_path(path)
    done = Treatment()
    upright = _decode_picture(path, 2 * max(size), done)
    if crop == "exact" and upright.size != size:
        raise BadImage(
            path,
            f"it is {_format_size(upright)} and --crop exact asks for {size[0]}×{size[1]}; use --crop cover or contain",
        )
    return _to_rgb(path, upright, done), done


def _reduce_to_view(image: "Image", fit: PictureFit, done: Treatment) -> PictureView:
    """What a film shows of the image with at most VIEW_SIDE pixels a side."""
    from PIL.Image import Resampling

    left, top, right, bottom = fit.shown
    scale = min(1.0, VIEW_SIDE / max(right - left, bottom - top))
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    pixels = np.asarray(image.resize(size, Resampling.BOX, box=fit.shown))
    across, down = done.width / image.width, done.height / image.height
    shown = (left * across, top * down, right * across, bottom * down)
    return PictureView(pixels, PictureFit(shown, (0, 0, *size)))


def _decode_picture(path: Path, side: int, done: Treatment) -> "Image":
    """The picture's first frame, upright, with its shorter side at least `side` pixels unless the file has fewer."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _without_pixel_limit(), Image.open(path, formats=FORMATS) as image:
            _refuse_size(path, image)
            done.width, done.height = image.size
            _request_draft(image, side)
            _refuse_pixels(path, image)
            # MPO: what follows the first frame is a depth map or the other eye.
            done.frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            image.load()
            return _turn_upright(image, done)
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage(path, "it is no picture of a known kind; give a JPEG, PNG or WebP") from None
    except MemoryError:
        raise BadImage(path, "there is not enough memory to read it; make it smaller") from None
    except Exception as error:  # PIL's readers raise anything at a broken file
        raise_if_unreadable(path, error)
        reason = str(error) or type(error).__name__
        raise BadImage(
            path, f"it is damaged ({reason}); save it again from a viewer, or give another"
        ) from error


@contextmanager
def _without_pixel_limit() -> Iterator[None]:
    """PIL's limit counts the pixels of the header; ours (_refuse_pixels) those that a draft will really decode."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _refuse_path(path: Path) -> None:
    if path.is_dir():
        raise BadImage(path, "it is a folder; name the picture in it")
    if not path.is_file():
        raise BadImage(path, "there is no such file; check the path")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise_if_unreadable(path, error)
        raise BadImage(
            path, f"it cannot be read ({error.strerror}); check its permissions"
        ) from error
    if empty:
        raise BadImage(path, "it is empty; give another")


def _refuse_size(path: Path, image: "Image") -> None:
    if min(image.size) < SMALLEST_SIDE:
        raise BadImage(
            path,
            f"it is {_format_size(image)}, and less than {SMALLEST_SIDE} pixels a side show no face; give a larger one",
        )


def _request_draft(image: "Image", side: int) -> None:
    """Let a large JPEG be decoded at ½, ¼ or ⅛, never below twice the film's size; the other formats know no draft.

    A progressive one holds all its coefficients at full size anyway, so its draft saves too little to be let through.
    """
    if not image.info.get("progressive"):
        image.draft(None, (side, side))  # None: keep the mode


def _refuse_pixels(path: Path, image: "Image") -> None:
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        raise BadImage(
            path,
            f"it has {_format_size(image)} = {pixels // 10**6} million pixels, of which {MOST_PIXELS // 10**6} can be read; make it smaller",
        )


def _turn_upright(image: "Image", done: Treatment) -> "Image":
    """The image turned as its EXIF data say."""
    from PIL import ImageOps

    try:
        orientation = image.getexif().get(ORIENTATION, 1)
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # noqa: BLE001 - broken EXIF data, of which there is every kind
        done.exif_broken = True
        return image
    done.turned = orientation in range(2, 9)
    if orientation in range(5, 9):
        done.width, done.height = done.height, done.width
    return image


def _to_rgb(path: Path, image: "Image", done: Treatment) -> "Image":
    """The image of any mode as sRGB without alpha."""
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.mode == "F":
        raise BadImage(
            path, "its pixels are floating-point numbers; save it as PNG with 8 bits a channel"
        )
    if image.has_transparency_data:
        image = _flatten_alpha(path, image, done)
    return _to_srgb(image, done)


def _eight_bits(image: "Image") -> "Image":
    """An image of sixteen-bit grey with eight bits; PIL's own conversion clips at 255."""
    from PIL import Image

    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _flatten_alpha(path: Path, image: "Image", done: Treatment) -> "Image":
    """The image on white, as a page shows it; the colour profile stays with it."""
    from PIL import Image

    profile = image.info.get("icc_profile")
    image = image.convert("RGBA")
    lowest, highest = np.asarray(image.getchannel("A").getextrema())
    if highest == 0:
        raise BadImage(path, "it is transparent everywhere; give another")
    done.flattened = bool(lowest < 255)
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A"))
    if profile:
        flat.info["icc_profile"] = profile
    return flat


def _to_srgb(image: "Image", done: Treatment) -> "Image":
    """The image through its colour profile where there is a usable one: a telephone's Display P3 looks pale without."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if profile and image.mode in {"RGB", "CMYK", "L"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            done.profile_broken = True
        else:
            done.profile = _name_of(source)
            return converted or image
    return image.convert("RGB")


def _name_of(profile: "ImageCmsProfile") -> str:
    """What a colour profile is called; empty for sRGB itself."""
    from PIL import ImageCms

    try:
        name = ImageCms.getProfileDescription(profile).strip()
    except (ImageCms.PyCMSError, OSError):
        name = ""
    return "" if "srgb" in name.lower() else name or "its own colours"


def _fit_size(
    image: "Image", size: tuple[int, int], crop: str, done: Treatment
) -> NDArray[np.uint8]:
    from PIL.Image import Resampling

    fit = measure_fit(image.size, size, crop)
    if image.size == size:
        return np.array(image)
    inner = image.resize(fit.placed[2:], Resampling.LANCZOS, box=fit.shown)
    done.added = 1 - inner.width * inner.height / (size[0] * size[1])
    done.cut = _cut_share(image, fit.shown)
    return _pad_edges(np.array(inner), fit.placed[:2], size)


def _cut_share(image: "Image", box: tuple[float, float, float, float]) -> dict[str, float]:
    """The share of the picture outside of the box, by side."""
    left, top, right, bottom = box
    shares = {
        "left": left / image.width,
        "right": 1 - right / image.width,
        "top": top / image.height,
        "bottom": 1 - bottom / image.height,
    }
    return {side: share for side, share in shares.items() if share > LEAST_CUT}


def _pad_edges(
    pixels: NDArray[np.uint8], place: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The pixels [y, x, rgb] at this place of a frame of this size, their edges repeated outwards: a model that has seen no black bars makes something of them."""
    x, y = size[0] - pixels.shape[1], size[1] - pixels.shape[0]
    left, top = place
    return np.pad(pixels, ((top, y - top), (left, x - left), (0, 0)), mode="edge")


def _format_size(image: "Image") -> str:
    return f"{image.width}×{image.height}"
