"""A stream that goes before others."""

import pytest
import torch

from model.device.priority_stream import PriorityStream


def test_on_a_cpu_work_is_done_at_once() -> None:
    """There is no stream to enter."""
    with PriorityStream(torch.device("cpu")).entered():
        assert (torch.ones(3) + 1).tolist() == [2, 2, 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="streams are a card's")
def test_it_waits_for_what_was_asked_for_before_and_for_nothing_behind() -> None:
    """Of numbers that were made before it, it reads what was made; and it is done while a long queue behind it is not."""
    device = torch.device("cuda")
    wide = torch.randn(8192, 8192, device=device)
    before = torch.ones(1 << 20, device=device) * 2
    own = PriorityStream(device)
    with own.entered():
        float(
            (before + 1).sum().cpu()
        )  # a kernel is loaded where it is first asked for, and that waits for all of the card
    begun, done = torch.cuda.Event(), torch.cuda.Event()
    for _ in range(200):
        wide = wide @ wide * 1e-4
    done.record()
    with own.entered():
        assert torch.cuda.current_stream() != torch.cuda.default_stream()
        found = float((before + 1).sum().cpu())
        begun.record()
    assert found == 3 * (1 << 20)
    begun.synchronize()
    assert not done.query()
