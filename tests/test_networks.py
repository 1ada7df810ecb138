"""Networks: parameters, gradients of whole networks, training, saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn.models import MODELS, known, lenet5


def tiny() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.Tanh(), nn.MaxPool2d(2, stride=1, padding=1), nn.Conv2d(3, 4, (2, 3), padding=(1, 0), dilation=(1, 1)), nn.Sigmoid(),
        nn.Flatten(), nn.Linear(96, 7), nn.ReLU(), nn.Linear(7, 4, bias=False),
    )  # fmt: skip


def batch(samples: int, dtype: object = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 2, 8, 9)).astype(dtype), rng.integers(0, 4, samples)  # type: ignore[call-overload]


def shape_of_tiny() -> tuple[int, ...]:
    return tiny().init(0)(batch(2, np.float32)[0]).shape


def test_shapes_follow_from_the_formulas() -> None:
    assert shape_of_tiny() == (2, 4)


@pytest.mark.parametrize("samples", [1, 5, 40])
def test_gradients_of_a_whole_network_agree_with_differences(samples: int) -> None:
    net = tiny().init(3, np.float64)
    x, t = batch(samples)
    evaluate = cr.value_and_grad(net, nn.CrossEntropyLoss())
    loss, grads = evaluate(x, t)
    assert loss == pytest.approx(nn.CrossEntropyLoss()(net(x), t), rel=1e-13)
    rng = np.random.default_rng(1)
    start = net.state_dict()
    for name in (*start, "input"):
        value = x if name == "input" else start[name]
        direction = rng.normal(size=value.shape)
        ends = []
        for h in (1e-6, -1e-6):
            moved = value + h * direction
            if name != "input":
                net.load_state_dict(start | {name: moved})
            ends.append(evaluate(moved if name == "input" else x, t)[0])
        net.load_state_dict(start)
        slope = (ends[0] - ends[1]) / 2e-6
        assert slope == pytest.approx(float(np.sum(grads[name] * direction)), rel=2e-5, abs=1e-8), name


def test_the_same_seed_gives_the_same_network_and_the_same_bits_on_any_threads() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 256, (150, 1, 28, 28)).astype(np.uint8), rng.integers(0, 10, 150)
    states = []
    for threads in (1, 2, 3, 4):
        net = lenet5().init(7)
        cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.05, 0.9, 1e-3), (x, t), epochs=2, batch_size=64, threads=threads, transform=cr.ops.scale)
        states.append(net.state_dict())
    for state in states[1:]:
        assert all(np.array_equal(state[k], states[0][k]) for k in state)


@pytest.mark.parametrize("momentum, decay", [(0.0, 0.0), (0.0, 0.01), (0.9, 0.0), (0.5, 0.01)])
def test_updates_are_pytorchs_sgd(momentum: float, decay: float) -> None:
    net = nn.Sequential(nn.Linear(3, 4)).init(0, np.float64)
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(6, 3)), rng.integers(0, 4, 6)
    mine = {k: v.copy() for k, v in net.values.items()}
    velocity = {k: np.zeros_like(v) for k, v in mine.items()}
    other = nn.Sequential(nn.Linear(3, 4)).init(0, np.float64)
    for k in range(0, 6, 2):
        other.load_state_dict(mine)
        _, grads = cr.value_and_grad(other, nn.CrossEntropyLoss())(x[k : k + 2], t[k : k + 2])
        for name, w in mine.items():
            velocity[name] = momentum * velocity[name] + grads[name] + decay * w
            mine[name] = w - 0.3 * velocity[name]
    cr.TrainStep(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.3, momentum, decay), x, t, 2).run(np.arange(6))
    for name, w in mine.items():
        np.testing.assert_allclose(net.values[name], w, rtol=1e-13)


def test_an_update_waits_until_nobody_reads_the_old_weights() -> None:
    """In batch normalisation the gain's gradient is known before ∂/∂x, which still needs the old gain."""
    norm = cr.op(
        "norm(x[n,D], g[D], b[D]; eps=1e-5) -> y[n,D]\n m[i] = mean[n](x[n,i])\n v[i] = mean[n]((x[n,i]-m[i])**2)\n"
        " y[n,i] = b[i] + g[i]*(x[n,i]-m[i])/sqrt(v[i]+eps)"
    )

    def fresh() -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 6), nn.Formula(norm, g=np.arange(1.0, 7.0), b=np.zeros(6)), nn.Linear(6, 4)).init(0, np.float64)

    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(40, 3)), rng.integers(0, 4, 40)
    for opt in (cr.optim.SGD(0.5), cr.optim.SGD(0.5, 0.9)):
        trained, by_hand = fresh(), fresh()
        _, grads = cr.value_and_grad(by_hand, nn.CrossEntropyLoss())(x, t)
        cr.TrainStep(trained, nn.CrossEntropyLoss(), opt, x, t, 40).run(np.arange(40))
        for name, w in by_hand.values.items():
            np.testing.assert_allclose(trained.values[name], w - 0.5 * grads[name], rtol=1e-10, atol=1e-12, err_msg=name)


def test_a_last_batch_that_is_not_full_counts_its_own_samples() -> None:
    net, again = (nn.Sequential(nn.Linear(3, 4)).init(0, np.float64) for _ in range(2))
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(21, 3)), rng.integers(0, 4, 21)
    losses = cr.TrainStep(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.1), x, t, 16).run(np.arange(21))
    cr.TrainStep(again, nn.CrossEntropyLoss(), cr.optim.SGD(0.1), x[:16], t[:16], 16).run(np.arange(16))
    assert losses[1] == pytest.approx(cr.value_and_grad(again, nn.CrossEntropyLoss())(x[16:], t[16:])[0], rel=1e-13)


def test_a_layer_of_ones_own_trains() -> None:
    swish = cr.op("swish(x[n,D], b[D]) -> y[n,D]\n  y[n,i] = x[n,i] / (1 + exp(-b[i]*x[n,i]))")
    norm = cr.op(
        "norm(x[n,D]; eps=1e-5) -> y[n,D]\n m[i] = mean[n](x[n,i])\n v[i] = mean[n]((x[n,i]-m[i])**2)\n y[n,i] = (x[n,i]-m[i])/sqrt(v[i]+eps)"
    )
    strange = cr.op("strange(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] - max[m:N](x[m,i])/8")  # samples speak to each other
    net = nn.Sequential(nn.Linear(2, 16), norm, nn.Formula(swish, b=np.ones(16)), strange, nn.Linear(16, 2)).init(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2)).astype(np.float32)
    t = (x[:, 0] * x[:, 1] > 0).astype(int)
    history = cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(lr=0.1, momentum=0.9), (x, t), (x[:100], t[:100]), epochs=12)
    assert history[-1].test_accuracy > 0.9 and history[0].train_loss > history[-1].train_loss


def test_a_saved_network_is_the_same_network(tmp_path: Path) -> None:
    own = cr.op("own(x[n,D], w[D]; k=2) -> y[n,D]\n y[n,i] = k * w[i] * x[n,i]")
    net = nn.Sequential(*tiny(), nn.Formula(own, w=(4,), k=3)).init(2)
    x = batch(3, np.float32)[0]
    cr.save(net, tmp_path / "net.safetensors")
    again = cr.load(tmp_path / "net.safetensors")
    assert list(again.values) == list(net.values) and np.array_equal(again(x), net(x))
    (tmp_path / "cut").write_bytes((tmp_path / "net.safetensors").read_bytes()[:-5])
    for path in (tmp_path / "cut", tmp_path / "missing"):
        with pytest.raises(cr.DataError, match=str(path)):
            cr.load(path)
    with pytest.raises(cr.DataError, match="no/such"):
        cr.save(net, tmp_path / "no" / "such" / "folder")


def test_state_dicts_are_checked() -> None:
    net = nn.Sequential(nn.Linear(3, 4))
    state = net.state_dict()
    with pytest.raises(cr.ArgumentError, match="extra"):
        net.load_state_dict(state | {"extra": np.ones(3)})
    with pytest.raises(cr.ArgumentError, match=r"0\.bias"):
        net.load_state_dict({"0.weight": state["0.weight"]})
    with pytest.raises(cr.ShapeError, match=r"0\.bias with shape"):
        net.load_state_dict(state | {"0.bias": np.ones(3, np.float32)})


MISTAKES = [
    (lambda: nn.Conv2d(1, 2, 0), "kernel_size=0"),
    (lambda: nn.Conv2d(1, 2, 3, padding=-1), "padding=-1"),
    (lambda: nn.Conv2d(1, 2, 3, padding="full"), "padding='full'"),
    (lambda: nn.Conv2d(1, 2, 3, groups=2), "in_channels=1: 2 groups"),
    (lambda: known("resnet"), "'resnet': no such model"),
    (lambda: known("document001", (3, 32, 32)), "'document001' for inputs of"),
    (lambda: nn.Linear(0, 2), "in_features=0"),
    (lambda: nn.MaxPool2d(2, padding=2), "padding=2"),
    (lambda: nn.Sequential(3), "3: not a layer"),
    (lambda: nn.Sequential(cr.ops.linear), "'w' is a parameter"),
    (lambda: cr.optim.SGD(lr=-1), "lr=-1"),
    (lambda: cr.optim.SGD(lr=float("nan")), "lr=nan"),
    (lambda: tiny().init(0, np.float16), "dtype="),
    (lambda: tiny()(np.ones((2, 3, 8, 9), np.float32)), r"layer 0 \(Conv2d\)"),
    (lambda: tiny()(np.ones((2, 2, 8, 9))), "input with dtype float64"),
    (lambda: lenet5()(np.ones((1, 1, 4, 4), np.float32)), "layer 3"),
]


@pytest.mark.parametrize("call, problem", MISTAKES)
def test_mistakes_are_named(call: object, problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem):
        call()  # type: ignore[operator]


def test_training_refuses_what_it_cannot_use_and_loses_nothing() -> None:
    net = nn.Sequential(nn.Linear(3, 4)).init(0)
    x, t = np.ones((6, 3), np.float32), np.array([0, 1, 2, 3, 0, 1])
    before = net.state_dict()
    fit = lambda x, t, lr=0.1, **kw: cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(lr), (x, t), **kw)  # noqa: E731
    with pytest.raises(cr.ArgumentError, match=r"target\[4\] = 4"):
        fit(x, np.array([0, 1, 2, 3, 4, 1]))
    with pytest.raises(cr.ShapeError, match="not pairs"):
        fit(x, t[:5])
    broken = x.copy()
    broken[4, 1] = np.nan
    with pytest.raises(cr.NumericsError, match=r"input\[4, 1\] = nan"):
        fit(broken, t)
    with pytest.raises(cr.ArgumentError, match="batch_size=0"):
        fit(x, t, batch_size=0)
    with pytest.raises(cr.NumericsError, match="the network is as it was after epoch 0"):
        fit(x * 1e30, t, lr=1e30, epochs=3, batch_size=2)
    assert all(np.array_equal(net.values[k], v) for k, v in before.items())


@pytest.mark.parametrize("name", MODELS)
def test_known_models_learn(name: str) -> None:
    from chainrule.train.data import sample

    data = sample()
    net = known(name).init(0)
    large = sum(v.size for v in net.values.values()) < 300_000 and len(net.values) > 12  # of many layers
    count, epochs = (64, 3) if large else (600, 8)
    x, t = data.train[0][:count], data.train[1][:count]
    history = cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.01, 0.9), (x, t), epochs=epochs, batch_size=16, transform=cr.ops.scale)
    assert history[-1].train_loss < history[0].train_loss < 3


def test_a_run_that_ends_in_nan_keeps_the_last_good_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.train import data, run

    settings = run.Settings("fashion-mnist", "mlp", 3, 64, 0.05, 0.9, 0.0, 0, 1)
    good = []

    def fails(net: nn.Sequential, *args: object, augment: object) -> None:
        good.append(net.state_dict())
        args[-1](run.Epoch(1, 1.0, 1.0, 1.0, 0.5))  # type: ignore[operator]
        raise cr.NumericsError("lr=1: the loss is nan")

    monkeypatch.setattr(run, "fit", fails)
    with pytest.raises(cr.NumericsError):
        run.train(settings, data.sample(), tmp_path)
    kept = cr.load(tmp_path / "model.safetensors").state_dict()
    assert all(np.array_equal(kept[k], v) for k, v in good[0].items())
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 1


def test_a_full_disk_is_named_and_leaves_the_old_model(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(3, 4)).init(0)
    cr.save(net, tmp_path / "m.safetensors")
    before = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "m.safetensors.part").symlink_to("/dev/full")
    with pytest.raises(cr.DataError, match="No space left"):
        cr.save(nn.Sequential(nn.Linear(3, 4)).init(1), tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == before
