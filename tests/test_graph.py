"""The gradient of any list of operations: every contribution counts, whoever reads what."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines.native.program import aligned
from chainrule.nn.compiled import runner
from chainrule.nn.graph import Graph, backward, forward, ready_for_lanes
from chainrule.nn.trace import Call

DENSE = cr.op("dense(x[n,K], w[O,K]) -> y[n,O]\n y[n,o] = sum[k](w[o,k] * x[n,k])")
TANH = cr.op("bend(x[n,D]) -> y[n,D]\n y[n,i] = tanh(x[n,i])")
ADD = cr.op("add(a[n,D], b[n,D]) -> y[n,D]\n y[n,i] = a[n,i] + b[n,i]")
MIX = cr.op("mix(a[n,D], b[n,D]) -> y[n,D]\n y[n,i] = a[n,i] * sin(b[n,i])")
SPLIT = cr.op("split(x[n,D]) -> p[n,D], q[n,D]\n p[n,i] = x[n,i]**2\n q[n,i] = cos(x[n,i])")
POOL = cr.op("best(x[n,D]) -> y[n,D-1]\n y[n,i] = max[u:2](x[n,i+u])")
SPREAD = cr.op("spread(x[n,D]; s=2) -> y[n,D]\n m[n] = max[i](x[n,i])\n y[n,i] = x[n,i] * m[n] / s")
ACROSS = cr.op("across(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] - sum[m:N](x[m,i])/3")  # samples speak to each other
GRAM = cr.op("gram(a[n,D], b[n,D]) -> w[D,D]\n w[i,j] = mean[n](a[n,i] * b[n,j])")
END = cr.op("end(y[n,D]) -> E\n E = mean[n](sum[i](y[n,i] * sin(y[n,i] + i)))")
TWO_ENDS = cr.op("ends(y[n,D], z[n,D]) -> E, F\n E = mean[n,i](y[n,i] * z[n,i])\n F = mean[n,i](y[n,i]**3)")


def call(op: cr.Op, prefix: str, *tensors: str, **settings: float) -> Call:
    """Tensors in the header's order: inputs, then outputs."""
    names = [t.name for t in op.definition.inputs + op.definition.outputs]
    return Call(op, dict(zip(names, tensors, strict=True)), settings, prefix)


# name: (calls, shapes of what goes in; "N" first for samples)
LISTS = {
    "a residual connection": (
        [call(DENSE, "0", "x", "w", "h"), call(TANH, "1", "h", "g"), call(ADD, "2", "g", "x", "y"), call(END, "loss", "y", "loss")],
        {"x": ("N", 4), "w": (4, 4)},
    ),
    "a tensor read by three operations": (
        [call(TANH, "0", "x", "h"), call(SPREAD, "1", "h", "a", s=3), call(MIX, "2", "h", "a", "b"), call(MIX, "3", "b", "h", "y"), call(END, "loss", "y", "loss")],
        {"x": ("N", 5)},
    ),
    "one tensor through two inputs": ([call(TANH, "0", "x", "h"), call(MIX, "1", "h", "h", "y"), call(END, "loss", "y", "loss")], {"x": ("N", 3)}),
    "the input itself through two inputs": ([call(MIX, "1", "x", "x", "y"), call(END, "loss", "y", "loss")], {"x": ("N", 3)}),
    "a parameter used twice": (
        [call(DENSE, "0", "x", "w", "h"), call(TANH, "1", "h", "g"), call(DENSE, "2", "g", "w", "y"), call(END, "loss", "y", "loss")],
        {"x": ("N", 4), "w": (4, 4)},
    ),
    "two outputs, both read": (
        [call(SPLIT, "0", "x", "p", "q"), call(MIX, "1", "p", "q", "y"), call(END, "loss", "y", "loss")],
        {"x": ("N", 4)},
    ),
    "two outputs, the second unread": ([call(SPLIT, "0", "x", "p", "q"), call(END, "loss", "p", "loss")], {"x": ("N", 4)}),
    "two outputs, the first unread": ([call(SPLIT, "0", "x", "p", "q"), call(END, "loss", "q", "loss")], {"x": ("N", 4)}),
    "an operation that leads nowhere": (
        [call(TANH, "0", "x", "h"), call(SPLIT, "1", "h", "p", "q"), call(POOL, "2", "x", "z"), call(END, "loss", "h", "loss")],
        {"x": ("N", 4)},
    ),
    "a parameter nobody reads": ([call(TANH, "0", "x", "h"), call(END, "loss", "h", "loss")], {"x": ("N", 4), "w": (2, 3), "b": ()}),
    "a saved decision behind a fan-out": (
        [call(POOL, "0", "x", "h"), call(POOL, "1", "h", "g"), call(POOL, "2", "h", "k"), call(MIX, "3", "g", "k", "y"), call(END, "loss", "y", "loss")],
        {"x": ("N", 6)},
    ),
    "samples that speak to each other": (
        [call(ACROSS, "0", "x", "h"), call(MIX, "1", "h", "x", "y"), call(END, "loss", "y", "loss")],
        {"x": ("N", 3)},
    ),
    "a weight made of samples": (
        [call(GRAM, "0", "x", "x", "w"), call(DENSE, "1", "x", "w", "h"), call(DENSE, "2", "h", "w", "y"), call(END, "loss", "y", "loss")],
        {"x": ("N", 3)},
    ),
    "two ends, one of them read again": (
        [call(TANH, "0", "x", "h"), call(TWO_ENDS, "loss", "h", "x", "loss", "more")],
        {"x": ("N", 3)},
    ),
}  # fmt: skip


def evaluate(calls: list[Call], arrays: dict[str, np.ndarray], samples: int, threads: int = 1) -> tuple[float, dict[str, np.ndarray], bool]:
    """The sum of the last operation's outputs, and its gradient for every array."""
    sampled = {k for k, a in arrays.items() if a.ndim and len(a) == samples and k == "x"}
    g = Graph(samples, ready_for_lanes(calls, sampled))
    for k, a in arrays.items():
        g.declare(k, a.shape, k in sampled)
    forward(g, calls)
    grads = backward(g, calls, set(arrays))
    ends = [calls[-1].names[t.name] for t in calls[-1].op.definition.outputs]
    for e in ends:
        g.declare(f"{e}.grad", (), False)
    outputs = [*ends, *grads.values()]
    run = runner(g, dict.fromkeys((*arrays, *(f"{e}.grad" for e in ends)), np.dtype(float)), outputs, np.dtype(float), 1).run
    out = {k: aligned(g.full(k), np.dtype(float)) for k in outputs}
    run(arrays | {f"{e}.grad": np.ones(()) for e in ends} | out, samples, threads=threads)
    return float(sum(out[e] for e in ends)), {k: out[v] for k, v in grads.items()}, g.free


@pytest.mark.parametrize("samples", [1, 3, 21])
@pytest.mark.parametrize("name", LISTS)
def test_every_contribution_counts(name: str, samples: int) -> None:
    calls, shapes = LISTS[name]
    rng = np.random.default_rng(samples)
    arrays = {k: rng.normal(size=tuple(samples if s == "N" else s for s in shape)) for k, shape in shapes.items()}
    _, grads, free = evaluate(calls, arrays, samples)
    assert free == (name not in ("samples that speak to each other",))
    assert set(grads) == set(arrays)
    for k, a in arrays.items():
        direction = rng.normal(size=a.shape)
        ends = [evaluate(calls, arrays | {k: a + h * direction}, samples)[0] for h in (1e-5, -1e-5)]
        assert float(np.sum(grads[k] * direction)) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-8), k


def test_a_list_of_operations_is_the_formula_they_spell() -> None:
    whole = cr.op(
        "whole(x[n,K], w[K,K]) -> E\n h[n,o] = sum[k](w[o,k] * x[n,k])\n y[n,i] = tanh(h[n,i]) + x[n,i]\n"
        " E = mean[n](sum[i](y[n,i] * sin(y[n,i] + i)))"
    )
    calls, _ = LISTS["a residual connection"]
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(37, 4)), rng.normal(size=(4, 4))
    value, grads, _ = evaluate(calls, {"x": x, "w": w}, 37)
    e, pullback = cr.vjp(whole, x, w)
    dx, dw = pullback(1.0)
    assert value == pytest.approx(float(e), rel=1e-13)
    np.testing.assert_allclose(grads["x"], dx, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(grads["w"], dw, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("first", ["p", "q"])
def test_a_layer_with_two_outputs_passes_its_first_on(first: str) -> None:
    second = "q" if first == "p" else "p"
    layer = cr.op(f"two(x[n,D]) -> {first}[n,D], {second}[n]\n {first}[n,i] = x[n,i]**2\n {second}[n] = sum[i](x[n,i])")
    one = cr.op("one(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i]**2")
    x, t = np.random.default_rng(0).normal(size=(9, 3)), np.arange(9) % 2
    nets = [nn.Sequential(nn.Linear(3, 4), op, nn.Linear(4, 2)).init(0, np.float64) for op in (layer, one)]
    assert np.array_equal(nets[0](x), nets[1](x))
    (a, grads), (b, wanted) = (cr.value_and_grad(net, nn.CrossEntropyLoss())(x, t) for net in nets)
    assert a == b
    for k, v in wanted.items():
        np.testing.assert_allclose(grads[k], v, rtol=1e-12)
    cr.fit(nets[0], nn.CrossEntropyLoss(), cr.optim.SGD(0.1, 0.9), (x, t), epochs=2, batch_size=4)


def test_a_parameter_with_a_sample_axis_is_no_sample() -> None:
    """Its rows are not the batch's: the number of samples is then part of the program."""
    own = cr.op("own(x[n,D], w[n,D]) -> y[n,D]\n y[n,i] = x[n,i] * w[n,i]")
    x, t, w = np.ones((6, 3)), np.zeros((6, 3)), np.arange(18.0).reshape(6, 3)
    net = nn.Sequential(nn.Formula(own, w=w)).init(0, np.float64)
    assert np.array_equal(net(x), w)
    _, grads = cr.value_and_grad(net, nn.MSELoss())(x, t)
    np.testing.assert_allclose(grads["0.w"], 2 * w / 18, rtol=1e-12)
    with pytest.raises(cr.ShapeError):
        net(x[:5])


def test_names_inside_an_operation_meet_nobody() -> None:
    loss = cr.op("odd(y[n,K], t[n,K]) -> E\n grad[n,k] = y[n,k] - t[n,k]\n E = mean[n](sum[k](grad[n,k]**2))")
    layer = cr.op("inner(x[n,K], w[K]) -> y[n,K]\n weight[n,k] = w[k] * x[n,k]\n y[n,k] = weight[n,k] * x[n,k]")
    net = nn.Sequential(nn.Formula(layer, w=np.ones(3)), nn.Linear(3, 3)).init(0, np.float64)
    x, t = np.random.default_rng(0).normal(size=(5, 3)), np.zeros((5, 3))
    e, grads = cr.value_and_grad(net, loss)(x, t)
    y = net(x)
    assert e == pytest.approx(np.mean(np.sum(y**2, 1)))
    np.testing.assert_allclose(grads["1.bias"], 2 * y.mean(axis=0))


# Programs belong to the operations they were made of -------------------------------------------------------------------


def scaled(a: float) -> cr.Op:
    return cr.op(f"scaled(x[n,D]) -> y[n,D]\n y[n,i] = {a!r} * x[n,i]")


def test_a_network_never_takes_another_transforms_program() -> None:
    net = nn.Sequential(nn.Linear(3, 2)).init(0, np.float64)
    x, t = np.random.default_rng(0).normal(size=(5, 3)), np.arange(5) % 2
    evaluate, w, b = cr.value_and_grad(net, nn.CrossEntropyLoss()), net.values["0.weight"], net.values["0.bias"]
    for k in range(10):
        factor = 1.0 + k
        np.testing.assert_allclose(net(x, transform=scaled(factor)), factor * x @ w.T + b, rtol=1e-12)
        want, _ = evaluate(x * factor, t)
        got, grads = evaluate(x, t, transform=scaled(factor))
        assert got == pytest.approx(want, rel=1e-12) and grads["input"].shape == x.shape
        gc.collect()


def test_training_never_takes_another_transforms_program() -> None:
    x, t = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6) % 2
    net = nn.Sequential(nn.Linear(3, 2)).init(0, np.float64)
    start = net.state_dict()
    for k in range(6):
        factor = 1.0 + k / 4
        wanted = nn.Sequential(nn.Linear(3, 2)).init(0, np.float64)
        cr.fit(wanted, nn.CrossEntropyLoss(), cr.optim.SGD(0.1), (x * factor, t), epochs=1, batch_size=3)
        net.load_state_dict(start)
        if k % 2:
            cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.1), (x, t), epochs=1, batch_size=3, transform=scaled(factor))
        else:
            order = np.random.default_rng([0, 0]).permutation(6)
            cr.TrainStep(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.1), x, t, 3, scaled(factor)).run(order)
        for name, v in wanted.values.items():
            np.testing.assert_allclose(net.values[name], v, rtol=1e-12)
        gc.collect()


def test_a_layer_that_was_changed_is_compiled_anew() -> None:
    own = cr.op("own(x[n,D]; a=2.0) -> y[n,D]\n y[n,i] = a * x[n,i]")
    layer = nn.Formula(own, a=2.0)
    net, x = nn.Sequential(layer, nn.Linear(2, 2)).init(0, np.float64), np.ones((1, 2))
    before = net(x) - net.values["1.bias"]
    layer.settings["a"] = 3.0
    np.testing.assert_allclose(net(x) - net.values["1.bias"], before * 1.5)
