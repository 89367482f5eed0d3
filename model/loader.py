"""A model, loaded: into this process, or shared out over several ranks."""

from importlib import import_module
from typing import Any

from model import registry
from model.avatar import Avatar, DeviceConfig, Options
from model.sharding.follower_processes import followers_started
from model.sharding.launcher_env import read_launched_place, show_first_card
from model.sharding.plan_choice import require_ranks
from model.sharding.protocols import HearWait, hear_nothing


def is_sharded(machine: DeviceConfig) -> bool:
    """Whether a model is to be loaded on several ranks."""
    return machine.shard is None and (len(machine.gpus) > 1 or read_launched_place() is not None)


def load_model(
    name: str, options: Options, machine: DeviceConfig, hear_wait: HearWait = hear_nothing
) -> Avatar:
    """Load a model; on several ranks, where `machine` or a launcher says so. Raises BadOption, RankLost."""
    show_first_card(machine.gpus)
    if not is_sharded(machine):
        return registry.load_in_process(name, options, machine)
    require_ranks(name, options, machine)
    # Before torch is imported here, as that takes them as long.
    with followers_started(0 if read_launched_place() else len(machine.gpus) - 1):
        sharded: Any = import_module("model.sharding.sharded_avatar")
        shared: Avatar = sharded.load_sharded(name, options, machine, hear_wait)
        return shared
