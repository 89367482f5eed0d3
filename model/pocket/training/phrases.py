"""Something to say in any language: words that need not mean anything, for mouths rather than minds."""

import random

from model.pocket.training.phrases_chinese import compose_chinese

_WORDS = """about above after again air all almost along always animal answer apple april arm army around
arrow autumn baby back bag ball bamboo banana bank barn basket bath beach bear beautiful because become bed
before begin behind believe bell below best better between big bird black blue board boat body book both
bottom bowl box boy bread break bridge bring brother brown build bump busy butter button buy cabin camera
camp captain car carry cat catch chair change cheese children church city clap clean clear climb clock close
cloud club coffee cold come common cook copper corn count country cover cow cross cup dance dark day deep
dinner dog door double down dream drive drop drum dry early earth east easy eat egg eight empty end enough
evening ever every eye face fair fall family famous far farm fast father feel few field fifty film find
finger fire first fish five flag floor flower follow food foot for forest forget four free fresh friend from
front fruit full funny future game garden gave get giant girl give glad glass go gold good grandmother grass
great green ground group grow hammer hand happy hard have head hear heart heavy help here high hill home
honey hope horse hot hour house hundred if imagine important in island jam january jump keep kitchen know
lady lake lamp land large laugh leaf learn leave left lemon letter library life light lion listen little
live long look lost love low lunch made make mamma man many map market maybe me meadow mean milk million
mind minute mirror moment money monkey month moon more morning mother mountain mouse mouth move much music my
name near never new next nice night nine nobody noise north number ocean of off often old on only open or
orange other our out over own page paint pair palm paper park part party past path pay people pepper perhaps
person phone photo piano picture piece pink pipe place plan plant play please pocket point pond poor possible
potato pump puppy purple push put quarter queen question quick quiet rabbit rain read ready red remember
rest rice rich right ring river road rock room rope round run sail salt same sand school sea season second
secret see seven shadow shape share shave sheep ship shoe shop short show silver simple sing sister sit six
sky sleep slow small smile snow so soap some song soon soup south space speak spoon spring stamp stand star
start station stay step stone stop storm story strange street strong summer sun sure swim table tail take
talk tall tea teach team tell temple ten than thank that the them then there they thing think this thousand
three through thumb time tired today together tomorrow too top town train travel tree trouble true trumpet
try turn two umbrella uncle under up upon us valley very village visit voice wait walk wall want warm was
wash water wave way we weather week welcome well west what wheel when where which while white who why wide
wife wild will wind window winter with woman wonder wood word work world would write yellow yes yesterday
yet you young"""
WORDS = tuple(_WORDS.split())
_ONSETS = [
    "b",
    "p",
    "m",
    "f",
    "v",
    "t",
    "d",
    "n",
    "l",
    "s",
    "k",
    "g",
    "r",
    "h",
    "b",
    "p",
    "m",
    "pl",
    "br",
    "",
]
_NUCLEI = ["a", "e", "i", "o", "u", "a", "o", "a", "e", "i", "ai", "au", "ou", "ei"]
_CODAS = ["", "", "", "", "n", "m", "l", "s", "r", "p", "t"]
# Consonants and vowels of scripts that are read letter by letter.
_SCRIPTS = {
    "ru": ("бпмфвтднлсзкгрхшжбпм", "аоуеиыяю"), "el": ("πμφβτδνλσζκγρχθπμ", "αειου"),
    "ja": ("", "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわばびぶべぼぱぴぷぺぽ"),
    "hi": ("बपमफवतदनलसकगरहबपम", "ािीुूेैोौ"),
}  # fmt: skip
_READERS = {
    "ru": ("ru", "uk", "bg", "mk", "be", "sr"), "el": ("el",), "ja": ("ja",),
    "hi": ("hi", "mr", "ne"),
}  # fmt: skip


def compose_phrase(language: str, number: int, draw: random.Random) -> str:
    """About `number` words for a voice of `language`, with commas and full stops to breathe at."""
    if language in ("cmn", "yue"):
        return compose_chinese(language, number, draw)
    words = [_draw_word(language, draw) for _ in range(number)]
    for place in range(3, number - 1, draw.randint(4, 8)):
        words[place] += draw.choice([",", ",", ",", ".", "?"])
    return " ".join(words) + "."


def _draw_word(language: str, draw: random.Random) -> str:
    base = language.split("-", maxsplit=1)[0]
    if base == "ko":
        return "".join(chr(draw.randint(0xAC00, 0xD7A3)) for _ in range(draw.randint(1, 3)))
    for script, readers in _READERS.items():
        if base in readers:
            return "".join(_draw_syllable(script, draw) for _ in range(draw.randint(1, 4)))
    if draw.random() < (0.8 if base == "en" else 0.25):
        return draw.choice(WORDS)
    syllables = range(draw.randint(1, 4))
    return "".join(
        draw.choice(_ONSETS) + draw.choice(_NUCLEI) + draw.choice(_CODAS) for _ in syllables
    )


def _draw_syllable(script: str, draw: random.Random) -> str:
    consonants, vowels = _SCRIPTS[script]
    return (draw.choice(consonants) if consonants else "") + draw.choice(vowels)
