"""Trains the autoregressive network by DP-SGD, and accounts for the privacy spent. Knows codes alone.

DP-SGD is by Abadi et al. (2016, arXiv:1607.00133), implemented in opacus: each row is in a step's batch by its own
chance (Poisson sampling), its gradient is cut to a norm, and Gaussian noise is added to the sum. The accountant is by
Mironov (2017, arXiv:1702.07476) and Mironov, Talwar and Zhang (2019, arXiv:1908.10530): Renyi differential privacy of
that sampling. Randomness is torch's global state, and must be secret. So this does not use the loop of
`generators.training`: that one keeps a state which holds the random state, and so all noise, and it looks at the losses
of real rows.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from opacus import GradSampleModule
from opacus.accountants import RDPAccountant
from opacus.accountants.utils import get_noise_multiplier
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn

from generators.tabular.network import Network
from generators.tabular.training import rise_and_fall
from schemas.errors import GeneratorError
from schemas.privacy import PrivacyBudget

ACCOUNTANT = "rdp"
_ORDERS = [1.02, 1.05, *(1 + n / 10 for n in range(1, 20)), *(3 + n / 2 for n in range(16)), *range(11, 64)]
_ORDERS += [64, 128, 256, 512, 1024]  # those tell small budgets apart
_CLOSE = 1e-3  # how near the spent epsilon comes to the declared one, as a share of it
_AT_ONCE = 2**25  # numbers of the rows' gradients that are in memory at the same time, 128 MB


@dataclass(frozen=True)
class Schedule:
    """The batches of a training: in each of `steps` batches, each of `rows` rows is by its own chance.

    >>> Schedule(rows=1000, steps=10, batch_rows=100).sample_rate
    0.1
    """

    rows: int
    steps: int
    batch_rows: int

    @property
    def sample_rate(self) -> float:
        """The chance of a row to be in a batch."""
        return min(1.0, self.batch_rows / self.rows)


def spent_epsilon(noise: float, schedule: Schedule, delta: float) -> float:
    """Return the greatest epsilon that training with so much noise spends."""
    accountant = RDPAccountant()
    accountant.history = [(noise, schedule.sample_rate, schedule.steps)]
    with _without_warnings():
        return float(accountant.get_epsilon(delta, alphas=_ORDERS))


def least_noise(epsilon: float, delta: float, schedule: Schedule, weights: int, epochs: int) -> float:
    """Return the least noise, as a multiple of the clipped norm, that spends no more than epsilon.

    Raises GeneratorError where the noise, summed over all steps and `weights`, would be longer than the sum of the
    gradients even if those of all rows agreed at every step: then nothing is learnt.
    """
    most = schedule.rows * schedule.sample_rate * math.sqrt(schedule.steps / weights)
    try:
        with _without_warnings():
            noise = get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=schedule.sample_rate,
                steps=schedule.steps,
                accountant=ACCOUNTANT,
                epsilon_tolerance=epsilon * _CLOSE,
                alphas=_ORDERS,
            )
    except ValueError:  # so it says that a million times the norm would not do
        noise = math.inf
    if noise <= most:
        return float(noise)
    asks = f"noise of {noise:,.3g} times the clipped gradient" if noise < math.inf else "more noise than can be counted"
    least = spent_epsilon(most, schedule, delta) * (1 + 2 * _CLOSE)
    raise GeneratorError(
        f"epsilon {epsilon:g} asks for {asks} with {schedule.rows:,} rows and {epochs:,}"
        f" epoch{'s' * (epochs != 1)}: nothing would be learnt; raise epsilon to at least about {_round_up(least)},"
        " give more rows or fewer epochs"
    )


def _round_up(number: float) -> str:
    """Format a number with two digits, rounded up."""
    unit: float = 10.0 ** (math.floor(math.log10(number)) - 1)
    return f"{math.ceil(number / unit) * unit:g}"


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence warnings about orders that the accountant does not need, and hooks at layers whose input is a code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def freeze_unused(network: Network) -> None:
    """Exclude from training what no later column reads: the embedding of the last column."""
    last = len(network.sizes) - 1
    unused = [network.embed[last], *(layer for name, layer in network.embed_waves.items() if name == str(last))]
    for layer in unused:
        layer.requires_grad_(False)


def count_trained_weights(network: nn.Module) -> int:
    """Return how many numbers training changes."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def train(network: Network, codes: Tensor, schedule: Schedule, budget: PrivacyBudget, learning_rate: float) -> None:
    """Train `network` in place on codes, int64 (rows, columns), with the budget's noise; no loss is looked at.

    The optimizer is Adam; its rate rises for a tenth of the steps and falls along a cosine.
    """
    network.train()
    module = GradSampleModule(network, loss_reduction="sum", strict=False)
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    optimizer = DPOptimizer(
        torch.optim.Adam(weights, learning_rate),
        noise_multiplier=budget.noise_multiplier,
        max_grad_norm=budget.clip,
        expected_batch_size=max(1, round(schedule.sample_rate * schedule.rows)),
    )
    share_of_rate = rise_and_fall(schedule.steps)
    with _without_warnings():
        for step in range(schedule.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * share_of_rate(step)
            chosen = torch.rand(schedule.rows, dtype=torch.float64) < schedule.sample_rate
            _do_step(module, optimizer, codes[chosen])
    module.remove_hooks()
    for weight in network.parameters():
        weight.grad = None
    network.eval()


def _do_step(module: GradSampleModule, optimizer: DPOptimizer, batch: Tensor) -> None:
    """Do one noisy step, a part of the batch at a time; a batch without rows gives noise alone."""
    optimizer.zero_grad(set_to_none=True)
    at_once = max(1, _AT_ONCE // count_trained_weights(module))
    parts = torch.split(batch, at_once) if len(batch) else [batch]
    for number, part in enumerate(parts, 1):
        if len(part):
            module(part).sum().backward()
        else:
            for weight in optimizer.params:
                weight.grad_sample = torch.zeros((0, *weight.shape))
        optimizer.signal_skip_step(number < len(parts))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
