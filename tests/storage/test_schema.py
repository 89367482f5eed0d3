"""What may stand in a file: each field has its check."""

from dataclasses import dataclass, fields
from typing import Annotated

import pytest

from storage.schema import Whole, checks_of
from storage.seed_history import Take
from storage.spec import Settings, Spec


@dataclass(frozen=True)
class HalfChecked:
    """A field with a check, and one whose check was forgotten."""

    checked: Annotated[int, Whole(0, 9)] = 0
    forgotten: int = 0


@pytest.mark.parametrize("kind", [Spec, Settings, Take])
def test_every_field_has_its_check(kind: type) -> None:
    """None is believed because somebody forgot it."""
    assert set(checks_of(kind)) == {each.name for each in fields(kind)}


def test_a_field_without_a_check_is_refused() -> None:
    """It is named, where it would be left out of what is read."""
    with pytest.raises(TypeError, match=r"HalfChecked\.forgotten needs Annotated"):
        checks_of(HalfChecked)
