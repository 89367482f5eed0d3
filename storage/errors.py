"""The one error tree. It imports nothing, and every room may import it.

LongtakeError
├── FilmNotMade         in a process of its own (accept, plan), with its line and its code
├── BadInput            what was given cannot be used: nothing was written
│   ├── BadImage  BadSound  BadPoseVideo  BadSize  BadOption
│   ├── BadFilm  BadWeights  one that is to be measured, what is to judge it
│   ├── BadTable        of films, for a batch
│   ├── BadOutput       a file that may not be written over, or cannot be what it is named
│   ├── BadCertificate  AlreadySigned     what a film is signed with, one that is
│   ├── InputChanged    between the check and the copy
│   ├── NoSuchBucket  NoConditionalWrites     a store that no run can lie in
│   ├── NotRetakable    what a retake needs of the old run
│   ├── NoSuchJob       in a folder of jobs
│   └── Refused         a published flag that cannot be honoured
├── ModelError          the weights cannot be used: found before any work
│   ├── WeightsMissing  WeightsDamaged
│   ├── OtherWeights  OtherLora       those of another model
│   ├── DeviceTooSmall  FilmTooLarge
│   └── WrongPrecision  the machine computes wrongly
├── RunError            the run folder
│   ├── NotARun  RunDamaged  LinkInRun  RunTooNew  RunLocked  LockLost  OtherSpec  OtherNumerics  WeightsReplaced
│   ├── NotWritable  NotReadable  NoSpace
│   ├── StoreUnreachable  StoreRefused  LeaseLost     of a run on an object store
│   ├── JobRunning  JobAwaited    what is to be removed while it is made, or while a retake waits for it
│   ├── NotReproduced  BadSegment
│   ├── InputDamaged    its copies of the picture and the sound
│   └── NotMade  Pruned  Damaged      one piece of it
├── NotFinite  ReplayFailed     a try of a clip
├── WorkFailed  StageFailed     a clip (or what is done once) failed after its last try
│   └── OutOfMemory  DeviceLost
├── MachineLimit  DiskRefused    what the system refuses a process
├── RankLost                    one of several processes that make a film together
├── Stalled                     ended by the watchdog
├── BelowLevel                  a film that is whole, and not good enough
├── NoWatermark                 a film in which none is found
├── FilmsMissing                not all films of a batch are there
└── Interrupted  Terminated     by Ctrl-C, by SIGTERM
"""

# An error's name says what is the matter, not that it is an error, and its docstring is its message.
# ruff: noqa: N818, D400, D415


def count_noun(number: int, noun: str) -> str:
    """`1 clip`, `3 clips`, `2 retries`: the one place that knows the plural."""
    several = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else several}"


def count_times(number: int) -> str:
    """A number of times in words: `once`, `3 times`."""
    return "once" if number == 1 else f"{number} times"


def describe_span(first: int, last: int) -> str:
    """Numbers from the first to the last, both included, in words: `4`, `7 to 8`."""
    return str(first) if first == last else f"{first} to {last}"


class LongtakeError(Exception):
    """{}"""

    # The docstring of the class is its message, filled with the arguments: borg's way, so that a page can list them all.
    exit_code: int = 1

    def __str__(self) -> str:
        """The docstring, filled in; without a second stop after a reason's own, or a second blank round nothing."""
        first, *rest = (type(self).__doc__ or "{}").split("{}")
        said = first
        for word, after in zip(map(str, self.args), rest, strict=False):
            ended = after.startswith(".") and word.endswith((".", "?", "!"))
            said += word + after[ended or not word :]
        return said


class RunError(LongtakeError):
    """The run cannot be used: {}."""

    exit_code = 3


class NotARun(RunError):
    """{} is not a run: {}. Name the folder of a run, or let `longtake new` make one in an empty folder."""

    exit_code = 2


class RunDamaged(RunError):
    """{} is damaged: {}. Its clips may still be whole; {}, or start anew in another place."""


class LinkInRun(RunError):
    """{} is damaged: {} in it is {}, which no run holds and nothing follows. Remove it, or put the file itself there; what is then missing is made again."""


class RunTooNew(RunError):
    """{} was made by a later version (format {}, this one reads {}). Update longtake."""


class RunLocked(RunError):
    """{} is being worked on by {}. {}"""

    exit_code = 75


class JobRunning(RunError):
    """The job {} is running. Stop it first, and then remove it."""

    exit_code = 75


class JobAwaited(RunError):
    """The job {} cannot be removed: its retake {} waits for its turn. Stop that first, or let it be made."""

    exit_code = 75


class LockLost(RunError):
    """The lock of {} is no longer ours but that of {}: it was broken or removed. This process stops, before two write at once."""

    exit_code = 75


class OtherSpec(RunError):
    """{} holds another film: {}. Ask for the same again, or name another folder."""


class OtherNumerics(RunError):
    """{} was begun under other numerics: {}. Go on where it was begun, or add --accept-joint to accept a joint in the film."""


class WeightsReplaced(RunError):
    """{} was begun with other weights of {} than are here, and these cannot go on with its clips. Go on with the weights, or the version of longtake, that began it; what is finished can be played, verified and inspected."""


class NotWritable(RunError):
    """{} cannot be written: {}. Free or change the place, then give the same command again."""

    exit_code = 5


class NotReadable(RunError):
    """{} cannot be read: {}. Look after the disk and the limits of this machine, then give the same command again."""

    exit_code = 5


class NoSpace(RunError):
    """There is no space left for {}. Free some, then give the same command again: it goes on where it stopped."""

    exit_code = 5


class StoreUnreachable(RunError):
    """{} cannot be reached: {}. See to the network and the endpoint, then give the same command again: it goes on from what is finished."""

    exit_code = 4


class StoreRefused(RunError):
    """{} refuses: {}. See to the credentials and their rights (read, write, list and delete are needed), then give the same command again."""


class LeaseLost(RunError):
    """The lease of {} is no longer ours: {}. This process stops, before two make one film; what is finished is kept, and the same command goes on once the run is free."""

    exit_code = 75


class NotMade(RunError):
    """{} has not been made yet. `longtake resume` makes what is missing."""


class Pruned(RunError):
    """{} was removed to save space. To make it again: {}."""


class Damaged(RunError):
    """{} is damaged: {}. `longtake verify RUN --repair` makes it again."""


class InputDamaged(RunError):
    """{} {}, and cannot be made again. Copy the original there (SHA-256 {}), or give the same `longtake new` command again with it."""


class FilmNotMade(LongtakeError):
    """{}"""

    def __init__(self, line: str, exit_code: int = 1) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class BadInput(LongtakeError):
    """{}"""

    exit_code = 2


class BadImage(BadInput):
    """The picture {} cannot be used: {}."""


class BadSound(BadInput):
    """The sound {} cannot be used: {}."""


class BadPoseVideo(BadInput):
    """The pose video {} cannot be used: {}."""


class BadFilm(BadInput):
    """The film {} cannot be read: {}. Check the path, or give a film that plays."""


class BadTable(BadInput):
    """The table of films {} cannot be used: {}. Nothing was begun."""


class BadOutput(BadInput):
    """The output {} cannot be written: {}."""


class BadWeights(BadInput):
    """The weights {} cannot be used: {}."""


class BadCertificate(BadInput):
    """The film cannot be signed with {}: {}."""


class AlreadySigned(BadInput):
    """{} is signed already: {}."""


class BadSegment(RunError):
    """The segment {} cannot be joined: {}. Remove it and give the same command again: it is encoded anew."""


class InputChanged(BadInput):
    """{} changed while it was being copied into the run. Give the same command again."""


class NoSuchBucket(BadInput):
    """{} has no bucket (or container) of that name. Make it, or name one that is there."""


class NoConditionalWrites(BadInput):
    """{} has no conditional writes ({}), so two machines could make one run at once. Name a store that has them (docs/cluster.md), or a folder."""


class NotRetakable(BadInput):
    """Clip {} of {} cannot be made again: {}."""


class NoSuchJob(BadInput):
    """{} has no job {}. List the jobs, and name one of them."""


class BadOption(BadInput):
    """{} {} cannot be used: {}."""


class Refused(BadInput):
    """{} cannot be honoured: {}."""


class BadSize(BadInput):
    """The size {} does not fit: {}."""


class ModelError(LongtakeError):
    """{}"""

    exit_code = 2
    also: tuple["ModelError", ...] = ()
    """What else is the matter: all of it is said at once."""

    def __str__(self) -> str:
        """The docstring, filled in, and then those of the others."""
        return " ".join([super().__str__(), *map(str, self.also)])


class WeightsMissing(ModelError):
    """{} lacks {}. Fetch it from {}, or name the folder that has it."""


class WeightsDamaged(ModelError):
    """{} is damaged: {}. Fetch it again."""


class OtherWeights(ModelError):
    """{} belongs to another model: {}. Fetch the published one, or name another folder."""


class OtherLora(ModelError):
    """The LoRA {} does not fit this model: {}. Fetch liveavatar.safetensors from Quark-Vision/Live-Avatar, or name the file that fits."""


class FilmTooLarge(ModelError):
    """{} GB of device memory are free, and a film of {} needs {} GB. {}"""


class DeviceTooSmall(ModelError):
    """{} has {} GB free, and {} needs {} GB. Stop what else uses it, or take a larger one."""


class WrongPrecision(ModelError):
    """The machine computes wrongly: {} is off by {} of the result, where rounding explains less than {}. A library of torch is at fault: try another version of it; on an Intel processor ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 in the environment; with --threads no OMP_THREAD_LIMIT below them."""


class NotReproduced(RunError):
    """Clip {} of {} comes out with other bits than those published. The machine or the software has changed; go on where it was begun, or add --accept-joint to accept a joint in the film."""


class NotFinite(LongtakeError):
    """Clip {}: {} of {} latents are NaN or infinite after {}. The same again mostly gives the same: try another --base-seed, and look at the weights with `longtake doctor`"""

    exit_code = 4


class ReplayFailed(LongtakeError):
    """clip {}, which is there, could not be denoised again on the way to clip {}: {}"""

    exit_code = 4


class MachineLimit(LongtakeError):
    """The machine gives no more {}: {}. Stop what else runs, raise the limit (`ulimit -a` shows them all) or make a smaller film; what is finished is kept, the same command goes on."""

    exit_code = 4


class DiskRefused(LongtakeError):
    """{}: {}. Look after the disk and the limits of this machine, then give the same command again: it goes on where it stopped."""

    exit_code = 5


class RankLost(LongtakeError):
    """Rank {} of {} {}. All ranks were ended, what is finished is kept; the same command goes on."""

    exit_code = 4


class Stalled(LongtakeError):
    """Nothing has moved for {} s in {}: the device or the disk hangs. The process was ended, what is finished is kept; the same command goes on, and with --keep-going by itself."""

    exit_code = 6


class BelowLevel(LongtakeError):
    """{} misses {} of its levels. See where: longtake report {}"""

    exit_code = 7


class NoWatermark(LongtakeError):
    """No watermark was found in {} ({}). One that was cropped, turned, made grey or much smaller has lost it: look at an earlier copy."""

    exit_code = 8


class FilmsMissing(LongtakeError):
    """Not there: {} of {}. The table or a line above it says why; the same command again makes what is missing."""

    exit_code = 9


class WorkFailed(LongtakeError):
    """Clip {} failed {} while {}: {}. What is finished is kept; go on with: {}"""

    exit_code = 4


class StageFailed(WorkFailed):
    """The film failed {} while {}: {}. What is finished is kept; go on with: {}"""


class DeviceLost(WorkFailed):
    """The device failed while {}: {}. It answers nothing in this process any more; go on in a new one with: {}"""


class OutOfMemory(WorkFailed):
    """Clip {} ran out of memory {} while {}: {}. Everything that saves memory is switched on already. What is finished is kept; a smaller film: {}"""


class Interrupted(LongtakeError):
    """Stopped by {}. What is finished is kept; go on with: {}"""

    exit_code = 130


class Terminated(Interrupted):
    """Stopped by {}. What is finished is kept; go on with: {}"""

    exit_code = 143
