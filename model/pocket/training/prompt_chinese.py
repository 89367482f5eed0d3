"""What a Chinese prompt may ask of a presenter, and what it may tell besides."""

import random

from model.pocket.training.phrases_chinese import VOCABULARY
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

WORDS = read_wordings("chinese")
_BUSY = (
    "高兴",
    "快乐",
    "小心",
    "恶心",
    "安心",
    "好看",
    "困难",
    "对面",
    "上海",
    "楼上",
    "暖和",
    "傲慢",
    "热闹",
    "牙齿",
    "嘴巴",
)
IDLE = [word for word in VOCABULARY if word not in _BUSY]
"""Words that ask nothing."""
_STRENGTHS = {"+": FULL, "-": FAINT}


def ask_chinese(made: Composed, draw: random.Random) -> None:
    """Append a wording that asks something, or denies it."""
    kind = draw.random()
    subject = WORDS.pick("subjects", draw).replace("{o}", WORDS.pick("persons", draw))
    subject = draw.choice(("", "", subject))
    if draw.random() < 0.12:
        made.add(_fill_idle(WORDS.pick("heads", draw), draw), told=False)
    if kind < 0.18:
        _deny(made, subject, draw)
    elif kind < 0.38:
        _look(made, subject, draw)
    elif kind < 0.64:
        _move(made, subject, draw)
    elif kind < 0.74:
        _feel_noun(made, subject, draw)
    elif kind < 0.86:
        (_feel_twice if kind < 0.8 else _move_how)(made, subject, draw)
    else:
        _feel(made, subject, draw)
    if draw.random() < 0.2:
        made.add(_fill_idle(WORDS.pick("tails", draw), draw), told=False)


def add_chinese(made: Composed, draw: random.Random) -> None:
    """Append something that no act can show."""
    chance = draw.random()
    if chance < 0.3:
        made.add(_fill_idle(WORDS.pick("words", draw), draw), told=False)
    elif chance < 0.55:
        looks, person, told = _draw_person(draw)
        made.add(draw.choice(("", WORDS.pick("articles", draw))) + looks, told=False)
        made.add(person, told=told)
        if draw.random() < 0.5:
            made.add(WORDS.pick("scenes", draw), told=False)
    else:
        made.add(WORDS.pick("scenes" if chance < 0.78 else "styles", draw), told=False)


def _draw_person(draw: random.Random) -> tuple[str, str, bool]:
    """What somebody looks like, who they are, and whether that is just a word for a presenter."""
    general = draw.random() < 0.4
    looks = WORDS.pick("looks_like", draw) if draw.random() < 0.4 else ""
    return looks, WORDS.pick("persons" if general else "others", draw), general


def _fill_idle(form: str, draw: random.Random) -> str:
    """A form with words that ask nothing at {w}."""
    while "{w}" in form:
        form = form.replace("{w}", draw.choice(IDLE), 1)
    return form


def _feel_twice(made: Composed, subject: str, draw: random.Random) -> None:
    """Two expressions at once."""
    first = made.pick_free(EXPRESSIONS, draw)
    second = made.pick_free([name for name in EXPRESSIONS if name != first], draw)
    if first in (second, "still", "energy"):
        _feel(made, subject, draw)
        return
    adjectives = [WORDS.pick_plain(f"adjectives.{act}", draw) for act in (first, second)]
    form = WORDS.pick("doubles", draw).format(a=adjectives[0], c=adjectives[1], s=subject, o="{o}")
    if "{o}" in form:
        made.say_of(first, PLAIN, form, _draw_person(draw))
        made.ask(second, PLAIN, last=4)
    else:
        made.say(first, PLAIN, form)
        made.ask(second, PLAIN)


def _move_how(made: Composed, subject: str, draw: random.Random) -> None:
    """A nod, a shake of the head or a word, with a feeling."""
    act, how = made.pick_free(["nod", "shake", "calm"], draw), made.pick_free(EXPRESSIONS, draw)
    verb = WORDS.pick_plain(f"verbs.{act}", draw)
    manner = WORDS.pick_plain(f"adjectives.{how}", draw)
    made.say(act, PLAIN, WORDS.pick("how", draw).format(a=manner, m=verb, s=subject))
    made.ask(how, PLAIN)


def _feel(made: Composed, subject: str, draw: random.Random) -> None:
    """An expression, by an adjective."""
    act = made.pick_free(EXPRESSIONS, draw)
    word, level = WORDS.pick_graded(f"adjectives.{act}", draw)
    chance = draw.random()
    if chance < 0.2:
        word, level = WORDS.pick("weak", draw) + word, FAINT
    elif chance < 0.36:
        word, level = WORDS.pick("strong", draw) + word, FULL
    elif chance < 0.44:
        word, level = word + WORDS.pick("after", draw), FULL
    elif chance < 0.75:
        word = WORDS.pick("plain", draw) + word
    form = WORDS.pick("feelings", draw).format(a=word, s=subject, o="{o}")
    if "{o}" in form:
        made.say_of(act, level, form, _draw_person(draw))
    else:
        made.say(act, level, form)


def _feel_noun(made: Composed, subject: str, draw: random.Random) -> None:
    act = made.pick_free([name for name in EXPRESSIONS if name != "calm"], draw)
    if act == "calm":
        return
    word, level = WORDS.pick_graded(f"nouns.{act}", draw)
    form = WORDS.pick("noun_feelings", draw)
    bare = form.rstrip("+-")
    level = _STRENGTHS.get(form[len(bare) :], level)
    end = draw.choice(("", "", WORDS.pick("noun_ends", draw)))
    made.say(act, level, subject + bare.format(n=word) + end)


def _move(made: Composed, subject: str, draw: random.Random) -> None:
    """A smile, a nod, a frown: by a verb."""
    act = made.pick_free(MOVES, draw)
    word, level = WORDS.pick_graded(f"verbs.{act}", draw)
    before = draw.choice(("", WORDS.pick("move_starts", draw)))
    if level == PLAIN and act in ("happy", "nod", "shake") and draw.random() < 0.3:
        kind, level = draw.choice((("weak", FAINT), ("strong", FULL)))
        before = WORDS.pick(f"move_{kind}", draw)
    end = draw.choice(("", "", WORDS.pick("move_ends", draw)))
    made.say(act, level, subject + before + word + end)


def _look(made: Composed, subject: str, draw: random.Random) -> None:
    """Where the eyes go."""
    if {"gaze_x", "gaze_y"} & set(made.acts):
        _feel(made, subject, draw)
    elif draw.random() < 0.2:
        high = draw.random() < 0.5
        text = WORDS.pick("eyes_up" if high else "eyes_down", draw)
        what = draw.choice(WORDS.all("up" if high else "down")[2:])
        made.say("gaze_y", -PLAIN if high else PLAIN, subject + text + draw.choice(("", what)))
    else:
        where, act, sign = _draw_direction(draw)
        verb = WORDS.pick("looks", draw)
        chance, before, level = draw.random(), "", PLAIN
        if chance < 0.4:
            kind, level = ("weak", FAINT) if chance < 0.25 else ("strong", FULL)
            before = WORDS.pick(f"look_{kind}", draw)
        if level == FAINT and "{d}" not in verb and len(where) > 1 and draw.random() < 0.4:
            before, verb = "", verb + WORDS.pick("look_slant", draw)
        text = verb.format(d=where) if "{d}" in verb else verb + where
        made.say(act, sign * level, subject + before + text)


def _draw_direction(draw: random.Random) -> tuple[str, str, int]:
    """Where to, and which gaze with which sign."""
    side, across = draw.choice((("左", -1), ("右", 1)))
    chance = draw.random()
    if chance < 0.42:
        return WORDS.pick("sides", draw).format(s=side), "gaze_x", across
    if chance < 0.62:
        # A presenter's own left is the picture's right.
        return WORDS.pick("own_sides", draw).format(s=side), "gaze_x", -across
    high = draw.choice(("up", "down"))
    return WORDS.pick(high, draw), "gaze_y", -1 if high == "up" else 1


def _deny(made: Composed, subject: str, draw: random.Random) -> None:
    """Something denied; sometimes another thing in its place."""
    act, chance = draw.choice(DENIABLE), draw.random()
    if act in ("nod", "shake") or chance < 0.35:
        verb = WORDS.pick_graded(f"verbs.{act}", draw)[0]
        text = WORDS.pick("deny_verb", draw).format(v=verb)
    elif chance < 0.5:
        noun = WORDS.pick_graded(f"nouns.{act}", draw)[0]
        text = WORDS.pick("deny_noun", draw).format(n=noun)
    else:
        word = WORDS.pick_graded(f"adjectives.{act}", draw)[0]
        if chance < 0.68:
            _contrast(made, act, subject, draw)
            return
        other = WORDS.pick_graded(f"adjectives.{draw.choice(EXPRESSIONS)}", draw)[0]
        form = WORDS.pick("deny_two" if chance < 0.74 else "deny", draw)
        text = form.format(a=word, c=other)
    made.add(subject + text, told=True)


def _contrast(made: Composed, act: str, subject: str, draw: random.Random) -> None:
    other = made.pick_free([name for name in EXPRESSIONS if name != act], draw)
    word = WORDS.pick_graded(f"adjectives.{act}", draw)[0]
    instead, level = WORDS.pick_graded(f"adjectives.{other}", draw)
    form = WORDS.pick("contrasts", draw)
    level = FULL if form.endswith("+") else level
    made.say(other, level, subject + form.rstrip("+").format(a=word, c=instead))
