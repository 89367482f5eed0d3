"""A rank other than 0: it joins, is told what to do, and does its part until it is told to end."""

from typing import Any, Protocol

from model.avatar import Float, Named, Poses, Seed
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.clipwise import ClipwiseDenoiser
from model.sampling.shard_plan import ShardPlan
from model.sampling.task_runner import TaskRunner, make_runner
from model.sampling.task_times import save_task_times
from model.sharding.instructions import Instruction, Kind
from model.sharding.links import TensorLinks


class PreparesDenoising(Protocol):
    """What a block-causal model must do to be shared out over ranks."""

    def prepare_denoising(self, inputs: Named, seed: Seed, poses: Poses | None = None) -> DenoisingSetup:  # fmt: skip
        """All that decides the latents of a film but its sound."""


class DenoisesClips(Protocol):
    """What a clip-wise model must do for its guidance to be shared out."""

    def denoiser(self, inputs: Named, seed: Seed, poses: Poses | None = None) -> ClipwiseDenoiser:
        """A denoiser that stands before clip 0."""


class ClipSeeds:
    """The seed of each clip that is under way, as it was when the clip was begun: the same on all ranks. Its pose latents, too, on ranks that have no other way to them."""

    def __init__(self, plan: ShardPlan) -> None:
        self._begun: dict[int, tuple[int, Float | None]] = {}
        # Where each is a block: those that are begun behind one, and that one.
        self._most = plan.blocks_ahead + 1

    def note_seed(self, clip: int, seed: int, pose: Float | None = None) -> None:
        """Remember the seed of a clip that begins, and its pose latents [c, t, h, w] where it has some; those of clips long past are forgotten."""
        self._begun[clip] = seed, pose
        for old in [each for each in self._begun if each < clip - self._most]:
            del self._begun[old]

    def seed_of(self, clip: int) -> int:
        """The seed of a clip."""
        return self._begun[clip][0]

    def pose_of(self, clip: int) -> Float | None:
        """The pose latents of a clip; None where it has none."""
        return self._begun[clip][1]


class Follower:
    """One rank at work."""

    def __init__(self, links: TensorLinks, avatar: PreparesDenoising | DenoisesClips) -> None:
        self._links = links
        self._avatar: Any = avatar
        self._runner: TaskRunner | None = None
        self._clipwise: ClipwiseDenoiser | None = None
        self._seeds = ClipSeeds(links.plan)

    def follow_instructions(self) -> None:
        """Do what rank 0 says, until it says END."""
        while (told := self._links.next_instruction()).kind is not Kind.END:
            if told.kind is Kind.SET_UP:
                self._set_up(told)
            elif self._clipwise is not None:
                self._do_forwards(told, self._clipwise)
            else:
                self._do_part(told, self._at_work)
        save_task_times()

    @property
    def _at_work(self) -> TaskRunner:
        assert self._runner is not None, "no film has been set up"
        return self._runner

    def _set_up(self, told: Instruction) -> None:
        if self._runner is not None:
            self._runner.reset()
        self._runner = None  # its memory goes first
        begun, plan, rank = self._seeds, self._links.plan, self._links.rank
        if plan.mode == "guidance":
            self._clipwise = self._avatar.denoiser(told.arrays, begun.seed_of, begun.pose_of)
            self._clipwise.share_guidance(rank, self._links.exchange)
            return
        setup = self._avatar.prepare_denoising(told.arrays, begun.seed_of, begun.pose_of)
        self._runner = make_runner(setup, plan, rank, self._links)

    def _do_forwards(self, told: Instruction, denoiser: ClipwiseDenoiser) -> None:
        """Make each clip of a clip-wise film as rank 0 does, who keeps it."""
        clip = told.task.clip
        match told.kind:
            case Kind.BEGIN_CLIP:
                self._seeds.note_seed(clip, told.seed, told.arrays.get("pose"))  # type: ignore[arg-type]
                denoiser.denoise(told.arrays["audio"])  # type: ignore[arg-type]
            case Kind.RESET:
                denoiser.restore(clip, ())
            case Kind.LOAD_PIECE:
                denoiser.restore(clip, told.arrays.items())

    def _do_part(self, told: Instruction, runner: TaskRunner) -> None:
        match told.kind:
            case Kind.BEGIN_CLIP:
                self._seeds.note_seed(told.task.clip, told.seed, told.arrays.get("pose"))  # type: ignore[arg-type]
                runner.stage.begin_clip(told.task.clip, told.arrays["audio"])  # type: ignore[arg-type]
            case Kind.RUN_TASK:
                runner.run_task(told.task)
            case Kind.FOLLOW_BLOCK:
                runner.follow_block(told.task)
            case Kind.PREFILL:
                runner.prefill()
            case Kind.RESET:
                runner.reset()
            case Kind.LOAD_PIECE:
                for name, bits in told.arrays.items():
                    runner.stage.load_state(name, bits)
            case Kind.SEND_PIECES:
                for place in runner.stage.cache.places:
                    self._links.send_piece(runner.stage.cache.copy_piece(*place))
