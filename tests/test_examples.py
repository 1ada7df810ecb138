"""The examples run, print what they did, and print the right numbers."""

from __future__ import annotations

import importlib.util
import re
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples"
LEARNS = {"document_000": 0.6, "document_002": 0.9, "document_003": 0.7, "document_004": 0.6}  # the least share of right answers


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(a: np.ndarray) -> str:
    return str(a.astype(int))


@pytest.mark.parametrize("name", LEARNS)
def test_a_documents_network_learns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert example(name).main() > LEARNS[name]
    out = capsys.readouterr().out
    assert "the SAMPLE in the package" in out and "to train on and" in out and "before training: " in out
    first, last = re.search(r"test images are right.*; [ELS] went from (\d\.\d+) to (\d\.\d+)", out).groups()  # type: ignore[union-attr]  # it is printed
    assert float(last) < float(first) / 2


@pytest.mark.slow
def test_both_conventions_learn_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    straight, turned = example("document_001").main()
    assert straight == pytest.approx(turned, rel=1e-2) and turned < 1.5
    assert "cross-correlation\n" in capsys.readouterr().out


def test_the_maxima_and_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    demo = example("demo_of_maxpooling")
    demo.main()
    out = capsys.readouterr().out
    y, dx = np.zeros((2, 2)), np.zeros_like(demo.X)
    places = []
    for i, j in product(range(2), range(2)):
        window = [(demo.X[r, c], -r, -c) for r in (2 * i, 2 * i + 1) for c in (2 * j, 2 * j + 1)]
        largest, row, column = max(window)
        y[i, j], dx[-row, -column] = largest, demo.DY[i, j]
        places.append((-row, -column))
    assert shown(y) in out and out.endswith(shown(dx) + "\n")
    assert f" {places[0]} {places[1]}\n {places[2]} {places[3]}\n" in out


def test_the_kernels_gradient_in_both_conventions(capsys: pytest.CaptureFixture[str]) -> None:
    demo = example("demo_of_conv_backprop_through_kernel")
    demo.main()
    straight, turned = capsys.readouterr().out.split("\nconvolution: x")
    dw = np.zeros((2, 2))
    for i, j, a, b in product(range(2), repeat=4):
        dw[a, b] += demo.DX[i, j] * demo.Y[2 * i + a, 2 * j + b]
    assert straight.endswith("∂E/∂w\n" + shown(dw) + "\n")
    dw = np.zeros((2, 2))
    for i, j, a, b in product(range(2), repeat=4):  # the document's w_(a-1), so that its first output stands under y'
        dw[a, b] += demo.DX[i, j] * demo.Y[2 * i - (a - 1), 2 * j - (b - 1)]
    assert turned.endswith("∂E/∂w\n" + shown(dw) + "\n")


@pytest.mark.parametrize("stride", [1, 2])
def test_what_goes_back_through_a_convolution(stride: int, capsys: pytest.CaptureFixture[str]) -> None:
    demo = example("demo_of_conv_backprop_through_input")
    demo.main()
    out = capsys.readouterr().out
    for sign, first, name in ((1, 0, "cross-correlation"), (-1, -1, "convolution")):
        dy = np.zeros((4, 4))
        for i, j in np.ndindex(demo.DX[stride].shape):
            for a, b in product(range(2), repeat=2):
                dy[stride * i + sign * (a + first), stride * j + sign * (b + first)] += demo.DX[stride][i, j] * demo.W[a, b]
        assert f"\n{name}: ∂E/∂y'\n{shown(dy)}\n" in out
    assert out.count(": yes") == 2 and ": no" not in out


DEMOS = ("demo_of_maxpooling", "demo_of_conv_backprop_through_kernel", "demo_of_conv_backprop_through_input")


@pytest.mark.parametrize("name", DEMOS)
def test_a_demonstration_says_whose_numbers_it_prints(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    example(name).main()
    out = capsys.readouterr().out
    assert out.startswith(f"Document 001 names the notebook {name}.ipynb and prints none of its numbers: these are ours.") and "ocument 001: " in out


def test_functions_are_minimised_with_derived_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    x, w = example("minimize").main()
    assert np.allclose(x, 1, atol=1e-4) and np.allclose(w, [1.5, -2.0, 0.5], atol=0.5)
    plain, ours = re.search(r"calls of f: (\d+) by differences, (\d+) with", capsys.readouterr().out).groups()  # type: ignore[union-attr]  # it is printed
    assert int(ours) < int(plain) / 3


def test_every_example_is_run() -> None:
    assert {p.stem for p in FOLDER.glob("*.py")} == {*LEARNS, "document_001", "minimize", *DEMOS}
