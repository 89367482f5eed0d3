"""Luigi's own command line over the tiny model: `python tests/fake_luigi.py LongVideo --image … --local-scheduler`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The root first: tests/ has folders of the same names as the packages.
    sys.path[:1] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    import fake_avatar
    from luigi.cmdline import luigi_run

    fake_avatar.install()
    luigi_run(["--module", "tasks", *sys.argv[1:]])
