"""What was done to the picture and the sound that were given, in words: a line each, none where nothing was."""

from collections.abc import Iterator
from fractions import Fraction
from math import log10
from typing import TYPE_CHECKING

from model.pocket.act_schedule import read_change
from model.pocket.face_boxes import EYES_FLAG, FACE_FLAG, MOUTH_FLAG, FaceBoxes, format_box
from model.pocket.prompts import PromptActs, read_prompt
from model.prompt_schedule import parse_changes
from pipeline.monitor.script_words import list_prompts
from storage.errors import count_noun
from storage.printable import spell_unprintable
from storage.speaker import parse_turns
from tasks.missing_face import DOUBTFUL
from tasks.preflight import lengths_of
from tasks.speaker_words import read_speaker
from tasks.timeline import clock_tenths

if TYPE_CHECKING:
    from storage.picture import Treatment
    from storage.pose_video import PoseVideo
    from storage.soundtrack import SoundFacts
    from storage.spec import Spec
    from tasks.media import Media
    from tasks.request import Request
    from tasks.resolved_request import ResolvedRequest

SAME_PACE = 2e-3
"""29.97 frames a second for 30 are nothing to be said."""
LONGEST_UNREAD, LONGEST_LIST = 120, 240
"""Characters that are said of the words that were not understood, and of a script's changes."""


def lines_about(resolved: "ResolvedRequest") -> Iterator[str]:
    """A line about each that is not taken as it is, and one that says where the face is; none where a run is at hand that was asked for before."""
    if (media := resolved.media) is None:
        return
    if done := list(_list_changes(media.picture)):
        picture = media.picture
        yield f"The picture ({picture.width}×{picture.height}): {'; '.join(done)}"
    if resolved.spec.face_boxes:
        yield describe_face(FaceBoxes.from_text(resolved.spec.face_boxes), resolved.request, media)
    yield from describe_speakers(resolved, media)
    spec = resolved.spec
    if spec.prompt and resolved.traits.reads_words:
        yield describe_prompt(read_prompt(spec.prompt))
    if media.poses is not None and (told := list(_describe_poses(media.poses, resolved))):
        poses = media.poses
        clock = f"{poses.width}×{poses.height}, {float(poses.rate):.4g} frames a second"
        yield f"The pose video ({clock}): {'; '.join(told)}"
    if spec.script:
        words = resolved.traits.reads_words
        yield from describe_script(spec) if words else list_script(spec)
    sounds = (("The sound", media.sound), *((each.path.name, each.facts) for each in media.others))
    for name, sound in sounds:
        if heard := list(_describe_sound(sound)):
            yield f"{name}: {'; '.join(heard)}"


def describe_face(face: FaceBoxes, request: "Request", media: "Media") -> str:
    """Where the face is and how that is known: `The face: mouth 209,296,117,31, eyes 183,168,61,36 and 294,165,61,37 (x,y,w,h in the picture's pixels), found with 90% confidence`."""
    places = f"mouth {format_box(face.mouth)}, eyes {format_box(face.left_eye)} and {format_box(face.right_eye)}"
    line = f"The face: {places} (x,y,w,h in the picture's pixels)"
    if request.mouth is not None and request.eyes is not None:
        return f"{line}, as told"
    number = _find_number(face, request, media)
    if number is None:
        return line
    confidence = media.faces[number].confidence
    line += f", {_name_found(request)} with {confidence:.0%} confidence"
    if confidence < DOUBTFUL:
        line += f" (look at inputs/face.png in the run; {MOUTH_FLAG} and {EYES_FLAG} tell a better place)"
    if (count := len(media.faces)) == 1:
        return line
    which = "the largest" if number == 0 else f"number {number + 1}"
    other = 2 if number == 0 else 1
    return f"{line}; it is {which} of {count}, and {FACE_FLAG} {other} takes another"


def describe_speakers(resolved: "ResolvedRequest", media: "Media") -> Iterator[str]:
    """A line for each of several speakers: whose sound moves which mouth, and how long it is. `Speaker 1: left.wav (0:00:06.8) for the mouth at 105,158,46,15`."""
    sounds = [media.sound, *(each.facts for each in media.others)]
    words = map(read_speaker, resolved.request.speaker or ())
    turns = [turn.speaker for turn in parse_turns(resolved.spec.turns)]
    for number, (asked, speaker) in enumerate(zip(words, resolved.spec.speakers, strict=True)):
        place = asked.mask.name if asked.mask else f"the box {speaker.box}"
        if speaker.face_boxes:
            mouth = FaceBoxes.from_text(speaker.face_boxes).mouth
            place = f"the mouth at {format_box(mouth)}"
        heard = f"{count_noun(turns.count(number), 'turn')} of the sound for"
        if asked.sound is not None:
            length = clock_tenths(sounds[number].seconds)
            heard = f"{spell_unprintable(asked.sound.name)} ({length}) for"
        yield f"Speaker {number + 1}: {heard} {spell_unprintable(place)}"


def _find_number(face: FaceBoxes, request: "Request", media: "Media") -> int | None:
    """Which of the found faces it is, from 0 on, by what of it was not told; None where it is none of them."""
    for number, found in enumerate(media.faces):
        eyes = request.eyes is not None or found.boxes.eyes == face.eyes
        if eyes and (request.mouth is not None or found.boxes.mouth == face.mouth):
            return number
    return None


def _name_found(request: "Request") -> str:
    if request.mouth is not None:
        return "the mouth as told, the eyes found"
    return "the eyes as told, the mouth found" if request.eyes is not None else "found"


def describe_prompt(read: PromptActs) -> str:
    """What was understood of a prompt and what was not: `The prompt: happy 0.7, nod 1; not understood: dress`."""
    line = f"The prompt: {_name_acts(read) or 'it asks for nothing that the presenter can act'}"
    if not (unread := ", ".join(read.unread)):
        return line
    return f"{line}; not understood: {_cut(unread, LONGEST_UNREAD)}"


def describe_script(spec: "Spec") -> Iterator[str]:
    """What was understood of a schedule of prompts, and in a second line, once, what was not: `The script: 3 changes: 0:00:00.0 happy 0.7; 0:00:04.3 sad 0.7; 0:00:08.2 nod 0.7`."""
    changes = parse_changes(spec.script)
    read = [read_change(each) for each in changes]
    clocks = [each.clock for each in list_prompts(spec)]
    asked = [_name_acts(each) for each in read]
    told = [
        f"{clock} {acts or 'calm'}{'' if change.seed is None else f' (seed {change.seed})'}"
        for clock, acts, change in zip(clocks, asked, changes, strict=True)
    ]
    yield f"The script: {count_noun(len(told), 'change')}: {_cut('; '.join(told))}"
    idle = [
        clock
        for clock, acts, change in zip(clocks, asked, changes, strict=True)
        if change.prompt and not acts
    ]
    if idle:
        yield f"The script asks for nothing that the presenter can act at {_cut(', '.join(idle))}"
    if unread := list(dict.fromkeys(word for acts in read for word in acts.unread)):
        yield f"The script: not understood: {_cut(', '.join(unread), LONGEST_UNREAD)}"


def list_script(spec: "Spec") -> Iterator[str]:
    """The prompts of a schedule, for a model that takes them as they are: `The script: 2 changes: 0:00:00.0 She smiles.; 0:00:04.3 She nods. (fade 2)`."""
    told = [str(each) for each in list_prompts(spec)]
    yield f"The script: {count_noun(len(told), 'change')}: {_cut('; '.join(told))}"


def _name_acts(read: PromptActs) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in read.named().items())


def _cut(words: str, longest: int = LONGEST_LIST) -> str:
    return words if len(words) <= longest else words[:longest] + "…"


def _list_changes(picture: "Treatment") -> Iterator[str]:
    if picture.cut:
        yield _describe_cut(picture)
    if picture.added:
        yield f"its edges are repeated on {picture.added:.0%} of the film"
    if picture.turned:
        yield "turned as its EXIF data say"
    if picture.exif_broken:
        yield "its EXIF data are damaged, so it was not turned"
    if picture.flattened:
        yield "what is transparent stands before white"
    if picture.frames > 1:
        yield f"the first of its {picture.frames} frames is taken"
    if picture.profile:
        yield f"its colours were converted from {picture.profile} to sRGB"
    if picture.profile_broken:
        yield "its colour profile is damaged and was left out"


def _describe_cut(picture: "Treatment") -> str:
    """`44% of it is cut off at the top and the bottom alike (--crop top or --crop bottom keeps that side, --crop contain all of it)`."""
    sides = list(picture.cut)
    share = f"{sum(picture.cut.values()):.0%} of it is cut off at the"
    if len(sides) == 1:
        return f"{share} {sides[0]} (--crop contain shows all of it)"
    ways = " or ".join(f"--crop {side}" for side in sides)
    return f"{share} {' and the '.join(sides)} alike ({ways} keeps that side, --crop contain all of it)"


def _describe_poses(poses: "PoseVideo", resolved: "ResolvedRequest") -> Iterator[str]:
    """What is not taken of a pose video as it is."""
    spec = resolved.spec
    if poses.stride > 1:
        yield f"one of {poses.stride} frames is taken"
    pace = float(poses.stride * spec.fps / poses.rate)
    if abs(pace - 1) > SAME_PACE:
        yield f"at the film's {spec.fps} frames a second its movements are {pace:.3g} times as quick"
    if poses.uneven:
        yield "its frames do not come at one pace, and are counted as if they did"
    if (poses.width, poses.height) != (spec.width, spec.height):
        yield f"fitted as the picture is (--crop {spec.crop})"
    if poses.longer:
        yield "what comes after the film's end is left out"
    if poses.frames < spec.frames:
        end = clock_tenths(Fraction(poses.frames, spec.fps))
        yield f"it ends at {end} of the film, and from there on there is no pose (black)"
        if poses.missing > 1:
            yield f"it says that it goes on for {poses.missing:.1f} s more, so it may be cut off"


def _describe_sound(sound: "SoundFacts") -> Iterator[str]:
    if sound.cut:
        yield f"it is cut off, {lengths_of(sound)}, and the film ends there"
    elif sound.ends_in_junk:
        yield "what it ends with is no sound; if it was cut off, get all of it"
    if silence := sound.reading.silence:
        late = f"{silence / sound.rate:.2f} s"
        yield f"it starts {late} late in its file, so {late} of silence stand before it, in the film and for the mouth"
    if sound.channels > 2:
        turned_down = -20 * log10(sound.reading.gain / 1000)
        clips = (
            f", turned down by {turned_down:.1f} dB so that nothing clips" if turned_down else ""
        )
        yield f"its {sound.channels} channels are mixed into the film's two{clips}"
    if sound.reading.mix:
        yield _describe_mix(sound)


def _describe_mix(sound: "SoundFacts") -> str:
    mix = sound.reading.mix
    if mix == "turned":
        return "left and right cancel each other; the right one is turned over, in the film and for the mouth"
    why = f"its {sound.silent} channel is silent"
    if not sound.silent:
        why = "left and right cancel each other for a part of it"
    return f"{why}; the mouth follows the {mix} one, and the film has both as they are"
