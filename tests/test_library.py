"""The library's formulas against the same mathematics in plain NumPy: a wrong formula is wrong on every engine.

Definitions are PyTorch's, written out with loops over places.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, ops
from chainrule.nn.models import MODELS
from chainrule.train import data, fit, run
from chainrule.train.evaluate import accuracy

RNG = np.random.default_rng(0)


def windows(x: np.ndarray, kernel: tuple[int, int], s: tuple[int, int], p: tuple[int, int], d: tuple[int, int], fill: float) -> np.ndarray:
    """[samples, channels, rows out, columns out, kernel rows, kernel columns] of padded x."""
    wide = np.pad(x, ((0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])), constant_values=fill)
    out = [(wide.shape[2 + a] - d[a] * (kernel[a] - 1) - 1) // s[a] + 1 for a in (0, 1)]
    found = np.empty((*x.shape[:2], *out, *kernel))
    for i in range(out[0]):
        for j in range(out[1]):
            rows, columns = i * s[0] + d[0] * np.arange(kernel[0]), j * s[1] + d[1] * np.arange(kernel[1])
            found[:, :, i, j] = wide[:, :, rows[:, None], columns]
    return found


@pytest.mark.parametrize("s, p, d", [((1, 1), (0, 0), (1, 1)), ((2, 2), (1, 1), (2, 2)), ((2, 3), (1, 2), (2, 1)), ((1, 2), (2, 0), (1, 3))])
def test_convolution_is_the_sum_over_each_window(s: tuple[int, int], p: tuple[int, int], d: tuple[int, int]) -> None:
    x, w, b = RNG.normal(size=(2, 3, 9, 11)), RNG.normal(size=(4, 3, 3, 2)), RNG.normal(size=4)
    want = np.einsum("ncijuv,ocuv->noij", windows(x, (3, 2), s, p, d, 0.0), w)
    rect = {"s": s[0], "t": s[1], "p": p[0], "q": p[1], "d": d[0], "e": d[1]}
    np.testing.assert_allclose(ops.conv2d_rect(x, w, b, **rect), want + b[:, None, None], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ops.conv2d_rect_plain(x, w, **rect), want, rtol=1e-12, atol=1e-12)
    if all(a[0] == a[1] for a in (s, p, d)):
        np.testing.assert_allclose(ops.conv2d(x, w, b, s=s[0], p=p[0], d=d[0]), want + b[:, None, None], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(ops.conv2d_plain(x, w, s=s[0], p=p[0], d=d[0]), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize(
    "s, first, more, d", [((1, 1), (0, 0), (0, 0), (1, 1)), ((2, 3), (-1, -2), (3, 1), (1, 2)), ((1, 2), (1, -4), (-1, 2), (2, 1))]
)
def test_a_kernels_indices_run_over_any_numbers_both_ways(
    flip: int, s: tuple[int, int], first: tuple[int, int], more: tuple[int, int], d: tuple[int, int]
) -> None:
    """y[i] = sum over a from `first` on of w[a] x[s*i - d*a], or x[s*i + d*a]: document 001, which writes the kernel's index from -oo to +oo."""
    x, w, kernel = RNG.normal(size=(2, 4, 9, 11)), RNG.normal(size=(6, 4, 3, 2)), (3, 2)
    begin = [-d[k] * (first[k] if not flip else -(first[k] + kernel[k] - 1)) for k in (0, 1)]  # what stands before x[0] at the first place
    out = [(x.shape[2 + k] - d[k] * (kernel[k] - 1) - 1 + begin[k] + more[k]) // s[k] + 1 for k in (0, 1)]
    sign = -1 if flip else 1

    def at(n: int, c: int, i: int, j: int) -> float:
        return float(x[n, c, i, j]) if 0 <= i < 9 and 0 <= j < 11 else 0.0

    taps = [(u, v) for u in range(3) for v in range(2)]
    want = np.zeros((2, 6, *out))
    for n, o, i, j in np.ndindex(want.shape):
        for c, (u, v) in ((c, uv) for c in range(4) for uv in taps):
            row, column = s[0] * i + sign * d[0] * (u + first[0]), s[1] * j + sign * d[1] * (v + first[1])
            want[n, o, i, j] += w[o, c, u, v] * at(n, c, row, column)
    settings = {"s": s, "a": tuple(begin), "z": more, "d": d, "flip": flip}
    np.testing.assert_allclose(ops.convolve(x, w, **settings), want, rtol=1e-12, atol=1e-12)
    halves = [ops.convolve(x[:, 2 * k : 2 * k + 2], w[3 * k : 3 * k + 3, :2], **settings) for k in (0, 1)]
    np.testing.assert_allclose(ops.grouped_convolve(x, w[:, :2], g=2, **settings), np.concatenate(halves, 1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("flip", [0, 1])
def test_the_flip_moves_from_backward_to_forward(flip: int) -> None:
    """What is pushed back through a convolution is a cross-correlation of dy, and the other way round: document 001's last remark."""
    x, w, dy = RNG.normal(size=(2, 3, 6, 7)), RNG.normal(size=(4, 3, 3, 2)), RNG.normal(size=(2, 4, 4, 6))
    y, pullback = cr.vjp(ops.convolve, x, w, flip=flip)
    assert y.shape == dy.shape
    back = ops.convolve(dy, w.transpose(1, 0, 2, 3), a=(2, 1), z=(2, 1), flip=1 - flip)
    np.testing.assert_allclose(pullback(dy)[0], back, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("k, s, p, d", [((2, 2), (2, 2), (0, 0), (1, 1)), ((3, 3), (2, 2), (1, 1), (1, 1)), ((2, 3), (3, 2), (1, 0), (2, 1))])
def test_pooling_is_the_largest_and_the_mean_of_each_window(k: tuple[int, int], s: tuple[int, int], p: tuple[int, int], d: tuple[int, int]) -> None:
    x = RNG.normal(size=(2, 3, 9, 10)) - 3  # all negative: padding must not win
    largest = windows(x, k, s, p, d, -math.inf).max((4, 5))
    layer = nn.MaxPool2d(k, s, p, d)
    assert np.array_equal(layer(x), largest)
    rect = {"k": k[0], "l": k[1], "s": s[0], "t": s[1], "p": p[0], "q": p[1], "d": d[0], "e": d[1]}
    assert np.array_equal(ops.max_pool2d_rect(x, **rect), largest)
    if k[0] == k[1]:
        mean = nn.AvgPool2d(k, s, p)
        np.testing.assert_allclose(mean(x), windows(x, k, s, p, d, 0.0).mean((4, 5)), rtol=1e-12)


def test_activations_and_losses_are_their_textbook_formulas() -> None:
    x, t = RNG.normal(size=(5, 4)) * 3, RNG.normal(size=(5, 4))
    classes = np.array([0, 3, 1, 2, 3])
    e = np.exp(x)
    for op, want in [
        (ops.relu(x), np.where(x > 0, x, 0)),
        (ops.sigmoid(x), 1 / (1 + np.exp(-x))),
        (ops.tanh(x), np.tanh(x)),
        (ops.softmax(x), e / e.sum(1, keepdims=True)),
        (ops.linear(x, np.ones((3, 4)) * [[1], [2], [3]], np.array([5.0, 6, 7])), x.sum(1, keepdims=True) * [1, 2, 3] + [5, 6, 7]),
        (ops.linear_plain(x, t), x @ t.T),
        (ops.flatten(np.arange(24.0).reshape(1, 2, 3, 4)), np.arange(24.0)[None]),
        (ops.flatten3(np.arange(6.0).reshape(1, 2, 3)), np.arange(6.0)[None]),
        (ops.scale(np.full((1, 1, 1, 1), 51.0)), np.full((1, 1, 1, 1), 0.2)),
        (ops.cross_entropy(x, classes), -np.log(e / e.sum(1, keepdims=True))[np.arange(5), classes].mean()),
        (ops.mse(x, t), ((x - t) ** 2).mean()),
        (ops.half_square(x, t), ((x - t) ** 2).sum() / 2 / 5),
    ]:
        np.testing.assert_allclose(op, want, rtol=1e-12)
    assert nn.MSELoss()(x, t) == pytest.approx(((x - t) ** 2).mean())
    assert nn.HalfSquareLoss()(x, t) == pytest.approx(((x - t) ** 2).sum() / 10)
    assert nn.CrossEntropyLoss()(x, classes) == pytest.approx(float(ops.cross_entropy(x, classes)))


def test_groups_see_their_own_channels_and_channels_become_places() -> None:
    x, w, b = RNG.normal(size=(2, 6, 7, 8)), RNG.normal(size=(9, 2, 3, 2)), RNG.normal(size=9)
    parts = [ops.conv2d(x[:, 2 * k : 2 * k + 2], w[3 * k : 3 * k + 3], b[3 * k : 3 * k + 3], s=2, p=1) for k in range(3)]
    np.testing.assert_allclose(ops.grouped_conv(x, w, b, g=3, s=2, p=1), np.concatenate(parts, 1), rtol=1e-12)
    np.testing.assert_allclose(ops.grouped_conv(x[:, :2], w, b, p=(1, 0)), ops.conv(x[:, :2], w, b, p=(1, 0)), rtol=1e-12)
    a = RNG.normal(size=(2, 8, 3, 4))
    shuffled = a.reshape(2, 2, 2, 2, 3, 4).transpose(0, 1, 4, 2, 5, 3).reshape(2, 2, 6, 8)
    assert np.array_equal(ops.pixel_shuffle(a), shuffled) and np.array_equal(ops.pixel_unshuffle(shuffled), a)
    z, t = RNG.normal(size=(2, 5, 3, 4)), RNG.integers(0, 5, (2, 3, 4))
    flat = z.transpose(0, 2, 3, 1).reshape(-1, 5)
    np.testing.assert_allclose(ops.cross_entropy(z, t), ops.cross_entropy(flat, t.reshape(-1)), rtol=1e-13)
    np.testing.assert_allclose(ops.softmax(z).transpose(0, 2, 3, 1).reshape(-1, 5), ops.softmax(flat), rtol=1e-13)


def test_large_logits_do_not_overflow() -> None:
    z = np.array([[1000.0, 1001.0, -1000.0]])
    for engine in ("native", "reference"):
        np.testing.assert_allclose(ops.softmax(z, engine=engine), [[1 / (1 + math.e), math.e / (1 + math.e), 0]], rtol=1e-13)
        assert ops.cross_entropy(z, np.array([0]), engine=engine) == pytest.approx(math.log(1 + math.e))


# Layers and models ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer, fan_in", [(nn.Conv2d(8, 16, (3, 5)), 120), (nn.Linear(50, 40), 50), (nn.Formula(ops.linear_plain, w=(40, 50)), 50)])
def test_parameters_begin_uniform_within_one_over_the_root_of_their_fan_in(layer: nn.Linear, fan_in: int) -> None:
    values = nn.Sequential(layer).init(0).values
    for a in values.values():
        bound = 1 / math.sqrt(fan_in)
        assert np.abs(a).max() <= bound * (1 + 1e-6) and (a.size < 100 or a.min() < -0.95 * bound < 0.95 * bound < a.max())
        assert abs(a.mean()) < 3 * bound / math.sqrt(3 * a.size)


def test_padding_same_keeps_the_size() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, (3, 5), padding="same", dilation=(2, 1)))
    assert net(np.ones((1, 1, 9, 8), np.float32)).shape == (1, 2, 9, 8)
    assert nn.Conv2d(1, 2, (3, 5), padding="same").padding == "same"
    assert nn.Conv2d(1, 2, (3, 5), padding="valid").padding == "valid"


def test_a_pool_moves_by_its_window_unless_told_otherwise() -> None:
    assert nn.MaxPool2d((2, 3)).stride == (2, 3) and nn.AvgPool2d(3).stride == 3 and nn.AvgPool2d(3, 1).stride == 1


ARCHITECTURES = {
    "lenet5": (61706, "Conv2d ReLU MaxPool2d Conv2d ReLU MaxPool2d Flatten Linear ReLU Linear ReLU Linear"),
    "document001": (331075, "Conv2d ReLU MaxPool2d Conv2d Sigmoid Flatten Linear Sigmoid Linear"),
    "mlp": (101770, "Flatten Linear ReLU Linear"),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_known_models_are_what_their_sources_say(name: str) -> None:
    net = MODELS[name]()
    count, kinds = ARCHITECTURES[name]
    assert " ".join(type(x).__name__ for x in net.layers) == kinds
    assert sum(v.size for v in net.values.values()) == count
    assert net(np.zeros((2, 1, 28, 28), np.float32)).shape == (2, 10)


# Training -----------------------------------------------------------------------------------------------------------


def test_every_epoch_has_an_order_of_its_own() -> None:
    orders = [fit.order_of(epoch, 50, seed) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(o) == list(range(50)) for o in orders)
    assert len({tuple(o) for o in orders}) == 4 and np.array_equal(fit.order_of(1, 50, 0), orders[1])


def test_a_run_trains_with_the_settings_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple] = []
    monkeypatch.setattr(run, "fit", lambda net, loss, opt, *rest, augment: seen.append((opt, rest)))
    settings = run.Settings("fashion-mnist", "mlp", 4, 32, 0.05, 0.7, 0.001, 9, 2)
    run.train(settings, data.sample(), tmp_path)
    opt, rest = seen[0]
    assert (opt.lr, opt.momentum, opt.weight_decay) == (0.05, 0.7, 0.001)
    assert rest[2:6] == (4, 32, 9, 2)


def test_accuracy_is_the_share_of_right_classes() -> None:
    eye = nn.Sequential(nn.Formula(cr.op("same(x[n,D], b[D]) -> y[n,D]\n y[n,i] = x[n,i] + b[i]"), b=np.zeros(4, np.float32)))
    x = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0, 1, 2]]
    t = np.array([0, 1, 2, 3, 1, 1, 0])
    assert accuracy(eye, x, t) == 5 / 7 and accuracy(eye, x, t, batch=2) == 5 / 7


def test_what_is_measured_during_training_sees_the_transform() -> None:
    """Bytes are scaled for measuring as for training."""
    shifted = cr.op("shifted(x[n,D]; a=10.0) -> y[n,D]\n y[n,i] = 1 - x[n,i] / a")
    net = nn.Sequential(nn.Linear(3, 3, bias=False))
    net.load_state_dict({"0.weight": np.eye(3, dtype=np.float32)})
    x, t = 10 * (1 - np.eye(3, dtype=np.float32)), np.arange(3)
    history = cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(1e-6), (x, t), (x, t), epochs=1, transform=shifted)
    assert history[0].test_accuracy == 1.0


@pytest.mark.parametrize("kind, code", [(">u1", 8), (">i1", 9), (">i2", 0x0B), (">i4", 0x0C), (">f4", 0x0D), (">f8", 0x0E)])
def test_idx_files_of_every_type_are_read(kind: str, code: int, tmp_path: Path) -> None:
    a = np.array([[1, 2, 3], [100, -4 if code != 8 else 4, 77]]).astype(kind)
    (tmp_path / "a-ubyte").write_bytes(bytes([0, 0, code, 2]) + np.array(a.shape, ">u4").tobytes() + a.tobytes())
    assert np.array_equal(data.read_idx(tmp_path / "a-ubyte"), a)


def test_cross_entropy_leaves_out_what_the_usual_number_marks() -> None:
    z, t = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, -100, 2, 1, -100])
    assert nn.CrossEntropyLoss()(z, t) == pytest.approx(nn.CrossEntropyLoss()(z[t >= 0], t[t >= 0]))
    with pytest.raises(cr.ArgumentError, match="target\\[1\\] = -100"):
        cr.value_and_grad(nn.Linear(3, 3), nn.CrossEntropyLoss())(z.astype(np.float32), t)
    marked, rest = (cr.value_and_grad(nn.Linear(3, 3).init(0, np.float64), nn.CrossEntropyLoss(ignore_index=k)) for k in (-1, -100))
    (value, gradients), (wanted, kept) = marked(z, np.where(t < 0, -1, t)), rest(z[t >= 0], t[t >= 0])
    assert value == pytest.approx(wanted)
    np.testing.assert_allclose(gradients["weight"], kept["weight"], rtol=1e-12)
