"""Adam with decoupled weight decay, for parameters in one flat tensor."""

import torch
from torch import Tensor


class AdamW:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2), with torch's defaults.

    ``torch.optim.AdamW`` gives the same numbers; the first optimizer of a process costs two
    seconds of imports there, a tenth of the time in which a robot learns to walk here.
    """

    betas = (0.9, 0.999)
    epsilon = 1e-8

    def __init__(self, parameter: Tensor, rate: float, decay: float) -> None:
        """Begin with moments of zero.

        Args:
            parameter: What to move, float32, with gradients in ``grad``.
            rate: Step size; may be changed at any time.
            decay: Weight decay; each step takes ``rate * decay`` of the parameter.
        """
        self.parameter, self.rate, self.decay = parameter, rate, decay
        self.first, self.second = torch.zeros_like(parameter), torch.zeros_like(parameter)
        self.steps = torch.zeros(())

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameter against its gradient."""
        gradient, (beta1, beta2) = self.parameter.grad, self.betas
        assert gradient is not None
        self.steps += 1
        self.first.lerp_(gradient, 1.0 - beta1)
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        steps = self.steps.item()
        spread = (self.second / (1.0 - beta2**steps)).sqrt_().add_(self.epsilon)
        self.parameter.mul_(1.0 - self.rate * self.decay)
        self.parameter.addcdiv_(self.first, spread, value=-self.rate / (1.0 - beta1**steps))

    def state_dict(self) -> dict[str, Tensor]:
        """What continues, beside the parameter."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def load_state_dict(self, saved: dict[str, Tensor]) -> None:
        """Continue where :meth:`state_dict` was taken."""
        for name, value in self.state_dict().items():
            value.copy_(saved[name])
