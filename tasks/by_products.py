"""What a film can do without, written so that its fault is not the clip's."""

from typing import TYPE_CHECKING

from storage.errors import BadInput
from storage.refusals import describe_fault
from tasks.events import emit_event
from tasks.faults import is_transient

if TYPE_CHECKING:
    from collections.abc import Callable


def write_by_product(stage: str, clip: int, write: "Callable[[], None]") -> None:
    """Write what the film can do without: its fault is told, and is not the clip's. A full disk is everyone's."""
    for last in (False, True):
        try:
            return write()
        except Exception as fault:
            if not is_transient(fault) and not isinstance(fault, BadInput):
                raise
            if last:
                emit_event("by_product_failed", stage=stage, clip=clip, error=describe_fault(fault))
    return None
