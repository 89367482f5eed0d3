"""The process of a rehearsal: the film of a request that lies in a file."""

import json
import sys
from pathlib import Path

from pipeline import api
from pipeline.monitor import log_output
from pipeline.upkeep.child_process import follow_parent
from storage.errors import LongtakeError as Fault
from tasks.options import OPTIONS, read_path, read_run
from tasks.request import Request


def main(path: str) -> None:
    """Make the film of a request that lies in a file, as JSON."""
    follow_parent()
    log_output.configure_logging(debug=False, console=None)
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    paths = {name for name, each in OPTIONS.items() if each.kind.read in {read_path, read_run}}
    values |= {name: Path(values[name]) for name in paths & values.keys()}
    api.new(Request(**values))


if __name__ == "__main__":
    from storage.errors import LongtakeError as Fault

    try:
        main(sys.argv[1])
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        sys.exit(fault.exit_code)
