"""A model carries what it was trained on: its transform, its inputs' shape, its classes' names; and so does its file."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.train import data
from chainrule.train.evaluate import accuracy

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def network() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10)).init(0)


@pytest.fixture(scope="module")
def images() -> data.Dataset:
    return data.sample()


@pytest.mark.parametrize("transform", [cr.ops.scale, nn.normalize(0.3, 0.35)], ids=["scale", "normalize"])
def test_a_network_trained_on_bytes_takes_bytes(images: data.Dataset, tmp_path: Path, transform: cr.Op) -> None:
    net, (x, t) = network(), images.test
    opt = cr.optim.SGD(0.05, 0.9)
    history = cr.fit(net, nn.CrossEntropyLoss(), opt, images.train, images.test, epochs=2, transform=transform, classes=NAMES)
    cr.save(net, tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    ready = np.asarray(transform(x.astype(np.float32)))
    for n in (net, again):
        assert n.classes == NAMES
        assert n.input is not None and (n.input.kind, n.input.shape, str(n.input.transform)) == ("whole", (1, 28, 28), str(transform))
        assert (n(x).argmax(axis=1) == t).mean() == accuracy(n, x, t) == history[-1].test_accuracy
        assert np.array_equal(n(x), n(x, transform=transform)) and np.array_equal(n(x), n(x.astype(np.int32)))
        np.testing.assert_allclose(n(ready), n(x), rtol=1e-4, atol=1e-4)  # what is prepared is taken as it is
        loss, grads = cr.value_and_grad(n, nn.CrossEntropyLoss())(x[:50], t[:50])
        assert loss == pytest.approx(cr.value_and_grad(n, nn.CrossEntropyLoss())(ready[:50], t[:50])[0], rel=1e-5)
        assert "input" not in grads
    more = cr.fit(again, nn.CrossEntropyLoss(), opt, images.train, images.test, epochs=1)  # goes on with its own transform
    assert more[0].train_loss < history[0].train_loss and again.input is not None and str(again.input.transform) == str(transform)
    with_floats = np.asarray(transform(images.train[0].astype(np.float32)))
    cr.fit(again, nn.CrossEntropyLoss(), opt, (with_floats, images.train[1]), epochs=1)
    assert again.input.kind == "whole" and again.input.transform is not None
    assert net.init(1).input is None and net.classes == NAMES


def test_a_transform_of_floats_is_applied_to_floats() -> None:
    rng = np.random.default_rng(0)
    x, t = (rng.normal(size=(60, 3)) * 40 + 100).astype(np.float32), np.arange(60) % 2
    prepare = nn.normalize(100, 40, scale=1, axes=2)
    net = nn.Sequential(nn.Linear(3, 2)).init(0)
    history = cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.1), (x, t), (x, t), epochs=3, transform=prepare)
    w, b = net.values["0.weight"], net.values["0.bias"]
    np.testing.assert_allclose(net(x), (x - 100) / 40 @ w.T + b, rtol=1e-4, atol=1e-5)
    assert accuracy(net, x, t) == history[-1].test_accuracy and net.input == nn.Input(prepare, "float", (3,))
    _, grads = cr.value_and_grad(net, nn.CrossEntropyLoss())(x, t)
    p = np.exp(net(x)) / np.exp(net(x)).sum(1, keepdims=True) - np.eye(2)[t]
    np.testing.assert_allclose(grads["input"], p @ w / 60 / 40, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(net(x.astype(np.int32)), net(np.trunc(x)), rtol=1e-5)


def test_steps_record_what_they_train_on() -> None:
    x, t = np.arange(24, dtype=np.uint8).reshape(6, 4), np.arange(6) % 2
    net = nn.Sequential(nn.Linear(4, 2)).init(0)
    step = cr.TrainStep(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.1), x, t, 3, nn.normalize(0.1, 0.2, axes=2))
    assert net.input is None
    step.run(np.arange(6))
    assert net.input is not None and net.input.shape == (4,) and net.input.kind == "whole"
    cr.fit(net, nn.CrossEntropyLoss(), cr.optim.SGD(), (x, t), epochs=0, transform=nn.normalize(0.5, 0.5, axes=2))
    assert "0.5" in str(net.input.transform)


# Known models ----------------------------------------------------------------------------------------------------------

FIT = {
    "lenet5": [(1, 12, 12), (3, 13, 40)],
    "mlp": [(7,), (2, 3), (3, 5, 4)],
    "resnet20": [(1, 1, 1), (4, 9, 6)],
    "vgg_small": [(1, 8, 8), (3, 9, 20)],
    "mobilenet_small": [(1, 1, 1), (3, 7, 10)],
    "vit_small": [(1, 4, 4), (3, 8, 12)],
    **{k: [(1, 28, 28)] for k in nn.documents.NETWORKS},
}


@pytest.mark.parametrize("name", nn.MODELS)
def test_known_models_fit_the_data(name: str, tmp_path: Path) -> None:
    for shape in FIT[name]:
        net = nn.models.known(name, shape, classes=3).init(0)
        x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
        assert net.program(x.shape).outputs and net(x, engine="reference").shape == (2, 3)
    cr.save(net, tmp_path / "m")
    assert np.array_equal(cr.load(tmp_path / "m")(x, engine="reference"), net(x, engine="reference"))


UNFIT = [
    ("lenet5", (1, 11, 28), r"at least 12 x 12; accepted: those, or the model mlp, resnet20, vgg_small, mobilenet_small$"),
    ("lenet5", (784,), r"\[784\]: it takes images, \[channels, rows, columns\], of at least 12 x 12; accepted: those, or the model mlp$"),
    ("resnet20", (4,), r"it takes images, \[channels, rows, columns\]; accepted: those, or the model mlp$"),
    ("vgg_small", (3, 7, 9), "at least 8 x 8"),
    ("mobilenet_small", (3, 7), "it takes images"),
    ("vit_small", (3, 32, 30), "both divided by 4"),
    ("document001", (3, 28, 28), r"it takes grey images of 28 x 28, \[1, 28, 28\]; accepted: .* the model lenet5"),
    ("mlp", (), r"^shape=\(\)"),
    ("mlp", (0, 3), r"^shape=\(0, 3\)"),
    ("mlp", "abc", "^shape='abc'"),
    ("mlp", (3.0,), "^shape="),
    (["mlp"], (3,), r"^\['mlp'\]: no such model"),
]


@pytest.mark.parametrize("name, shape, problem", UNFIT)
def test_known_models_say_what_they_take(name: Any, shape: Any, problem: str) -> None:
    with pytest.raises(cr.ArgumentError, match=problem) as e:
        nn.models.known(name, shape)
    assert "accepted: " in str(e.value)


# normalize -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean, std", [(0.5, 0.25), (MEAN, STD), (0.5, STD), ([-0.5, 1e-5, 3], np.array([1, 2, 3]))])
@pytest.mark.parametrize("samples", [1, 20])
def test_normalize_is_its_formula(mean: object, std: object, samples: int) -> None:
    x = np.random.default_rng(0).integers(0, 256, (samples, 3, 5, 4)).astype(np.uint8)
    m, s = (np.broadcast_to(v, 3)[:, None, None].astype(float) for v in (mean, std))
    op = nn.normalize(mean, std)
    for kind, close in ((np.float64, 1e-14), (np.float32, 1e-5)):
        np.testing.assert_allclose(op(x.astype(kind)), (x / 255 - m) / s, rtol=close, atol=close * 10)
    again = cr.op(str(op))
    assert str(again) == str(op) and np.array_equal(again(x.astype(float)), op(x.astype(float)))


@pytest.mark.parametrize("axes", [2, 3, 5, 8])
def test_normalize_has_any_number_of_axes(axes: int) -> None:
    x = np.random.default_rng(0).normal(size=(5, 3, 2, 2, 1, 2, 2, 2)[:axes])
    at = (3, *[1] * (axes - 2))
    want = (x / 2 - np.reshape(MEAN, at)) / np.reshape(STD, at)
    np.testing.assert_allclose(nn.normalize(MEAN, STD, scale=2, axes=axes)(x), want, rtol=1e-13, atol=1e-13)


def test_normalize_of_many_channels_makes_their_numbers_in_lines_of_their_own() -> None:
    rng = np.random.default_rng(0)
    mean, std, x = rng.normal(size=70), rng.uniform(0.1, 9, 70), rng.normal(size=(5, 70, 2))
    op = nn.normalize(mean, std, scale=2, axes=3)
    assert "y[n,c,i] = (x[n,c,i] / 2.0 - m[c]) / s[c]" in str(op)
    for engine in ("native", "reference"):
        np.testing.assert_allclose(op(x, engine=engine), (x / 2 - mean[:, None]) / std[:, None], rtol=1e-12, atol=1e-12)
    assert str(cr.op(str(op))) == str(op)


MASKED = np.ma.masked_array(np.ones(3), [0, 1, 0])
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: nn.normalize("a", 1), "mean='a'"),
    (lambda: nn.normalize([], 1), r"mean=\[\]"),
    (lambda: nn.normalize([[1.0]], 1), r"mean=\[\[1.0\]\]"),
    (lambda: nn.normalize(float("nan"), 1), "mean=nan"),
    (lambda: nn.normalize(10**400, 1), "mean=10"),
    (lambda: nn.normalize(0.5, 0), "std=0"),
    (lambda: nn.normalize(0.5, [1, 0.0]), "std="),
    (lambda: nn.normalize(0.5, 1, scale=0), "scale=0"),
    (lambda: nn.normalize(0.5, 1, scale=[1, 2]), r"scale=\[1, 2\]"),
    (lambda: nn.normalize([1, 2], [1, 2, 3]), "not for the same channels"),
    (lambda: nn.normalize(0.5, 1, axes=1), "axes=1"),
    (lambda: nn.normalize(np.ones(901), 1), "mean and std for 901 channels: too many for a formula; accepted: up to 900"),
    (lambda: nn.normalize(MEAN, STD)(np.ones((1, 4, 2, 2))), r"x with shape \(1, 4, 2, 2\)"),
    (lambda: nn.Input(cr.ops.linear), "transform=<operation linear"),
    (lambda: nn.Input(None, "bytes"), "kind='bytes'"),
    (lambda: nn.Input(None, "whole", (0, 3)), r"shape=\(0, 3\)"),
    (lambda: nn.Input(None, "whole", 3), "shape=3"),
]


@pytest.mark.parametrize("call, problem", REFUSED)
def test_transforms_and_inputs_are_checked(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem) as e:
        call()
    assert "accepted: " in str(e.value)


# Files -----------------------------------------------------------------------------------------------------------------


def rewritten(path: Path, metadata: str | None, change: Callable[[dict[str, object]], object] | None = None) -> Path:
    """A copy of a safetensors file with other metadata."""
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    if change is not None:
        config = json.loads(header["__metadata__"]["chainrule"])
        config = change(config) or config
        metadata = json.dumps(config)
    header["__metadata__"] = {"chainrule": metadata}
    text = json.dumps(header).encode()
    out = path.with_name("rewritten.safetensors")
    out.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + size :])
    return out


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    own = nn.Formula("own(x[n,D], w[D]; k=2) -> y[n,D]\n y[n,i] = k * w[i] * x[n,i]", w=(5,), k=3)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 5), own).init(3)
    net.input, net.classes = nn.Input(nn.normalize(MEAN, STD), "whole", (3, 6, 6)), NAMES[:5]
    cr.save(net, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def test_a_file_of_before_still_loads(saved: Path) -> None:
    old = rewritten(saved, None, lambda c: c["layers"])
    net, again = cr.load(saved), cr.load(old)
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)
    assert again.input is None and again.classes is None and np.array_equal(net(x), again(x))
    assert net.input is not None and net.classes == NAMES[:5]


def set_at(*path: object) -> Callable[[dict[str, object]], None]:
    """Puts the last of `path` where the others lead."""

    def change(config: dict[str, object]) -> None:
        here = config
        for key in path[:-2]:
            here = here[key]  # type: ignore[index, assignment]  # a description is nested lists and dictionaries
        if path[-1] is ...:
            del here[path[-2]]  # type: ignore[arg-type]  # as above
        else:
            here[path[-2]] = path[-1]  # type: ignore[index]  # as above

    return change


DAMAGE: list[tuple[object, ...]] = [
    ("layers", ...),
    ("layers", {}),
    ("layers", []),
    ("layers", "Linear"),
    ("layers", None),
    ("layers", 0, 3),
    ("layers", 0, []),
    ("layers", 0, "type", ...),
    ("layers", 0, "type", "Rocket"),
    ("layers", 0, "type", ["Linear"]),
    ("layers", 0, "in_channels", ...),
    ("layers", 0, "in_channels", 4),
    ("layers", 0, "in_channels", 10**30),
    ("layers", 0, "in_channels", 3.0),
    ("layers", 0, "bias", "untied"),
    ("layers", 0, "kernel_size", {}),
    ("layers", 0, "kernel_size", [10**400, 1]),
    ("layers", 0, "surprise", 1),
    ("layers", 3, "out_features", 10**9),
    ("layers", 3, "bias", False),
    ("layers", 4, "text", ...),
    ("layers", 4, "text", 5),
    ("layers", 4, "text", "own(x[n,D"),
    ("layers", 4, "text", "own(x[n,D]) -> y[n,D]\n y[n,i] = " + "(" * 5000 + "x[n,i]" + ")" * 5000),
    ("layers", 4, "text", "own(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i]" + "+1" * 20000),
    ("layers", 4, "shapes", "w", [10**12]),
    ("layers", 4, "shapes", "w", [-1]),
    ("layers", 4, "shapes", "w", "five"),
    ("layers", 4, "shapes", {}),
    ("layers", 4, "shapes", []),
    ("layers", 4, "settings", None),
    ("layers", 4, "settings", "k", "many"),
    ("layers", 4, "settings", "z", 1),
    ("layers", 4, "settings", "operation", 1),
    ("input", 3),
    ("input", []),
    ("input", "kind", ...),
    ("input", "kind", []),
    ("input", "kind", "bytes"),
    ("input", "transform", 3),
    ("input", "transform", "scale"),
    ("input", "transform", "f(x[n,D], w[D]) -> y[n,D]\n y[n,i] = w[i]*x[n,i]"),
    ("input", "shape", "3"),
    ("input", "shape", [3, 6.5]),
    ("input", "shape", [[3]]),
    ("input", "shape", [3, 10**400, 1]),
    ("input", "shape", [0, 6, 6]),
    ("classes", "abcde"),
    ("classes", 5),
    ("classes", [1, 2]),
    ("classes", []),
]


@pytest.mark.parametrize("path", DAMAGE, ids=lambda p: repr(p)[:60])
def test_a_damaged_description_is_named(saved: Path, path: tuple[object, ...]) -> None:
    broken = rewritten(saved, None, set_at(*path))
    with pytest.raises(cr.DataError, match=r"rewritten\.safetensors: ") as e:
        cr.load(broken)
    assert "accepted: " in str(e.value)


@pytest.mark.parametrize("text", ["", "{", "null", "3", '"net"', "NaN", "[" * 100_000, "1" * 5000, '{"layers": 1}', "[[]]", "[1]"])
def test_a_description_that_is_none_is_named(saved: Path, text: str) -> None:
    with pytest.raises(cr.DataError, match=r"rewritten\.safetensors: "):
        cr.load(rewritten(saved, text))


def test_tensors_that_are_no_parameters_are_named(saved: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    text = json.dumps([{"type": "Linear", "in_features": 2, "out_features": 1, "bias": True}])
    good = {"0.weight": np.ones((1, 2), np.float32), "0.bias": np.ones(1, np.float32)}
    for wrong in (
        {"0.bias": np.ones(2, np.float32)},
        {"0.bias": np.ones(1, np.float16), "0.weight": np.ones((1, 2), np.float16)},
        {"0.bias": np.ones(1)},
        {"0.bias": np.ones(1, int), "0.weight": np.ones((1, 2), int)},
        {"more": np.ones(1, np.float32)},
    ):
        save_file(good | wrong, tmp_path / "wrong.safetensors", {"chainrule": text})
        with pytest.raises(cr.DataError, match=r"wrong\.safetensors: "):
            cr.load(tmp_path / "wrong.safetensors")
    save_file(good, tmp_path / "right.safetensors", {"chainrule": text})
    assert cr.load(tmp_path / "right.safetensors")(np.ones((1, 2), np.float32)) == 3


# What else may be wrong with files and arguments ------------------------------------------------------------------------


def test_pictures_of_16_bits_keep_their_shades(tmp_path: Path) -> None:
    from PIL import Image

    shades = np.linspace(0, 65535, 16).reshape(4, 4).astype(np.uint16)
    Image.fromarray(shades).save(tmp_path / "s.png")
    assert data.read_images(tmp_path / "s.png")[0, 0].reshape(-1).tolist() == list(range(0, 256, 17))
    for kind in (np.int32, np.float32):
        Image.fromarray((shades / 65535).astype(kind)).save(tmp_path / "s.tiff")
        with pytest.raises(cr.DataError, match=r"s\.tiff: its pixels are .*accepted: 1, 8 or 16 bits"):
            data.read_images(tmp_path / "s.tiff")


@pytest.mark.parametrize(
    "raw",
    [struct.pack(">IIII", 0x803, 2**31, 2**31, 28), struct.pack(">IIIII", 0x804, *[2**16] * 4), struct.pack(">I", 0x8FF) + bytes(1020)],
)
def test_an_idx_header_that_promises_too_much_is_refused(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad-ubyte").write_bytes(raw)
    with pytest.raises(cr.DataError, match=r"bad-ubyte: .*accepted: "):
        data.read_images(tmp_path / "bad-ubyte")


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3), np.float32(3), 3.0])
def test_a_setting_of_any_kind_of_number_is_saved(number: object, tmp_path: Path) -> None:
    own = cr.op("g(x[n,D], w[D]; s=2) -> y[n,D]\n y[n,i] = s*x[n,i]*w[i]")
    net = nn.Sequential(nn.Formula(own, w=(np.int64(3),), s=number)).init(0)
    cr.save(net, tmp_path / "m")
    x = np.ones((1, 3), np.float32)
    assert net.values["0.w"].shape == (3,) and np.array_equal(cr.load(tmp_path / "m")(x), net(x))


@pytest.mark.parametrize("name", ["", ".", "a\0b", "a" * 300, None, "missing/m"])
def test_a_path_that_cannot_be_written_is_an_answer(name: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(cr.DataError, match=r"cannot be written .*accepted: "):
        cr.save(network(), name)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


MASKED = np.ma.masked_array(np.ones(3), [0, 1, 0])
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: setattr(network(), "classes", ["a\ud800"] * 10), "^classes: "),
    (lambda: setattr(network(), "classes", np.array(2)), "^classes="),
    (lambda: network().init("1"), "^seed="),  # type: ignore[arg-type]
    (lambda: network().init(1.5), "^seed="),  # type: ignore[arg-type]
    (lambda: network().loops(None), "^shape=None"),  # type: ignore[arg-type]
    (lambda: cr.load(5), "^5: no such file"),  # type: ignore[arg-type]
    (lambda: cr.derive(cr.ops.relu, [1]), r"^\[1\]: "),  # type: ignore[arg-type]
    (lambda: cr.ops.relu.gradient(5), "^5: "),  # type: ignore[arg-type]
    (lambda: cr.ops.relu.gradient("x"), "^'x': "),
    (lambda: cr.optim.SGD(lr=10**400), "^lr=1000"),
    (lambda: nn.Linear(10**400, 1), "^in_features=1000"),
    *[(lambda t=t: cr.ops.relu(np.ones((2, 3)), threads=t), "^threads=") for t in (2.5, "2", np.float64(2), np.nan, -3, 0, True)],
    (lambda: cr.ops.relu([MASKED, MASKED]), "^x: .*masked"),
    (lambda: cr.op("f(x[n,A,B]) -> y[n,A,B]\n y[n,a,b] = x[n,a,b]")([[MASKED, MASKED]]), "^x: .*masked"),
    (lambda: cr.ops.relu([[1.0, np.ma.masked]]), "^x: .*masked"),
]


@pytest.mark.parametrize("call, problem", REFUSED, ids=[f"{k} {p}" for k, (_, p) in enumerate(REFUSED)])
def test_what_cannot_be_is_answered(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ChainruleError, match=problem) as e:
        call()
    assert "accepted: " in str(e.value)


def test_numbers_of_numpy_are_numbers() -> None:
    assert cr.optim.SGD(lr=np.float32(0.5)).lr == 0.5 and cr.optim.SGD(lr=np.int64(1)).lr == 1.0


def test_pictures_that_are_not_square_keep_rows_and_columns(tmp_path: Path) -> None:
    from PIL import Image

    from chainrule.train.run import images_for

    picture = np.zeros((36, 24), np.uint8)
    picture[:18] = 255  # the upper half
    Image.fromarray(picture).save(tmp_path / "tall.png")
    read = data.read_images(tmp_path / "tall.png")
    assert read.shape == (1, 1, 36, 24) and np.array_equal(read[0, 0], picture), "grey stays grey"
    assert data.read_images(tmp_path / "tall.png", (12, 18)).shape == (1, 1, 12, 18)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12 * 18, 3)).init(0)
    net.input = nn.Input(cr.ops.scale, "whole", (1, 12, 18))
    pixels = images_for(net, tmp_path / "m", tmp_path / "tall.png")
    assert pixels.shape == (1, 1, 12, 18) and pixels[0, 0, 2].min() > 250 and pixels[0, 0, 9].max() < 5
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(tmp_path / "colour.png")
    assert data.read_images(tmp_path / "colour.png").shape == (1, 3, 5, 7)
