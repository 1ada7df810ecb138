"""Pictures changed at random in training: what is drawn, that it is drawn inside the step, and that nothing else notices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

CE = nn.CrossEntropyLoss()
RNG = np.random.default_rng(0)
X, T = RNG.integers(1, 256, (40, 1, 6, 5)).astype(np.uint8), RNG.integers(0, 3, 40)
MANY = np.arange(1.0, 1 + 1000 * 2 * 6 * 7).reshape(1000, 2, 6, 7)


@pytest.mark.parametrize("op, axis", [(cr.ops.random_flip, -1), (cr.ops.random_flip_rows, -2)], ids=["columns", "rows"])
def test_a_sample_is_turned_whole_or_not_at_all(op: cr.Op, axis: int) -> None:
    y = np.asarray(op(MANY, 5, p=0.3))
    turned = np.array([np.array_equal(a, np.flip(b, axis)) for a, b in zip(y, MANY, strict=True)])
    same = np.array([np.array_equal(a, b) for a, b in zip(y, MANY, strict=True)])
    assert (turned ^ same).all() and 0.25 < turned.mean() < 0.35
    assert np.array_equal(op(MANY, 5, p=0.0), MANY) and np.array_equal(op(MANY, 5, p=1.0), np.flip(MANY, axis))
    assert not np.array_equal(op(MANY, 6, p=0.3), y)


@pytest.mark.parametrize("h, w", [(6, 7), (1, 1), (5, 7), (3, 2)])
def test_a_crop_is_a_part_of_the_picture_and_each_is_drawn(h: int, w: int) -> None:
    row, column = map(np.asarray, cr.ops.crop_places(MANY, 3, h=h, w=w))
    y = np.asarray(cr.ops.pixels_at(MANY, row, column))
    starts = {(int(r[0]), int(c[0])) for r, c in zip(row, column, strict=True)}
    assert starts == {(i, j) for i in range(6 - h + 1) for j in range(7 - w + 1)}
    for k in range(1000):
        i, j = int(row[k, 0]), int(column[k, 0])
        assert np.array_equal(y[k], MANY[k, :, i : i + h, j : j + w])


@pytest.mark.parametrize("scale, ratio", [((0.1, 0.3), (0.5, 2.0)), ((0.9, 1.0), (0.2, 9.0)), ((0.2, 0.2), (1.0, 1.0))])
def test_what_is_erased_is_a_rectangle_as_large_as_it_was_said_to_be(scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    x = np.ones((1000, 1, 20, 30))
    y = np.asarray(cr.ops.random_erase(x, 2, p=0.6, least=scale[0], most=scale[1], narrow=ratio[0], wide=ratio[1], value=-1.0))
    erased = y[:, 0] == -1
    assert 0.55 < erased.any((1, 2)).mean() < 0.65
    for e in erased[erased.any((1, 2))]:
        rows, columns = np.flatnonzero(e.any(1)), np.flatnonzero(e.any(0))
        assert e[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all() and e.sum() == len(rows) * len(columns)
        if len(rows) < 20 and len(columns) < 30:  # else it was cut
            assert scale[0] * 600 - 31 <= e.sum() <= scale[1] * 600 + 31, "each side is rounded"
            assert (len(rows) - 0.5) / (len(columns) + 0.5) <= ratio[1] and (len(rows) + 0.5) / (len(columns) - 0.5) >= ratio[0]
    tops = np.array([np.flatnonzero(e.any(1))[0] for e in erased if e.any() and e.any(1).sum() < 15])
    assert scale[0] > 0.5 or (tops.min() == 0 and len(set(tops.tolist())) > 5), "anywhere"


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(30, 3)).init(0, np.float64)


def augment() -> nn.Sequential:
    return nn.Sequential(
        nn.RandomCrop(padding=(2, 1), fill=7.0), nn.RandomHorizontalFlip(), nn.RandomVerticalFlip(0.2), nn.RandomErasing(0.7, value=3.0)
    )


def by_hand(a: nn.Sequential, x: np.ndarray, before: int) -> np.ndarray:
    """What the same layers' operations make of pictures, `before` steps after where they start."""
    seeds = [int(s.array) + before + 1 for _, m in a.named_children() for s in m._states.values()]
    x = np.pad(x.astype(float), ((0, 0), (0, 0), (2, 2), (1, 1)), constant_values=7)
    x = np.asarray(cr.ops.pixels_at(x, *cr.ops.crop_places(x, seeds[0], h=6, w=5)))
    x = cr.ops.random_flip_rows(cr.ops.random_flip(x, seeds[1]), seeds[2], p=0.2)
    return np.asarray(cr.ops.random_erase(x, seeds[3], p=0.7, value=3.0))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_step_trains_on_what_the_formulas_draw(engine: str) -> None:
    """As if the pictures had been changed before; each step draws anew; the batch that is smaller too."""
    net, twin, a = network(), network(), augment().init(4)
    seen = [by_hand(a, X[rows], k) for k, rows in enumerate((slice(0, 16), slice(16, 32), slice(32, 40)))]
    step = cr.TrainStep(net, CE, cr.optim.SGD(0.5), X, T, 16, cr.ops.scale, engine=engine, augment=a)
    step.run(np.arange(40))
    for k, x in enumerate(seen):
        cr.TrainStep(twin, CE, cr.optim.SGD(0.5), x, T[16 * k : 16 * k + 16], 16, cr.ops.scale).run(np.arange(len(x)))
    np.testing.assert_allclose(net.values["1.weight"], twin.values["1.weight"], rtol=1e-11)
    assert list(net.state_dict()) == ["1.weight", "1.bias"]


def trained(seed: int = 0, threads: int = 1, a: nn.Module | None = None) -> tuple[nn.Module, cr.train.fit.History]:
    net = network()
    history = cr.fit(net, CE, cr.optim.SGD(0.5), (X, T), (X, T), 2, 16, seed, threads, cr.ops.scale, augment=a or augment())
    return net, history


def test_the_same_seed_gives_the_same_run_whatever_was_done_before_and_on_any_threads() -> None:
    a = augment()
    one, two, three = trained(a=a)[0], trained(a=a, threads=2)[0], trained(1, a=a)[0]
    assert np.array_equal(one.values["1.weight"], two.values["1.weight"])
    assert not np.array_equal(one.values["1.weight"], three.values["1.weight"])


def test_what_is_measured_is_not_changed() -> None:
    net, history = trained()
    assert history[-1].test_loss == cr.evaluate(net, CE, (X, T))[0]
    assert net.input is not None and net.input.transform is cr.ops.scale and net.input.kind == "whole"


def test_in_a_network_they_do_nothing_to_what_is_called() -> None:
    net = nn.Sequential(nn.RandomHorizontalFlip(1.0), nn.RandomVerticalFlip(1.0), nn.RandomErasing(1.0), nn.RandomCrop((4, 2), padding=3))
    x = MANY[:3]
    assert np.array_equal(net(x), x[:, :, 1:5, 2:4]), "the middle"
    whole = nn.Sequential(nn.RandomCrop(padding=2), nn.Flatten(), nn.Linear(30, 3))
    assert whole(X.astype(np.float32)).shape == (40, 3)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_what_stands_beyond_the_ends_may_go_on(mode: str) -> None:
    layer = nn.RandomCrop(3, padding=2, padding_mode=mode).init(1)
    net = nn.Sequential(layer, nn.Flatten())
    x = np.arange(1.0, 17.0).reshape(1, 1, 4, 4).repeat(50, 0)
    step = cr.TrainStep(nn.Sequential(net, nn.Linear(9, 1)).init(1, np.float64), nn.MSELoss(), cr.optim.SGD(0.0), x, np.zeros((50, 1)), 50)
    assert np.isfinite(step.run(np.arange(50))).all()
    padded = np.pad(x[0, 0], 2, mode={"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])
    row, column = map(np.asarray, cr.ops.crop_places(np.zeros((50, 1, 8, 8)), 9, h=3, w=3))
    y = cr.ops.pixels_at(np.broadcast_to(padded, (50, 1, 8, 8)).copy(), row, column)
    assert (np.asarray(y) > 0).all()


def test_layers_are_saved_with_their_arguments(tmp_path: Path) -> None:
    net = nn.Sequential(*augment(), nn.RandomCrop(3, padding_mode="reflect"))
    cr.save(net, tmp_path / "m.safetensors")
    assert repr(cr.load(tmp_path / "m.safetensors")) == repr(net)


class Sum(nn.Module):
    def __init__(self) -> None:
        self.linear = nn.Linear(30, 3)

    def forward(self, x: Any, y: Any) -> Any:
        return self.linear(nn.functional.flatten(x + 2 * y, 1))


class Swapped(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return y, x


def test_several_inputs_go_through_together() -> None:
    nets = [Sum().init(0, np.float64) for _ in range(2)]
    x, y = X.astype(float), RNG.normal(size=X.shape)
    cr.fit(nets[0], CE, cr.optim.SGD(0.01), ((x, y), T), augment=Swapped())
    cr.fit(nets[1], CE, cr.optim.SGD(0.01), ((y, x), T))
    np.testing.assert_allclose(nets[0].values["linear.weight"], nets[1].values["linear.weight"], rtol=1e-12)


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: nn.RandomCrop(0), "^size=0"),
    (lambda: nn.RandomCrop(3, padding=-1), "^padding=-1"),
    (lambda: nn.RandomCrop(3, padding_mode="edges"), "^padding_mode='edges'"),
    (lambda: nn.RandomHorizontalFlip(1.5), "^p=1.5"),
    (lambda: nn.RandomErasing(scale=(0.3, 0.1)), r"^scale=\(0.3, 0.1\)"),
    (lambda: nn.RandomErasing(scale=(0.0, 0.1)), "^scale=0"),
    (lambda: nn.RandomErasing(ratio=2.0), "^ratio=2.0"),
    (lambda: nn.RandomErasing(value=np.nan), "^value=nan"),
    (lambda: trained(a=nn.RandomCrop(9)), r"^layer front \(RandomCrop\): size=\(9, 9\): not in pictures of \[6, 5\]"),
    (lambda: cr.fit(Sum(), CE, cr.optim.SGD(0.1), ((X, X), T), augment=nn.RandomVerticalFlip()), r"^2 inputs: not what RandomVerticalFlip takes"),
    (lambda: trained(a=nn.Conv2d(1, 1, 1)), "^augment=Conv2d: has the parameter weight"),
    (lambda: cr.fit(network(), CE, cr.optim.SGD(0.1), (X, T), augment="flip"), "^augment='flip'"),
    (
        lambda: cr.fit(network(), CE, cr.optim.SGD(0.1), (X.reshape(40, 30), T), augment=nn.RandomHorizontalFlip()),
        r"RandomHorizontalFlip\): RandomHor",
    ),
]


@pytest.mark.parametrize("call, problem", WRONG, ids=[p for _, p in WRONG])
def test_what_does_not_fit_is_refused(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem) as e:
        call()
    assert "accepted: " in str(e.value)
