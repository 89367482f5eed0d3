"""`make` over the tiny model in a process of its own: `python tests/fake_make.py IMAGE AUDIO RUN [grow]`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The root first: tests/ has folders of the same names as the packages.
    sys.path[:1] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    import fake_avatar

    from storage.errors import LongtakeError
    from tasks.film import make_film
    from tasks.request import Request
    from tasks.resolve import freeze_run

    fake_avatar.install()
    image, audio, run = (Path(word) for word in sys.argv[1:4])
    grow = sys.argv[4:] == ["grow"]
    request = Request(
        image, audio, run=run, infer_frames=12, carry_every=3, retry_delay=0.0, grow=grow
    )
    try:
        make_film(freeze_run(request), request.part)
    except LongtakeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
