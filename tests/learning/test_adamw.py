"""Our AdamW against torch's."""

import pytest
import torch

from robo_maxent.learning.adamw import AdamW


@pytest.mark.parametrize(("rate", "decay"), [(1e-3, 0.0), (2e-3, 1e-3), (0.1, 0.5)])
def test_it_is_the_one_of_torch(rate: float, decay: float) -> None:
    torch.manual_seed(0)
    start = torch.randn(50)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    optimizer = AdamW(ours, rate, decay)
    reference = torch.optim.AdamW([theirs], rate, weight_decay=decay)
    for step in range(100):
        for parameter in (ours, theirs):
            parameter.grad = None
            (torch.sin(parameter * (1 + step % 3)).sum() * 10.0 ** (step % 4)).backward()
        optimizer.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_loaded_state_continues_exactly() -> None:
    def steps(optimizer: AdamW, count: int) -> None:
        for _ in range(count):
            optimizer.parameter.grad = optimizer.parameter.detach() ** 3
            optimizer.step()

    torch.manual_seed(0)
    one = AdamW(torch.randn(5).requires_grad_(), 0.1, 0.01)
    steps(one, 3)
    other = AdamW(one.parameter.detach().clone().requires_grad_(), 0.1, 0.01)
    other.load_state_dict({name: value.clone() for name, value in one.state_dict().items()})
    for optimizer in (one, other):
        steps(optimizer, 3)
    assert torch.equal(one.parameter, other.parameter)
