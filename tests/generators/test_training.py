"""The training loop by itself: when it ends, what it keeps, and that all randomness goes on after a kill."""

import random
import time
from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

from generators import training as loop
from generators.checkpoint import Learnt
from tests.tiny_images import KilledError, Watched


class Falling:
    """A task whose held-out loss falls until the network's one weight, a step's number, is `turn`, and rises then."""

    order = None

    def __init__(self, turn):
        self.network = self.result = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.optimizers = [torch.optim.AdamW(self.network.parameters(), 1.0)]
        self.turn = turn

    def learn(self):
        with torch.no_grad():
            self.network.weight += 1
        return self.network.weight.detach().sum()

    def judge(self, model):
        return None if self.turn is None else float((model.weight - self.turn).abs().sum())


class Dicing(Falling):
    """A task whose steps are of a random length, from all global generators."""

    def learn(self):
        with torch.no_grad():
            self.network.weight += torch.rand(1) + random.random() + np.random.random()
        return self.network.weight.detach().sum()


def settings(**changes):
    usual = {"steps": 100, "schedule": loop.Schedule(100, 0), "look_every": 2, "report_every": 1, "keep_every": 2}
    return loop.Settings(**{**usual, "patience": 3, **changes})


def weight(model):
    return model.weight.item()


@pytest.mark.parametrize("ema", [None, 0.0])
def test_training_ends_early_with_the_best_weights(ema):
    watched = Watched()
    assert weight(loop.train(Falling(10), settings(ema=ema), watched)) == 10
    assert watched.heard[-1].step == 16


def test_without_a_held_out_loss_the_last_weights_are_kept():
    watched = Watched()
    assert weight(loop.train(Falling(None), settings(), watched)) == 100
    assert watched.heard[-1].step == 100


def test_running_mean_lags_behind_the_weights():
    model = loop.train(Falling(None), settings(ema=0.9), Watched())
    assert weight(model) == pytest.approx(91, abs=0.5)  # 0.9 / (1 - 0.9) steps behind


@pytest.mark.parametrize("killed_at", [3, 7, 11, 13, 15])
def test_early_stop_goes_on_counting_after_a_kill(killed_at):
    first = Watched(until=killed_at)
    with pytest.raises(KilledError):
        loop.train(Falling(10), settings(), first)
    second = Watched(first.kept)
    assert weight(loop.train(Falling(10), settings(), second)) == 10
    assert second.heard[-1].step == 16


def test_a_training_that_was_over_is_not_gone_on_with():
    first = Watched()
    loop.train(Falling(10), settings(), first)
    again = Watched(first.kept)
    assert weight(loop.train(Falling(10), settings(), again)) == 10
    assert not again.heard


def test_all_global_randomness_goes_on_after_a_kill():
    def seed(number):
        for module in (torch, np.random):
            (module.manual_seed if module is torch else module.seed)(number)
        random.seed(number)

    seed(1)
    whole = loop.train(Dicing(None), settings(steps=10), Watched())
    seed(1)
    killed = Watched(until=7)
    with pytest.raises(KilledError):
        loop.train(Dicing(None), settings(steps=10), killed)
    seed(2)
    assert weight(loop.train(Dicing(None), settings(steps=10), Watched(killed.kept))) == weight(whole)


class Kept(Watched):
    """Notes at which step a state was kept, by what was reported before."""

    steps = ()

    def keep(self, state):
        super().keep(state)
        self.steps = (*self.steps, self.heard[-1].step)


def test_reports_and_kept_states_come_as_often_as_asked_and_at_each_look():
    watched = Kept()
    loop.train(Falling(50), settings(steps=17, look_every=10, report_every=3, keep_every=4), watched)
    assert watched.steps == (4, 8, 10, 12, 16, 17)
    assert [progress.step for progress in watched.heard] == [3, 4, 6, 8, 9, 10, 12, 15, 16, 17]
    assert [progress.step for progress in watched.heard if progress.held_out is not None] == [10, 17]
    assert [progress.loss for progress in watched.heard][:3] == [2, 4, 5.5]  # the mean since the report before


def test_seconds_are_counted_over_all_starts(monkeypatch):
    monkeypatch.setattr(time, "monotonic", count().__next__)
    whole, killed = Watched(), Watched(until=5)
    limited = settings(seconds=9, look_every=50, keep_every=2)
    assert weight(loop.train(Falling(None), limited, whole)) == 9
    with pytest.raises(KilledError):
        loop.train(Falling(None), limited, killed)
    resumed = Watched(killed.kept)
    assert weight(loop.train(Falling(None), limited, resumed)) == 9
    assert [progress.step for progress in resumed.heard] == [5, 6, 7, 8, 9]


def test_a_look_comes_when_time_is_up(monkeypatch):
    monkeypatch.setattr(time, "monotonic", count().__next__)
    watched = Watched()
    loop.train(Falling(50), settings(seconds=7, look_every=50), watched)
    assert (watched.heard[-1].step, watched.heard[-1].held_out) == (7, 43)


@pytest.mark.parametrize(("falls", "shares"), [(False, [0.5, 1, 1, 1]), (True, [0.5, 1, 1, 0.5])])
def test_learning_rate_rises_then_stays_or_falls(falls, shares):
    schedule = loop.Schedule(6, 2, falls=falls)
    assert [schedule(step) for step in (0, 1, 2, 4)] == pytest.approx(shares)


def test_rates_are_shares_of_the_first_also_after_a_kill():
    task, killed = Falling(None), Watched(until=5)
    half = settings(steps=8, schedule=lambda step: 1 / (step + 1))
    with pytest.raises(KilledError):
        loop.train(task, half, killed)
    task = Falling(None)
    loop.train(task, half, Watched(killed.kept))
    assert task.optimizers[0].param_groups[0]["lr"] == 1 / 8


def test_what_is_learnt_of_a_network_leaves_frozen_and_shared_weights_out():
    network = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2), "norm": nn.BatchNorm1d(2)})
    network["c"] = network["a"]
    network["b"].requires_grad_(False)
    learnt = Learnt(network)
    assert learnt.state_dict().keys() == {
        "a.weight",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
    }
    learnt.load_state_dict({name: value + 1 for name, value in learnt.state_dict().items()})
    with pytest.raises(ValueError, match="of another network"):
        learnt.load_state_dict({"a.weight": torch.zeros(2, 2)})
