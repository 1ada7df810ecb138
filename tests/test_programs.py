"""Whole networks and whole training steps: the very lines that become machine code, run by the reference engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

BATCH_NORM = """norm(x[n,C,H,W], g[C], b[C]; eps=1e-3) -> y[n,C,H,W]
    m[c] = mean[n,i,j](x[n,c,i,j])
    v[c] = mean[n,i,j]((x[n,c,i,j]-m[c])**2)
    y[n,c,i,j] = b[c] + g[c]*(x[n,c,i,j]-m[c])/sqrt(v[c]+eps)"""
NEIGHBOURS = "speak(x[n,D], w[D]) -> y[n,D]\n y[n,i] = w[i]*x[n,i] - max[m:N](x[m,i])/2 + sum[m:N](x[m,i]*(m<n))/N"
RESIDUAL = "block(x[n,D], w[D,D]) -> y[n,D]\n h[n,i] = tanh(sum[k](w[i,k]*x[n,k]))\n y[n,i] = x[n,i] + sum[k](w[k,i]*h[n,k])*h[n,i]"
ATTENTION = """attend(x[n,D], q[D], k[D]) -> y[n,D]
    s[n,i,j] = q[i]*x[n,i]*k[j]*x[n,j]
    e[n,i,j] = exp(s[n,i,j] - max[l](s[n,i,l]))
    y[n,i] = sum[j](e[n,i,j]*x[n,j])/sum[j](e[n,i,j])"""


class Branches(nn.Module):
    """A residual block with batch norm beside a strided shortcut, a layer used twice, a mean over places."""

    def __init__(self) -> None:
        self.conv, self.norm = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4)
        self.shortcut = nn.Sequential(nn.Conv2d(2, 4, 1, stride=2, bias=False), nn.BatchNorm2d(4, momentum=None))
        self.twice, self.end = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x: nn.Symbol) -> nn.Symbol:
        y = F.relu(self.norm(self.conv(x)) + self.shortcut(x))
        y = self.twice(F.tanh(self.twice(y))) * 0.5 - y
        return self.end(F.flatten(F.adaptive_avg_pool2d(y, 1)))


BYTES = cr.op("pixels(x[n,C,H,W]) -> y[n,C,H,W]\n y[n,c,i,j] = (x[n,c,i,j]/255 - 0.5)/0.25")


@dataclass(frozen=True)
class Program:
    """A network, its loss, the shape of one sample, and what its targets are (classes, or the shape of numbers)."""

    id: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    target: int | tuple[int, ...]
    loss: object
    transform: cr.Op | None = None

    def net(self) -> nn.Module:
        """With parameters that are not the initial ones, gains of 1 and biases of 0 least of all."""
        net = self.make().init(3, np.float64)
        rng = np.random.default_rng(5)
        moved = {k: v + np.abs(rng.normal(scale=0.1, size=v.shape)) for k, v in net.state_dict().items() if v.dtype.kind == "f"}
        return net.load_state_dict(net.state_dict() | moved)

    def data(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(count)
        x = rng.integers(0, 256, (count, *self.shape)).astype(np.uint8) if self.transform else rng.normal(size=(count, *self.shape))
        return x, rng.integers(0, self.target, count) if isinstance(self.target, int) else rng.normal(size=(count, *self.target))


PROGRAMS = [
    Program("convolutions", lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2, stride=1, padding=1), nn.Conv2d(3, 4, (2, 3), padding=(1, 0)), nn.Sigmoid(),
        nn.Flatten(), nn.Linear(96, 7), nn.Tanh(), nn.Linear(7, 4, bias=False)), (2, 8, 9), 4, nn.CrossEntropyLoss()),
    Program("square", lambda: nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2, stride=2), nn.Conv2d(4, 4, 2), nn.Flatten(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 4)),
        (4, 4, 4), (4,), nn.MSELoss()),
    Program("batch norm", lambda: nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Formula(cr.op(BATCH_NORM), g=(3,), b=(3,)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 5)),
        (1, 6, 6), 5, nn.CrossEntropyLoss()),
    Program("neighbours", lambda: nn.Sequential(nn.Linear(5, 6), nn.Formula(cr.op(NEIGHBOURS), w=(6,)), nn.Linear(6, 3)), (5,), 3, nn.CrossEntropyLoss()),
    Program("residual", lambda: nn.Sequential(nn.Linear(6, 6), nn.Formula(cr.op(RESIDUAL), w=(6, 6)), nn.Formula(cr.op(RESIDUAL), w=(6, 6)), nn.Linear(6, 2)),
        (6,), (2,), nn.HalfSquareLoss()),
    Program("attention", lambda: nn.Sequential(nn.Formula(cr.op(ATTENTION), q=(5,), k=(5,)), nn.Linear(5, 5), nn.Softmax(), nn.Linear(5, 3)),
        (5,), (3,), nn.MSELoss()),
    Program("bytes", lambda: nn.Sequential(nn.Conv2d(1, 4, 5, stride=2, padding=2), nn.ReLU(), nn.AvgPool2d(3, stride=2, padding=1), nn.Flatten(), nn.Linear(64, 10)),
        (1, 16, 13), 10, nn.CrossEntropyLoss(), BYTES),
    Program("branches", Branches, (2, 6, 6), 3, nn.CrossEntropyLoss()),
    Program("one layer", lambda: nn.Sequential(nn.Linear(17, 9)), (17,), 9, nn.CrossEntropyLoss()),
]  # fmt: skip


def same(got: object, want: np.ndarray, name: str, tolerance: float) -> None:
    assert np.shape(got) == np.shape(want), name
    size = max(float(np.max(np.abs(want))), 1e-3)
    assert np.max(np.abs(got - want)) <= tolerance * size, f"{name}: {np.max(np.abs(got - want)) / size:.2e}"  # type: ignore[operator]  # an array


def gradients(p: Program, samples: int) -> None:
    net, (x, t) = p.net(), p.data(samples)
    before = net.state_dict()
    want, wanted = cr.value_and_grad(net, p.loss)(x, t, engine="reference")
    for threads in (1, 2):
        loss, grads = cr.value_and_grad(net, p.loss)(x, t, threads=threads)
        same(np.array(loss), np.array(want), "loss", 1e-12)
        assert list(grads) == list(wanted)
        for name, g in wanted.items():
            same(grads[name], g, name, 2e-12)
    assert all(np.array_equal(v, before[k]) for k, v in net.state_dict().items())
    outputs = (net(x), net(x, engine="reference"))
    same(outputs[0], outputs[1], "outputs", 1e-12)


def steps(p: Program, batch: int, count: int, opt: cr.optim.Optimizer, threads: int = 1) -> None:
    """Training steps over `count` samples in a shuffled order, the last batch perhaps not full."""
    x, t = p.data(count + 3)  # some samples are never asked for
    order = np.random.default_rng(1).permutation(count + 3)[:count]
    found = []
    for engine in ("reference", "native"):
        net = p.net()
        step = cr.TrainStep(net, p.loss, opt, x, t, batch, p.transform, threads, engine)
        found.append((step.run(order), net.state_dict(), step.states))
    (want, state, carried), (got, values, states) = found
    same(got, want, "losses", 1e-12)
    for name, v in state.items():
        same(values[name], v, name, 3e-12)
    assert carried.keys() == states.keys()
    for name, v in carried.items():
        same(states[name], v, name, 1e-11)


@pytest.mark.parametrize("samples", [1, 2, 17])
@pytest.mark.parametrize("p", [p for p in PROGRAMS if not p.transform], ids=lambda p: p.id)
def test_a_networks_loss_and_gradients_are_the_references(p: Program, samples: int) -> None:
    gradients(p, samples)


@pytest.mark.parametrize("batch, count, momentum", [(5, 5, 0.9), (1, 3, 0.9), (17, 41, 0.9), (8, 24, 0.0)])
@pytest.mark.parametrize("p", PROGRAMS, ids=lambda p: p.id)
def test_training_steps_are_the_references(p: Program, batch: int, count: int, momentum: float) -> None:
    steps(p, batch, count, cr.optim.SGD(0.1, momentum, 0.01), threads=2 if batch == 17 else 1)


@pytest.mark.parametrize("p", PROGRAMS, ids=lambda p: p.id)
def test_training_steps_on_other_vector_widths(p: Program, narrower: str) -> None:
    steps(p, 5, 12, cr.optim.SGD(0.1, 0.9, 0.01))
    if not p.transform:
        gradients(p, 3)


@pytest.mark.parametrize(
    "opt",
    [
        cr.optim.SGD(0.1, 0.9, 0.01, nesterov=True),
        cr.optim.SGD(0.1, 0.9, dampening=0.5),
        cr.optim.Adam(cr.optim.Warmup(cr.optim.Cosine(0.01, steps=5), steps=2)),
        cr.optim.AdamW(amsgrad=True),
        cr.optim.RMSprop(momentum=cr.optim.Ramp(0.1, 0.9, steps=3), centered=True),
        cr.optim.Adagrad(cr.optim.StepLR(0.1, every=2), lr_decay=0.1, initial_accumulator_value=0.1),
    ],
    ids=repr,
)
def test_optimisers_and_schedules_are_the_references(opt: cr.optim.Optimizer) -> None:
    for p in PROGRAMS:
        if p.id in ("branches", "one layer"):
            steps(p, 5, 23, opt)


@pytest.mark.parametrize("p", PROGRAMS, ids=lambda p: p.id)
def test_a_training_step_reads_back_as_what_it_computes(p: Program) -> None:
    """Its text is a definition: an operation of parameters, states and data that gives their new values, on both engines."""
    net, (x, t) = p.net(), p.data(6)
    step = cr.TrainStep(net, p.loss, cr.optim.Adam(0.01, weight_decay=0.1), x, t, 6, p.transform)
    program = step.program
    given = {k: np.array(v) for k, v in {**step.arrays(), **step.data.all}.items()}
    whole, names = cr.op(str(program)), program.names
    found = [whole.evaluate({names[k.name]: given[k.name] for k in program.inputs}, {}, engine) for engine in ("native", "reference")]
    losses = step.run(np.arange(6))
    after = step.arrays()
    for out in found:
        assert out[names["loss"]] == pytest.approx(losses[0], rel=1e-12)
        for new, old in program.update:
            np.testing.assert_allclose(out[names[new]], after[old], rtol=1e-9, atol=1e-12, err_msg=new)


@pytest.mark.parametrize("p", [p for p in PROGRAMS if not p.transform and p.id not in ("batch norm", "branches")], ids=lambda p: p.id)
def test_a_networks_program_is_differentiated_as_one_definition(p: Program) -> None:
    """The whole network under one reverse mode, against the operations' gradients put end to end (where training has no form of its own)."""
    net, (x, _) = p.net(), p.data(3)
    program = net.program(x.shape)
    values = {**net.values, "input": x}
    y, pull = cr.vjp(program, **{program.names[t.name]: values[t.name] for t in program.inputs})
    np.testing.assert_allclose(y, net(x), rtol=1e-10, atol=1e-12)
    dy = np.random.default_rng(0).normal(size=y.shape)
    _, grads = cr.value_and_grad(net, lambda out, target: (out * target).sum())(x, dy)
    for t, g in zip(program.inputs, pull(dy), strict=True):
        np.testing.assert_allclose(g, grads[t.name], rtol=1e-8, atol=1e-10, err_msg=t.name)


# Values that take the place of others ----------------------------------------------------------------------------------

BEHIND = "behind(w[*A], g[*A], p[*A], lr) -> p_new[*A], w_new[*A]\n "
RENEWALS = [
    BEHIND + "p_new[*a] = w[*a]\n w_new[*a] = w[*a] - lr*g[*a] + (w[*a] - p[*a])/2",
    BEHIND + "w_new[*a] = w[*a] - lr*g[*a] + (w[*a] - p[*a])/2\n p_new[*a] = w[*a]",
    BEHIND + "p_new[*a] = g[*a]\n w_new[*a] = w[*a] - lr*p[*a]",
    "counted(w[*A], g[*A], k, lr) -> k_new, w_new[*A]\n k_new = k + 1\n w_new[*a] = w[*a] - lr*g[*a]/(1 + k)",
    "across(w[A,B], g[A,B], p[B], lr) -> p_new[B], w_new[A,B]\n p_new[b] = mean[a](w[a,b])\n w_new[a,b] = w[a,b] - lr*g[a,b] + p[b]/9",
]  # fmt: skip


class Held(nn.Module):
    """A layer and buffers; what is done with them is given."""

    def __init__(self, done: Callable[[Held, nn.Symbol], nn.Symbol], **buffers: object):
        self.layer, self.done = nn.Linear(3, 2), done
        for name, value in buffers.items():
            setattr(self, name, nn.Buffer(np.array(value, float)))

    def forward(self, x: nn.Symbol) -> nn.Symbol:
        return self.done(self, self.layer(x))


def counting(s: Held, y: nn.Symbol) -> nn.Symbol:
    out = y / s.k
    s.k = s.k + 1
    return out


def swapping(s: Held, y: nn.Symbol) -> nn.Symbol:
    s.a, s.b = s.b, s.a
    return y * s.a


def mixing(s: Held, y: nn.Symbol) -> nn.Symbol:
    before, s.a = s.a, s.b @ s.b
    s.b = before @ before * 0.5
    return y @ before


def shifting(s: Held, y: nn.Symbol) -> nn.Symbol:
    last = s.c
    s.c, s.b, s.a = s.b, s.a, last * 2
    return y * last


def following(s: Held, y: nn.Symbol) -> nn.Symbol:
    s.a = s.b
    s.b = s.b + 1
    return y * s.a


def meeting(s: Held, y: nn.Symbol) -> nn.Symbol:
    before, s.a = s.a, s.a * 2 + 1
    return y * (s.a - before)


def turning(s: Held, y: nn.Symbol) -> nn.Symbol:
    s.a = cr.op("turned(x[A]) -> y[A]\n y[i] = x[A-1-i]")(s.a)
    return y


SQUARE = np.arange(4.0).reshape(2, 2) / 10 + 1
HELD = [
    lambda: Held(counting, k=1), lambda: Held(swapping, a=[1, 2], b=[3, 4]), lambda: Held(mixing, a=SQUARE, b=-SQUARE),
    lambda: Held(shifting, a=[1, 2], b=[3, 4], c=[5, 6]), lambda: Held(following, a=[1, 2], b=[3, 4]), lambda: Held(meeting, a=[1, 2]),
    lambda: Held(turning, a=np.arange(37)),
]  # fmt: skip


@pytest.mark.parametrize("text", RENEWALS)
def test_an_optimisers_old_values_are_read_before_new_ones_take_their_place(text: str) -> None:
    make = lambda: nn.Sequential(nn.Linear(3, 19, bias="A,B" not in text))  # noqa: E731
    steps(Program("own", make, (3,), (19,), nn.MSELoss()), 2, 6, cr.optim.Optimizer(text, lr=0.1))


@pytest.mark.parametrize("make", HELD, ids=lambda make: make().done.__name__)
def test_buffers_are_renewed_after_all_that_read_them(make: Callable[[], nn.Module]) -> None:
    steps(Program("buffers", make, (3,), (2,), nn.MSELoss()), 2, 6, cr.optim.SGD(0.1))
