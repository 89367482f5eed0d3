"""The playlist of a live film: its names, its head, and how it is read."""

from math import ceil
from pathlib import Path

PLAYLIST, HEADER, GROWING = "film.m3u8", "init.mp4", "film.mp4"
SUFFIX = ".m4s"
END = "#EXT-X-ENDLIST\n"


def describe_playlist(longest: float, kind: str) -> str:
    """The head of a playlist (RFC 8216) whose longest clip has so many seconds; `kind` is EVENT or VOD.

    It is played from its beginning, not from its newest clip: whoever opens it wants to see the film.
    """
    return (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        f"#EXT-X-TARGETDURATION:{ceil(longest)}\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        f"#EXT-X-PLAYLIST-TYPE:{kind}\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-START:TIME-OFFSET=0\n"
        f'#EXT-X-MAP:URI="{HEADER}"\n'
    )


def read_playlist(folder: Path) -> tuple[list[str], bool]:
    """The fragments that the playlist in a folder names, and whether it is that of a whole film; none where there is no playlist yet."""
    try:
        text = (folder / PLAYLIST).read_text(errors="replace")
    except FileNotFoundError:
        return [], False
    # The last line may be half there.
    lines = text[: text.rfind("\n") + 1].splitlines()
    names = [line for line in lines if line.endswith(SUFFIX) and "/" not in line]
    return names, text.endswith(END)
