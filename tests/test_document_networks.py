"""The networks of the documents have the gradients that the documents print, where these are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import documents
from chainrule.train.run import probabilities as probabilities_shown
from tests.documents import ROWS
from tests.documents.row import Row, Verdict

RNG = np.random.default_rng(0)
ROW = {r.id: r for r in ROWS}
NETWORKS = {
    "000": (documents.document000, nn.HalfSquareLoss()),
    "001": (documents.document001, nn.CrossEntropyLoss()),
    "001 flipped": (lambda: documents.document001(flip=True), nn.CrossEntropyLoss()),
    "002": (lambda: documents.document002(outputs=10), nn.HalfSquareLoss()),
    "003": (documents.document003, nn.ProbabilityCrossEntropyLoss()),
    "004": (lambda: nn.Sequential(nn.Flatten(), *documents.document004(784, 20, 10)), nn.HalfSquareLoss()),
}


def made(net: nn.Sequential, seed: int = 0) -> nn.Sequential:
    """A network in double precision, no parameter of it at 0."""
    rng = np.random.default_rng(seed)
    net.init(seed, dtype="float64")
    net.load_state_dict({k: rng.normal(size=v.shape) / np.sqrt(max(v.size // v.shape[0], 4)) for k, v in net.state_dict().items()})
    return net


def claimed(row: Row, **arrays: np.ndarray) -> np.ndarray:
    """What a document's formula gives (or its mended form where it is wrong)."""
    lines = row.right if row.verdict is Verdict.WRONG else row.claim
    return np.asarray(row.claimed(lines)(**arrays, engine="reference")[-1])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_document_003s_parameters_have_the_gradients_of_its_section_3(engine: str) -> None:
    net = made(documents.document003(3, 5, 4, 3))
    x, t = RNG.normal(size=(4, 1, 5, 4)), np.eye(3)[[0, 2, 1, 2]]
    _, grads = cr.value_and_grad(net, nn.ProbabilityCrossEntropyLoss())(x, t, engine=engine)
    p = net.state_dict()
    parameters = {"W": p["0.weight"][0, 0], "b1": p["1.bias"][0], "b2": p["4.bias"][0], "V": p["7.weight"].reshape(3, 3, 3), "b3": p["7.bias"]}
    places = {"V": ("(35)", "7.weight"), "W": ("(40)", "0.weight"), "b3": ("(45)", "7.bias"), "b2": ("(49)", "4.bias"), "b1": ("(54)", "1.bias")}
    for place, name in places.values():
        each = [claimed(ROW[f"003 {place}"], x=x[n, 0], t=t[n], **parameters) for n in range(4)]
        np.testing.assert_allclose(grads[name], np.mean(each, 0).reshape(grads[name].shape), rtol=1e-10, atol=1e-12, err_msg=place)


def test_document_001s_network_is_one_in_both_conventions() -> None:
    straight, flipped = made(documents.document001()), documents.document001(flip=True).init(0, dtype="float64")
    turned = {k: v[:, :, ::-1, ::-1] if v.ndim == 4 else v for k, v in straight.state_dict().items()}
    flipped.load_state_dict(turned)
    x, t = RNG.normal(size=(3, 1, 28, 28)), np.array([1, 0, 9])
    (loss, grads), (loss2, grads2) = (cr.value_and_grad(net, nn.CrossEntropyLoss())(x, t) for net in (straight, flipped))
    assert loss == pytest.approx(loss2, rel=1e-12)
    for k, g in grads.items():
        again = grads2[k][:, :, ::-1, ::-1] if g.ndim == 4 and k != "input" else grads2[k]
        np.testing.assert_allclose(g, again, rtol=1e-9, atol=1e-12, err_msg=k)


def test_document_002s_deltas_are_its_networks_gradients() -> None:
    net = made(documents.document002(5, 4, 3))
    x, t = RNG.normal(size=(1, 5)), RNG.normal(size=(1, 3))
    _, grads = cr.value_and_grad(net, nn.HalfSquareLoss())(x, t)
    p = net.state_dict()
    arrays = {"x": x[0], "t": t[0], "v": p["1.weight"].T, "c": p["1.bias"], "w": p["3.weight"].T, "b": p["3.bias"]}
    ones = np.ones(())
    np.testing.assert_allclose(grads["3.weight"].T, claimed(ROW["002 last layer, 7b"], **arrays, dE=ones), rtol=1e-10)
    np.testing.assert_allclose(grads["1.weight"].T, claimed(ROW["002 inner layer, 7"], **arrays, dE=ones), rtol=1e-10)
    cr.fit(net, nn.HalfSquareLoss(), cr.optim.SGD(0.1), (x, t), epochs=1, batch_size=1)
    for k, now in net.state_dict().items():
        np.testing.assert_allclose(now, p[k] - 0.1 * grads[k], rtol=1e-12, err_msg="x1 = x0 - eta df/dx")


def test_document_004s_matrices_give_the_chains_gradient() -> None:
    """∂o/∂y' = diag(φ'(y')) W ∂o/∂y, from layer to layer, with W [in, out]."""
    net = made(documents.document004(5, 4, 6, 3))
    x, t = RNG.normal(size=(1, 5)), RNG.normal(size=(1, 3))
    _, grads = cr.value_and_grad(net, nn.HalfSquareLoss())(x, t)
    w = [net.state_dict()[f"{k}.weight"].T for k in (0, 2, 4)]
    outputs = [x[0]]
    for m in w:
        outputs.append(np.tanh(outputs[-1] @ m))
    slopes = [np.diag(1 - o**2) for o in outputs[1:]]
    delta = slopes[2] @ (outputs[3] - t[0])
    for k in (2, 1, 0):
        np.testing.assert_allclose(grads[f"{2 * k}.weight"].T, np.outer(outputs[k], delta), rtol=1e-10)
        before = slopes[k - 1] if k else np.eye(5)
        for engine in ("native", "reference"):
            np.testing.assert_allclose(
                cr.ops.chained_back(np.diag(before)[None], w[k], delta[None], engine=engine)[0], before @ w[k] @ delta, rtol=1e-12
            )
        delta = before @ w[k] @ delta
    np.testing.assert_allclose(grads["input"][0], delta, rtol=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_both_engines_agree_and_a_file_keeps_the_network(name: str, tmp_path: Path) -> None:
    make, loss = NETWORKS[name]
    net = made(make(), 1)
    x = RNG.normal(size=(2, 1, 28, 28))
    t: np.ndarray = np.array([3, 9]) if isinstance(loss, nn.CrossEntropyLoss) else np.eye(10)[[3, 9]]
    first, grads = cr.value_and_grad(net, loss)(x, t)
    second, slow = cr.value_and_grad(net, loss)(x, t, engine="reference")
    assert first == pytest.approx(second, rel=1e-12)
    for k in grads:
        np.testing.assert_allclose(grads[k], slow[k], rtol=1e-8, atol=1e-12, err_msg=k)
    cr.save(net, tmp_path / "net.safetensors")
    assert np.array_equal(cr.load(tmp_path / "net.safetensors")(x), net(x))


@pytest.mark.parametrize("more", [{}, {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}, {"groups": 2, "bias": False, "padding": 1}])
def test_a_convolution_is_a_cross_correlation_with_its_kernels_turned(more: dict[str, object]) -> None:
    straight = nn.Sequential(nn.Conv2d(4, 6, (3, 2), **more)).init(0, dtype="float64")  # type: ignore[arg-type]  # settings of both
    turned = nn.Sequential(nn.Convolve2d(4, 6, (3, 2), **more)).init(1, dtype="float64")  # type: ignore[arg-type]  # settings of both
    turned.load_state_dict({k: v[:, :, ::-1, ::-1] if v.ndim == 4 else v for k, v in straight.state_dict().items()})
    x = RNG.normal(size=(2, 4, 7, 8))
    np.testing.assert_allclose(turned(x), straight(x), rtol=1e-12, atol=1e-12)
    assert str(turned[0]).removeprefix("Convolve2d") == str(straight[0]).removeprefix("Conv2d")


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_convolution_has_a_bias_for_each_place_of_its_output(engine: str, tmp_path: Path) -> None:
    """∂E/∂b_ij = ∂E/∂x_ij (documents 000, 001, 003): the bias takes its sizes from the first input."""
    net = nn.Sequential(nn.Conv2d(2, 3, (2, 3), stride=(1, 2), bias="untied")).init(0, dtype="float64")
    apart = nn.Sequential(nn.Conv2d(2, 3, (2, 3), stride=(1, 2), bias=False), nn.CellBias((3, 4, 2)))
    x, t = RNG.normal(size=(2, 2, 5, 6)), RNG.normal(size=(2, 3, 4, 2))
    assert net.state_dict()["0.bias"].shape == (3, 0, 0)
    assert net(x, engine=engine).shape == t.shape and net[0].bias.dtype == np.float64
    assert np.array_equal(net[0].bias, np.zeros((3, 4, 2)))
    net.load_state_dict({"0.weight": net[0].weight, "0.bias": RNG.normal(size=(3, 4, 2))})
    apart.load_state_dict({"0.weight": net[0].weight, "1.bias": net[0].bias})
    (loss, grads), (other, theirs) = (cr.value_and_grad(m, nn.MSELoss(reduction="sum"))(x, t, engine=engine) for m in (net, apart))
    assert loss == pytest.approx(other, rel=1e-13)
    np.testing.assert_allclose(grads["0.bias"], (2 * (net(x) - t)).sum(0), rtol=1e-12)
    np.testing.assert_allclose(grads["0.weight"], theirs["0.weight"], rtol=1e-12)
    cr.save(net, tmp_path / "net.safetensors")
    again = cr.load(tmp_path / "net.safetensors")
    assert np.array_equal(again(x), net(x)) and "bias='untied'" in str(again)


def test_an_open_bias_trains_and_takes_any_sizes_once() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, bias="untied"), nn.Flatten(), nn.Linear(18, 3)).init(0)
    x = RNG.normal(size=(6, 1, 5, 5)).astype(np.float32)
    history = cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.1, momentum=0.9), (x, np.arange(6) % 3), epochs=20)
    assert history[-1].train_loss < 0.2 and net[0].bias.shape == (2, 3, 3) and np.abs(net[0].bias).min() > 0
    with pytest.raises(cr.ShapeError, match=r"an output of \[2, 4, 4\].*accepted: inputs of the size"):
        net(x[:, :, :1].repeat(6, 2).repeat(2, 3)[..., :6])
    for layer, y in ((nn.Conv1d(2, 3, 2, bias="untied"), (3, 4)), (nn.ConvTranspose1d(2, 3, 2, bias="untied"), (3, 6))):
        assert layer(np.ones((2, 5), np.float32)).shape == layer.bias.shape == y, "of one sample without an axis of samples"


@pytest.mark.parametrize("flip", [True, False])
def test_the_kernels_origin_is_a_setting(flip: bool) -> None:
    """Document 001's kernel, whose index runs from -r on: x_ij = sum over a, b of w_ab y'(is-a, js-b), or (is+a, js+b)."""
    layer = nn.Convolve2d(1, 1, (3, 4), stride=2, dilation=(1, 2), origin=(1, 2), bias=False, flip=flip)
    x, w, sign = RNG.normal(size=(1, 7, 6)).astype(np.float32), layer.weight[0, 0], -1 if flip else 1
    y = np.zeros((4, 3))
    for i, j, u, v in np.ndindex(4, 3, 3, 4):
        r, q = 2 * i + sign * (u - 1), 2 * j + sign * 2 * (v - 2)
        if 0 <= r < 7 and 0 <= q < 6:
            y[i, j] += w[u, v] * x[0, r, q]
    np.testing.assert_allclose(layer(x)[0], y, rtol=1e-5, atol=1e-6, err_msg="of one sample without an axis of samples")
    np.testing.assert_allclose(layer(x[None])[0, 0], y, rtol=1e-5, atol=1e-6)


def test_what_the_layers_cannot_do_is_answered() -> None:
    for call, problem in (
        (lambda: nn.CellBias(()), r"shape=\(\)"),
        (lambda: nn.CellBias((2, 0)), "shape=0"),
        (lambda: nn.Sequential(nn.CellBias((2, 3))).init(0)(np.ones((4, 3, 2))), r"CellBias of \[4, 3, 2\]"),
        (lambda: nn.Convolve2d(1, 2, 3, padding=-1), "padding=-1"),
        (lambda: nn.Convolve2d(2, 3, 3, groups=2), "out_channels=3: 2 groups"),
        (lambda: nn.Sequential(nn.Convolve2d(2, 2, 3)).init(0)(np.ones((4, 3, 5, 5))), r"Convolve2d of \[4, 3, 5, 5\]"),
        (lambda: nn.Convolve2d(1, 2, 3, origin=3), "origin=3: not in the kernel"),
        (lambda: nn.Convolve2d(1, 2, 3, padding=1, origin=1), "padding=1 with origin=1"),
        (lambda: nn.Conv2d(1, 2, 3, bias="tied"), "bias='tied'"),
        (lambda: nn.Conv2d(1, 2, 3, bias="untied").load_state_dict({"weight": np.ones((2, 1, 3, 3)), "bias": np.ones((3, 2, 2))}), "bias with shape"),
        (lambda: documents.document004(3), "document004"),
        (lambda: documents.document001(flip="yes"), "flip='yes'"),  # type: ignore[arg-type]  # what is refused
    ):
        with pytest.raises(cr.ChainruleError, match=problem) as e:
            call()
        assert "accepted: " in str(e.value)


@pytest.mark.parametrize("name", documents.NETWORKS)
def test_each_network_is_a_known_model_and_has_its_loss(name: str) -> None:
    """What `chainrule train DATASET --model NAME` makes, from images and class numbers; `predict` shows probabilities."""
    net = nn.models.known(name, (1, 28, 28), 3).init(0)
    data = RNG.random((6, 1, 28, 28)).astype(np.float32), np.arange(6) % 3
    history = cr.fit(net, documents.LOSSES.get(name, nn.CrossEntropyLoss()), cr.optim.SGD(0.01), data, data, epochs=1)
    assert history[-1].test_accuracy is not None
    shown = probabilities_shown(net, Path(name), Path("image.png"), data[0])
    np.testing.assert_allclose(shown.sum(1), 1, rtol=1e-5)
    assert np.array_equal(shown, net(data[0])) == (name in ("document000", "document003")), "a softmax in the network is not taken twice"


# Losses and softmax ------------------------------------------------------------------------------------------------------


def probabilities(*shape: int) -> np.ndarray:
    a = RNG.random(shape) + 0.05
    return a / a.sum(-1, keepdims=True)


def test_the_cross_entropy_is_the_entropy_and_the_divergence() -> None:
    """H(p,q) = H(p) + KL(p,q): document 002, by the library's own operations, for values and for gradients of both."""
    p, q = probabilities(4, 5), probabilities(4, 5)
    divergence = cr.ops.kl_divergence(np.log(q), p).sum(1)
    np.testing.assert_allclose(cr.ops.cross_entropy_of_probabilities(q, p), cr.ops.entropy(p) + divergence, rtol=1e-12)
    _, cross = cr.vjp(cr.ops.cross_entropy_of_probabilities, q, p)
    _, entropy = cr.vjp(cr.ops.entropy, p)
    _, kl = cr.vjp(cr.ops.kl_divergence, np.log(q), p)
    dy = RNG.normal(size=4)
    (dq, dp), (dp_entropy,), (dlog, dp_kl) = cross(dy), entropy(dy), kl(np.repeat(dy[:, None], 5, 1))
    np.testing.assert_allclose(dq, dlog / q, rtol=1e-12)
    np.testing.assert_allclose(dp, dp_entropy + dp_kl, rtol=1e-10, atol=1e-12)


DISTANCES = {
    "half squares": (cr.ops.half_squares, lambda y, t: y - t),
    "cross-entropy": (cr.ops.cross_entropy_of_probabilities, lambda y, t: -t / y),
    "absolute": (cr.ops.absolute_error, lambda y, t: np.sign(y - t)),
    "binary cross-entropy": (cr.ops.binary_cross_entropy, lambda y, t: (y - t) / (y * (1 - y))),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_softmaxs_whole_jacobian_stands_under_any_loss(name: str) -> None:
    """∂E/∂x_i = sum over k of ∂E/∂y_k ∂y_k/∂x_i, with y_i (1 - y_i) for i = k and -y_i y_k else: document 001."""
    loss, slope = DISTANCES[name]
    z, t = RNG.normal(size=(3, 5)), probabilities(3, 5)

    class Both(nn.Module):
        def forward(self, z: object) -> object:
            return nn.functional.softmax(z, 1)

    _, grads = cr.value_and_grad(Both(), lambda y, t: loss(y, t).sum())(z, t)
    y = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    same = np.eye(5, dtype=bool)
    jacobian = np.where(same, (y * (1 - y))[:, :, None], -y[:, :, None] * y[:, None])  # [n, k, i]
    np.testing.assert_allclose(grads["input"], np.einsum("nk,nki->ni", slope(y, t), jacobian), rtol=1e-9, atol=1e-12)
    _, pullback = cr.vjp(cr.ops.softmax, z)
    for k in range(5):
        np.testing.assert_allclose(pullback(np.tile(same[k], (3, 1)).astype(float))[0], jacobian[:, k], rtol=1e-12, atol=1e-15)


def test_the_documents_losses_have_every_reduction_and_either_kind_of_target() -> None:
    y, classes = probabilities(4, 3), np.array([2, 0, 1, 2])
    t = np.eye(3)[classes]
    each = -np.log(y[np.arange(4), classes])
    squares = ((y - t) ** 2).sum(1) / 2
    for reduction, put in (("none", lambda a: a), ("mean", np.mean), ("sum", np.sum)):
        by_numbers = nn.ProbabilityCrossEntropyLoss(reduction=reduction)(y, classes)
        np.testing.assert_allclose(by_numbers, put(each), rtol=1e-12)
        np.testing.assert_allclose(nn.ProbabilityCrossEntropyLoss(reduction=reduction)(y, t), put(each), rtol=1e-12)
        np.testing.assert_allclose(nn.CrossEntropyLoss(reduction=reduction)(np.log(y), classes), put(each), rtol=1e-12)
        np.testing.assert_allclose(nn.HalfSquareLoss(reduction=reduction)(y, t), put(squares), rtol=1e-12)
        np.testing.assert_allclose(nn.HalfSquareLoss(reduction=reduction)(y, classes), put(squares), rtol=1e-12)
    for loss in (nn.HalfSquareLoss(), nn.ProbabilityCrossEntropyLoss()):
        measured, right = cr.evaluate(nn.Sequential(nn.Identity()), loss, (y, classes))
        assert measured == pytest.approx(loss(y, t), rel=1e-12) and right == (y.argmax(1) == classes).mean(), "class numbers have an accuracy"
