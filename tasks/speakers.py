"""Several speakers: what was asked of each is checked, heard and looked up in the picture, before any work; then it stands in the spec."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from model.pocket.face_boxes import FaceBoxes, find_box_flaw, format_box, parse_boxes
from model.sharding.launcher_env import ONE_PROCESS, count_ranks, parse_gpus
from model.speaker_places import SpeakerPlaces
from storage.digest import hash_file
from storage.errors import BadOption, count_noun
from storage.speaker import MOST_SPEAKERS, Speaker
from tasks.face_search import find_upright_faces, map_to_film
from tasks.missing_face import count_faces, list_ways
from tasks.request import require_option
from tasks.speaker_masks import draw_masks, find_overlap
from tasks.speaker_words import FORMS, AskedSpeaker, read_speaker
from tasks.turns_file import FLAG as TURNS_FLAG
from tasks.turns_file import read_turns

if TYPE_CHECKING:
    from model.avatar import ModelTraits
    from model.pocket.face_boxes import Box
    from storage.picture_fit import Size
    from storage.spec import Spec
    from tasks.media import Media
    from tasks.request import Request

FLAG = "--speaker"
TWELVE = "tell its mouth and eyes by SOUND@ and twelve numbers, x,y,w,h of each"
_ONE_FACE = ("mouth", "eyes", "face")


def list_speakers(request: "Request") -> list[AskedSpeaker]:
    """The speakers that are asked for; none where one speaks as ever."""
    return [read_speaker(word) for word in request.speaker or ()]


def check_speaker_options(request: "Request", traits: "ModelTraits") -> None:
    """Raise BadOption where the speakers that are asked for cannot be had together, or with the other options."""
    asked = list_speakers(request)
    if not asked:
        reason = f"a {FLAG} @PLACE is needed for each who speaks"
        require_option(request.turns is None, TURNS_FLAG, request.turns, reason)
        return
    last = asked[-1].word
    reason = "one speaker needs no flag: IMAGE AUDIO is enough, and --face says which face"
    require_option(len(asked) > 1, FLAG, last, reason)
    reason = f"at most {MOST_SPEAKERS} can speak in one film"
    require_option(len(asked) <= MOST_SPEAKERS, FLAG, last, reason)
    for name in _ONE_FACE:
        reason = f"each {FLAG} says its own place; leave it out"
        require_option(getattr(request, name) is None, f"--{name}", getattr(request, name), reason)
    ranks = count_ranks(parse_gpus(request.gpus or ""))
    require_option(ranks == 1, "--gpus", request.gpus or ranks, ONE_PROCESS)
    _check_sounds(request, asked)
    for each in asked:
        _check_place(each, traits)


def _check_sounds(request: "Request", asked: Sequence[AskedSpeaker]) -> None:
    silent = [each for each in asked if each.sound is None]
    if request.turns is not None:
        own = next((each for each in asked if each.sound is not None), None)
        reason = "the turns of --turns are its sound: @PLACE is needed"
        require_option(own is None, FLAG, own and own.word, reason)
        return
    if silent:
        reason = "it has no sound: SOUND@PLACE is needed, or --turns says who has the soundtrack"
        raise BadOption(FLAG, silent[0].word, reason)
    first = asked[0].sound
    reason = f"each {FLAG} has a sound of its own; leave it out"
    require_option(first == request.audio, "--audio", request.audio, reason)


def _check_place(asked: AskedSpeaker, traits: "ModelTraits") -> None:
    reason = f"{traits.name} moves faces: SOUND@face:2 or SOUND@x,y,w,h is needed"
    require_option(not (traits.needs_face and asked.mask), FLAG, asked.word, reason)
    reason = f"{traits.name} looks for no faces: SOUND@x,y,w,h or SOUND@mask.png is needed"
    require_option(traits.needs_face or asked.face is None, FLAG, asked.word, reason)


def build_speakers(
    request: "Request", traits: "ModelTraits", media: "Media"
) -> tuple[Speaker, ...]:
    """The speakers as the spec has them; none where one speaks as ever. Raises BadOption, BadImage."""
    asked = list_speakers(request)
    if not asked:
        return ()
    if traits.needs_face:
        places = _place_faces(asked, request, media)
    else:
        places = [_place_part(each, media) for each in asked]
    if request.turns is not None:
        return tuple(places)
    sounds = [(media.audio, media.sound), *((each.digest, each.facts) for each in media.others)]
    return tuple(
        replace(place, audio=digest, **asdict(sound.reading))
        for place, (digest, sound) in zip(places, sounds, strict=True)
    )


def _place_faces(asked: Sequence[AskedSpeaker], request: "Request", media: "Media") -> list[Speaker]:  # fmt: skip
    """The face of each speaker, as the spec has it."""
    faces = [find_face(each, request, media) for each in asked]
    for one, other in _pairs(len(asked)):
        reason = f"it is the face of {asked[one].word}, too: each speaker needs its own"
        apart = not _has_mouth_of(faces[one], faces[other])
        require_option(apart, FLAG, asked[other].word, reason)
    return [Speaker(face_boxes=str(face)) for face in faces]


def _has_mouth_of(one: FaceBoxes, other: FaceBoxes) -> bool:
    """Whether the middle of one face's mouth lies in the other's: boxes that were told lie seldom where those lie that are found."""
    (left, top, width, height), (x, y, w, h) = one.mouth, other.mouth
    across, down = 2 * abs(left + width / 2 - x - w / 2), 2 * abs(top + height / 2 - y - h / 2)
    return across <= max(width, w) and down <= max(height, h)


def _place_part(asked: AskedSpeaker, media: "Media") -> Speaker:
    """The box or the mask of a speaker, as the spec has it."""
    if asked.mask is not None:
        return Speaker(mask=hash_file(asked.mask))
    try:
        (box,) = parse_boxes(str(asked.boxes), 1)
    except ValueError as reason:
        raise BadOption(FLAG, asked.word, str(reason)) from None
    flaw = find_box_flaw(box, media.picture.width, media.picture.height)
    require_option(flaw is None, FLAG, asked.word, str(flaw))
    return Speaker(box=format_box(box))


def build_turns(request: "Request", traits: "ModelTraits", media: "Media") -> str:
    """The turns of the speakers as the spec has them; empty where each has a sound of its own, or one speaks. Raises BadOption."""
    if request.turns is None:
        return ""
    speakers, sound = len(request.speaker or ()), media.sound.seconds
    turns = read_turns(Path(request.turns), speakers, sound, traits.sample_rate)
    return "".join(map(str, turns))


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(one, other) for other in range(count) for one in range(other)]


def find_face(asked: AskedSpeaker, request: "Request", media: "Media") -> FaceBoxes:
    """The face of a speaker, in pixels of the picture's file: told in whole, the one that lies in a box, or the one of that number. Raises BadOption, BadImage."""
    size = media.picture.width, media.picture.height
    try:
        if asked.boxes is not None and asked.boxes.count(",") == 11:
            mouth, *eyes = (format_box(box) for box in parse_boxes(asked.boxes, 3))
            face = FaceBoxes.from_options(mouth, ",".join(eyes))
        else:
            face = _pick_face(asked, request, media)
        if (flaw := face.find_flaw(*size)) is not None:
            raise ValueError(f"{flaw[0].removeprefix('--')}: {flaw[1]}")
    except ValueError as reason:
        raise BadOption(FLAG, asked.word, str(reason)) from None
    return face


def _pick_face(asked: AskedSpeaker, request: "Request", media: "Media") -> FaceBoxes:
    """A face among those that are found. Raises ValueError, and BadImage where the picture is not upright."""
    box = None if asked.boxes is None else parse_boxes(asked.boxes, 1)[0]
    if not media.faces:
        ways = media.picture.cut and list_ways(request.image, media)
        found = f"no face was found in what the film shows of the picture; {ways}; or" if ways else "no face was found in the picture;"  # fmt: skip
        raise ValueError(f"{found} {TWELVE}")
    faces = find_upright_faces(request, media)
    if box is not None:
        inside = [face for face in faces if _lies_in(face.boxes, box)]
        if len(inside) != 1:
            found = f"{count_noun(len(inside), 'face')} found in it"
            raise ValueError(
                f"{found} ({count_faces(media)}); take a box around one face, or {TWELVE}"
            )
        (face,) = inside
    elif asked.face is not None and 1 <= asked.face <= len(faces):
        face = faces[asked.face - 1]
    else:
        raise ValueError(f"{count_faces(media)}; face:1 is the largest; {FORMS} is needed")
    if not face.has_mouth:
        raise ValueError(f"no mouth was found under its eyes ({face.boxes.eyes_text}); {TWELVE}")
    return face.boxes


def _lies_in(face: FaceBoxes, box: "Box") -> bool:
    """Whether the middles of mouth and eyes lie in a box."""
    left, top, width, height = box
    middles = [(x + w / 2, y + h / 2) for x, y, w, h in face]
    return all(left <= x <= left + width and top <= y <= top + height for x, y in middles)


def check_places(request: "Request", media: "Media", spec: "Spec") -> None:
    """Raise BadOption where the film shows too little of a speaker's place, or two are at one."""
    size, asked = (media.picture.width, media.picture.height), list_speakers(request)
    if any(each.face_boxes for each in spec.speakers):
        place_speakers(spec, size, {})
        return
    for number, each in enumerate(asked, 1):
        try:
            only = replace(spec, speakers=spec.speakers[number - 1 : number])
            seen = draw_masks(only, size, {} if each.mask is None else {"mask1": each.mask}).any()
        except ValueError as flaw:
            raise BadOption(FLAG, each.word, str(flaw)) from None
        require_option(bool(seen), FLAG, each.word, "the film shows nothing of its place")
    if pair := find_overlap(draw_masks(spec, size, request.more_inputs)):
        reason = f"its place is that of {asked[pair[0]].word}, too: each speaker needs its own"
        raise BadOption(FLAG, asked[pair[1]].word, reason)


def place_speakers(spec: "Spec", picture: "Size", files: Mapping[str, Path]) -> "SpeakerPlaces":
    """Where the speakers are in the film, of a picture of this size; `files`: the masks, as `mask1` … Raises BadOption where the film shows too little of a face."""
    if not any(each.face_boxes for each in spec.speakers):
        return SpeakerPlaces(masks=draw_masks(spec, picture, files))
    told = (FaceBoxes.from_text(each.face_boxes) for each in spec.speakers)
    return SpeakerPlaces(tuple(map_to_film(face, picture, spec) for face in told))
