"""How fast a film is made and how long it still takes, from its events alone: told live, or read back from events.jsonl."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

Facts = Mapping[str, object]

# Intervals of one stage that are averaged: enough to even out run-ahead, few enough to follow a machine that slows down.
_CLIPS_KEPT = 32


_HANDLED = {
    *("run_asked", "run_started", "repair_started", "stage_seconds"),
    *("clip_denoised", "clip_published", "clip_replayed", "replay_planned", "clip_retry"),
}


class StageInterval:
    """The mean time between one stage's clips, without start-up and redone clips."""

    def __init__(self) -> None:
        self._stamps: deque[float] = deque(maxlen=_CLIPS_KEPT + 1)

    def add_clip(self, now: float) -> None:
        """Note that a clip of the stage was done at `now` (seconds)."""
        self._stamps.append(now)

    def restart(self) -> None:
        """Forget the last clip: something else takes time now, so that the next interval says nothing."""
        self._stamps.clear()

    @property
    def seconds(self) -> float | None:
        """Seconds a clip; None before the second clip."""
        count = len(self._stamps) - 1
        return (self._stamps[-1] - self._stamps[0]) / count if count > 0 else None


@dataclass
class EtaEstimator:
    """Estimates the time left from a run's events: add each, ask at any time. Its size does not grow with the film."""

    clips: int = 0
    """To be made or found by this command."""
    done: int = 0
    """Published."""
    offline: bool = False
    first_started: float | None = None
    first_playable: float | None = None
    """When the first clip of the run was there to be played."""
    made: int = 0
    """Published since the last start."""
    redone: int = 0
    retries: int = 0
    _denoised: int = 0
    _intervals: dict[str, StageInterval] = field(
        default_factory=lambda: {"denoised": StageInterval(), "published": StageInterval()}
    )
    _latest: dict[str, float] = field(default_factory=dict)
    _recent: dict[str, deque[float]] = field(default_factory=dict)
    _denoised_at: float | None = None
    _published_at: float | None = None
    _before_restart: float | None = None
    _encoded_again: object = None

    def add_event(self, event: str, facts: Facts, now: float) -> None:
        """Take note of one event that happened at `now` (seconds)."""
        # By name from a list: an event's name may come out of somebody else's file.
        if event in _HANDLED:
            getattr(self, f"_{event}")(facts, now)

    def _run_asked(self, facts: Facts, now: float) -> None:
        self.first_started = now - float(str(facts["seconds"]))

    def _run_started(self, facts: Facts, now: float) -> None:
        self.clips, self.done = int(str(facts["clips"])), int(str(facts["done"]))
        self.offline = bool(facts.get("offline"))
        self._denoised, self.made = self.done, 0
        self._restart_intervals()
        if self.first_started is None:
            self.first_started = now

    def _repair_started(self, facts: Facts, _now: float) -> None:
        self.clips, self.done, self.made = int(str(facts["clips"])), 0, 0
        self._restart_intervals()

    def _clip_denoised(self, facts: Facts, now: float) -> None:
        self._denoised += 1
        self._intervals["denoised"].add_clip(now)
        self._note_stage("denoise", float(str(facts["seconds"])))

    def _stage_seconds(self, facts: Facts, now: float) -> None:
        clip, stage = facts.get("clip"), str(facts["stage"])
        if clip is None or (stage == "segment" and clip == self._encoded_again):
            return
        self._note_stage(stage, float(str(facts["seconds"])))
        if stage == "latents":
            self._denoised_at = now

    def _note_stage(self, stage: str, seconds: float) -> None:
        self._latest[stage] = seconds
        self._recent.setdefault(stage, deque(maxlen=_CLIPS_KEPT)).append(seconds)

    def _clip_published(self, facts: Facts, now: float) -> None:
        self.done, self.made = self.done + 1, self.made + 1
        self._published_at = now
        if facts.get("redone"):
            self.redone += 1
            self._encoded_again = facts.get("clip")
            self._restart_intervals()
        else:
            self._intervals["published"].add_clip(now)
            # Its own stage_seconds comes after it.
            self._latest.setdefault("segment", now - (self._denoised_at or now))
        if self.first_playable is None:
            self.first_playable = now

    def _clip_replayed(self, _facts: Facts, _now: float) -> None:
        self._restart_intervals()

    def _replay_planned(self, _facts: Facts, _now: float) -> None:
        self._restart_intervals()

    def _clip_retry(self, _facts: Facts, _now: float) -> None:
        self.retries += 1
        self._restart_intervals()

    def _restart_intervals(self) -> None:
        self._before_restart = self.seconds_a_clip
        for interval in self._intervals.values():
            interval.restart()

    @property
    def first_playable_after(self) -> float | None:
        """Seconds from the command until the run's first clip could be played, pauses included."""
        if self.first_started is None or self.first_playable is None:
            return None
        return self.first_playable - self.first_started

    @property
    def seconds_a_clip(self) -> float | None:
        """Seconds from one published clip to the next; before the second, what the stages of the first promise."""
        measured = self._intervals["published"].seconds
        if self.offline and measured is None and (denoise := self._denoise_seconds):
            measured = denoise + self._decode_seconds(denoise)
        if not self.offline and measured is not None:
            # Clips that piled up while the first was decoded for the first time come out quicker than they are made.
            measured = max(measured, self._intervals["denoised"].seconds or 0.0)
        return measured or self._before_restart or self._predicted_seconds

    @property
    def eta(self) -> float | None:
        """Seconds until the last clip is published; None where nothing is known yet."""
        each = self.seconds_a_clip
        if each is None:
            return None
        if not self.offline:
            return (self.clips - self.done) * each
        denoise = self._denoise_seconds or each
        decode = self._intervals["published"].seconds or self._decode_seconds(denoise)
        return max(0, self.clips - self._denoised) * denoise + (self.clips - self.done) * decode

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the last clip is published, counted down between two clips; None where nothing is known yet."""
        eta, each = self.eta, self.seconds_a_clip
        if eta is None or each is None or self._published_at is None:
            return eta
        return max(0.0, eta - min(each, max(0.0, now - self._published_at)))

    @property
    def stages(self) -> dict[str, float]:
        """Usual seconds a clip of each stage that works by itself; two of them work at a time."""
        # That of the latents is mostly waiting for the denoiser, which is counted.
        return {
            name: median(self._recent[stage])
            for stage, name in (("denoise", "denoise"), ("audio", "hear"), ("segment", "decode"))
            if stage in self._recent
        }

    @property
    def _predicted_seconds(self) -> float | None:
        """Seconds a clip by the stages of the first one: two threads work at a time, the denoiser and all else, and the slower one sets the pace."""
        if "segment" not in self._latest:
            return None
        rest = self._latest["segment"] + self._latest.get("audio", 0.0)
        return max(rest, self._latest.get("denoise", 0.0))

    @property
    def _denoise_seconds(self) -> float | None:
        return self._intervals["denoised"].seconds or self._latest.get("denoise")

    def _decode_seconds(self, otherwise: float) -> float:
        return self._latest.get("segment", otherwise)
