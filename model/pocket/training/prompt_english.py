"""What an English prompt may ask of a presenter, and what it may tell besides."""

import random

from model.pocket.training.phrases import WORDS as VOCABULARY
from model.pocket.training.prompt_pieces import (
    DENIABLE,
    EXPRESSIONS,
    FAINT,
    FULL,
    MOVES,
    PLAIN,
    Composed,
    read_wordings,
)

WORDS = read_wordings("english")
IDLE = [word for word in VOCABULARY if WORDS.is_idle(word)]
"""Words that ask nothing."""


def ask_english(made: Composed, draw: random.Random) -> None:
    """Append a wording that asks something, or denies it."""
    kind = draw.random()
    if draw.random() < 0.12:
        made.add(_fill_idle(WORDS.pick("heads", draw), draw), told=False)
    if kind < 0.17:
        _deny(made, draw)
    elif kind < 0.40:
        _look(made, draw)
    elif kind < 0.60:
        _move(made, draw)
    elif kind < 0.71:
        act = made.pick_free(MOVES, draw)
        phrase, level = WORDS.pick_graded(f"phrases.{act}", draw)
        made.say(act, level, draw.choice(("", "", f"{_draw_subject(draw)} ")) + phrase)
    elif kind < 0.79:
        _feel_noun(made, draw)
    elif kind < 0.85:
        _feel_twice(made, draw)
    elif kind < 0.9:
        _move_how(made, draw)
    else:
        _feel(made, draw)
    if draw.random() < 0.25:
        made.add(
            f" {_fill_idle(WORDS.pick('tails', draw), draw)}".replace(" ,", ","),
            told=False,
        )


def add_english(made: Composed, draw: random.Random) -> None:
    """Append something that no act can show."""
    chance = draw.random()
    if chance < 0.25:
        made.add(_fill_idle(WORDS.pick("words", draw), draw), told=False)
    elif chance < 0.5:
        looks, person, told = _draw_person(draw)
        made.add(draw.choice(("", WORDS.pick("articles", draw))) + looks, told=False)
        made.add(person, told=told)
        if draw.random() < 0.6:
            made.add(f" {WORDS.pick('scenes', draw)}", told=False)
        if draw.random() < 0.3:
            made.add(WORDS.pick("speaking", draw), told=True)
    elif chance < 0.72:
        made.add(WORDS.pick("scenes", draw), told=False)
    elif chance < 0.9:
        made.add(WORDS.pick("styles", draw), told=False)
    else:
        made.add(" ".join(_make_word(draw) for _ in range(draw.randint(1, 4))), told=False)


def _draw_subject(draw: random.Random) -> str:
    return WORDS.pick("subjects", draw).replace("{o}", WORDS.pick("persons", draw))


def _draw_person(draw: random.Random) -> tuple[str, str, bool]:
    """What somebody looks like, who they are, and whether that is just a word for a presenter."""
    general = draw.random() < 0.4
    looks = f"{WORDS.pick('looks_like', draw)} " if draw.random() < 0.5 else ""
    if not general and draw.random() < 0.5:
        return looks, _fill_idle("{w}", draw), False
    return looks, WORDS.pick("persons" if general else "others", draw), general


def _fill_idle(form: str, draw: random.Random) -> str:
    """A form with words that ask nothing at {w}, one in five of no language."""
    while "{w}" in form:
        word = draw.choice(IDLE) if draw.random() < 0.8 else _make_word(draw)
        form = form.replace("{w}", word, 1)
    return form


def _make_word(draw: random.Random) -> str:
    """A word of no language, so that what was never met asks nothing."""
    vowels, ends = ("a", "e", "i", "o", "u", "ea", "ou"), ("", "", "n", "r", "st", "ng")
    return "".join(
        draw.choice("bcdfghklmnprstvw") + draw.choice(vowels) + draw.choice(ends)
        for _ in range(draw.randint(1, 3))
    )


def _grade(word: str, level: float, kind: str, draw: random.Random) -> tuple[str, float]:
    """A wording, a third of the time with a degree before it: of `weak` and `strong`, or of `noun_weak` and `noun_strong`."""
    chance = draw.random()
    if chance < 0.18:
        return f"{WORDS.pick(f'{kind}weak', draw)} {word}", FAINT
    if chance < 0.36:
        return f"{WORDS.pick(f'{kind}strong', draw)} {word}", FULL
    return word, level


def _fill(form: str, draw: random.Random, **words: str) -> str:
    """A form with its words; a subject and a possessive where it has them."""
    words = {"s": _draw_subject(draw), "p": WORDS.pick("possessives", draw), **words}
    return form.format(**words)


def _feel(made: Composed, draw: random.Random) -> None:
    """An expression, by an adjective."""
    act = made.pick_free(EXPRESSIONS, draw)
    word, level = _grade(*WORDS.pick_graded(f"adjectives.{act}", draw), "", draw)
    form = _fill(WORDS.pick("feelings", draw), draw, a=word, o="{o}")
    if "{o}" in form:
        made.say_of(act, level, form, _draw_person(draw))
    else:
        made.say(act, level, form)


def _feel_twice(made: Composed, draw: random.Random) -> None:
    """Two expressions at once."""
    first = made.pick_free(EXPRESSIONS, draw)
    second = made.pick_free([name for name in EXPRESSIONS if name != first], draw)
    if first in (second, "still", "energy"):
        _feel(made, draw)
        return
    words = {
        key: WORDS.pick_plain(f"adjectives.{act}", draw)
        for key, act in (("a", first), ("c", second))
    }
    form = _fill(WORDS.pick("doubles", draw), draw, o="{o}", **words)
    _say_form(made, form, (first, second), draw)


def _move_how(made: Composed, draw: random.Random) -> None:
    """A nod, a look or a word, with a feeling."""
    act, how = (
        made.pick_free(["nod", "shake", "calm"], draw),
        made.pick_free(EXPRESSIONS, draw),
    )
    verb = _fill(
        "{" + draw.choice("tti") + "}",
        draw,
        **dict(zip("bti", WORDS.pick_plain(f"verbs.{act}", draw).split(","), strict=True)),
    )
    manner = WORDS.pick_plain(f"adverbs.{how}", draw)
    _say_form(made, _fill(WORDS.pick("how", draw), draw, m=verb, h=manner), (act, how), draw)


def _say_form(made: Composed, form: str, acts: tuple[str, str], draw: random.Random) -> None:
    """Append a wording that asks two acts, with somebody at {o} where it has one."""
    if "{o}" in form:
        made.say_of(acts[0], PLAIN, form, _draw_person(draw))
        made.ask(acts[1], PLAIN, last=4)
    else:
        made.say(acts[0], PLAIN, form)
        made.ask(acts[1], PLAIN)


def _feel_noun(made: Composed, draw: random.Random) -> None:
    act = made.pick_free([name for name in EXPRESSIONS if name != "calm"], draw)
    if act == "calm":
        return
    word, level = _grade(*WORDS.pick_graded(f"nouns.{act}", draw), "noun_", draw)
    made.say(act, level, _fill(WORDS.pick("noun_feelings", draw), draw, n=word))


def _draw_verb(act: str, draw: random.Random) -> dict[str, str]:
    """Bare form, third person and participle of a verb."""
    return dict(zip("bti", WORDS.pick(f"verbs.{act}", draw).split(","), strict=True))


def _move(made: Composed, draw: random.Random) -> None:
    """A smile, a nod, a frown: by a verb, perhaps with an adverb before or behind it."""
    act = made.pick_free(MOVES, draw)
    level, before, after = PLAIN, "", ""
    chance = 1.0 if act in ("still", "energy", "calm") else draw.random()
    if chance < 0.38:
        kind, level = ("weak", FAINT) if chance < 0.2 else ("strong", FULL)
        adverb = WORDS.pick(f"adverb_{kind}", draw)
        before, after = ("", f" {adverb}") if draw.random() < 0.65 else (f"{adverb} ", "")
    elif chance < 0.5:
        after = f" {WORDS.pick('adverb_plain', draw)}"
    if draw.random() < 0.25:
        _introduce(made, draw)
        verb = _draw_verb(act, draw)[draw.choice("tti")]
        made.say(act, level, f"{before}{verb}{after}")
        return
    # Only some forms have room before the verb.
    forms = [form for form in WORDS.all("moves") if "{x}" in form or not before]
    text = _fill(draw.choice(forms), draw, x=before, y=after, **_draw_verb(act, draw))
    made.say(act, level, text)


def _introduce(made: Composed, draw: random.Random) -> None:
    """Append somebody described, as the subject of what comes next."""
    looks, person, told = _draw_person(draw)
    made.add(WORDS.pick("articles", draw) + looks, told=False)
    made.add(person, told=told)
    if draw.random() < 0.7:
        idle = draw.random() < 0.5
        scene = _fill_idle(WORDS.pick("tails", draw), draw) if idle else WORDS.pick("scenes", draw)
        made.add(f" {scene}".replace(" ,", ","), told=False)
    made.add(draw.choice((" ", " ", ", ")), told=False)


def _look(made: Composed, draw: random.Random) -> None:
    """Where the eyes go."""
    if {"gaze_x", "gaze_y"} & set(made.acts):
        _feel(made, draw)
    elif draw.random() < 0.14:
        high = draw.random() < 0.5
        text = WORDS.pick("eyes_up" if high else "eyes_down", draw)
        subject = draw.choice(("", f"{_draw_subject(draw)} "))
        made.say("gaze_y", -PLAIN if high else PLAIN, subject + text)
    else:
        where, aims = _draw_direction(draw)
        forms = dict(zip("bti", WORDS.pick("looks", draw).split(","), strict=True))
        start = _fill(WORDS.pick("look_starts", draw), draw, **forms)
        if draw.random() < 0.15:
            _introduce(made, draw)
            start = forms[draw.choice("tti")]
        chance, level = draw.random(), PLAIN
        if chance < 0.36:
            kind, level = ("weak", FAINT) if chance < 0.2 else ("strong", FULL)
            word = WORDS.pick(f"look_{kind}", draw)
            behind = kind == "weak" and draw.random() < 0.3
            where = f"{where} {word}" if behind else f"{word} {where}"
        if draw.random() < 0.12:
            where = WORDS.pick("look_instead", draw).format(w=where)
        made.add(f"{start} {where}", told=True)
        for act, sign in aims:
            made.ask(act, sign * level)


def _draw_direction(draw: random.Random) -> tuple[str, list[tuple[str, int]]]:
    """Where to, and the signs of the gaze."""
    side, high = draw.choice(("left", "right")), draw.choice(("up", "down"))
    across, along = -1 if side == "left" else 1, -1 if high == "up" else 1
    chance = draw.random()
    if chance < 0.42:
        return WORDS.pick("sides", draw).format(s=side), [("gaze_x", across)]
    if chance < 0.62:
        # A presenter's own left is the picture's right.
        owner = draw.choice((*WORDS.all("possessives"), "the presenter's"))
        return WORDS.pick("own_sides", draw).format(s=side, p=owner), [("gaze_x", -across)]
    if chance < 0.88:
        return WORDS.pick(high, draw), [("gaze_y", along)]
    slant = WORDS.pick("slants", draw).format(
        h=high, s=side, u="upper" if high == "up" else "lower"
    )
    return slant, [("gaze_x", across), ("gaze_y", along)]


def _deny(made: Composed, draw: random.Random) -> None:
    """Something denied; sometimes another thing in its place."""
    act, chance = draw.choice(DENIABLE), draw.random()
    if act in ("nod", "shake") or chance < 0.35:
        text = _fill(WORDS.pick("deny_verb", draw), draw, **_draw_verb(act, draw))
    elif chance < 0.5:
        word = WORDS.pick_graded(f"nouns.{act}", draw)[0]
        text = _fill(WORDS.pick("deny_noun", draw), draw, n=word)
    else:
        word = WORDS.pick_graded(f"adjectives.{act}", draw)[0]
        if chance < 0.64:
            _contrast(made, act, word, draw)
            return
        other = WORDS.pick_graded(f"adjectives.{draw.choice(EXPRESSIONS)}", draw)[0]
        form = WORDS.pick("deny_two" if chance < 0.74 else "deny", draw)
        text = _fill(form, draw, a=word, c=other)
    made.add(text, told=True)


def _contrast(made: Composed, act: str, word: str, draw: random.Random) -> None:
    other = made.pick_free([name for name in EXPRESSIONS if name != act], draw)
    instead, level = WORDS.pick_graded(f"adjectives.{other}", draw)
    made.say(other, level, _fill(WORDS.pick("contrasts", draw), draw, a=word, c=instead))
