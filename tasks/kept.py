"""How many clips' by-products `all`, `none` or a number stand for."""


def parse_kept(words: str) -> int | None:
    """How many clips `all`, `none` or a number stand for; None is all of them."""
    if words == "all":
        return None
    return 0 if words == "none" else int(words)
