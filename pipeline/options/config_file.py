"""longtake.toml of the working directory."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from storage.errors import BadOption

CONFIG_FILE = "longtake.toml"


def read_toml(path: Path) -> Mapping[str, object]:
    """What a longtake.toml says; raises BadOption."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadOption("The settings of", path, str(error)) from None
