"""The conventions of the project, held by tests; and those tests, held by faults planted in a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainrule import ops
from chainrule.operation.op import Op
from tests.cases import CASES
from tests.house import CHECKS, LAYERS, NAMES

SOURCE = Path(__file__).parents[1] / "src" / "chainrule"


@pytest.mark.parametrize("name", CHECKS)
def test_the_source_keeps_the_rules(name: str) -> None:
    faults = CHECKS[name](SOURCE)
    assert not faults, f"{CHECKS[name].__doc__}\n" + "\n".join(faults)


LONG = "def long() -> None:\n" + "    x = 1\n" * 60
EMIT, REFERENCE, REVERSE = "engines/native/kernel.py", "engines/reference.py", "calculus/reverse.py"

PLANTS = [
    ("operations_below", EMIT, "def f(op):\n    return op.name == 'conv2d'"),
    ("operations_below", EMIT, "def f(op):\n    return op.name in ('softmax', 'other')"),
    ("operations_below", EMIT, "def f(op):\n    match op.name:\n        case 'max_pool2d':\n            return 1"),
    ("operations_below", EMIT, "FAST = {'conv2d_plain': 1}"),
    ("operations_below", EMIT, "def f(name):\n    return name.startswith('conv') and name.endswith('2d') and name == 'conv' + '2d'"),
    ("operations_below", EMIT, "def f(rank, name):\n    return name == f'conv{rank}d'"),
    ("operations_below", EMIT, "def f(rank, name):\n    return name == 'avg_pool%dd' % rank"),
    ("operations_below", EMIT, "def f(rank, name):\n    return name == 'max_pool{}d'.format(rank)"),
    ("operations_below", EMIT, "def f(name):\n    return name == '_'.join(['cross', 'entropy'])"),
    ("operations_below", EMIT, "import re\ndef f(name):\n    return re.match('relu', name)"),
    ("operations_below", EMIT, "def f(x):\n    return getattr(x, 'sigmoid')"),
    ("operations_below", EMIT, "def f(s):\n    return 'for softmax' in s.origin"),
    ("operations_below", EMIT, "def conv2d(x):\n    return x"),
    ("operations_below", EMIT, "def fast_conv2d(x):\n    return x"),
    ("operations_below", EMIT, "def f(x):\n    is_softmax = x\n    return is_softmax"),
    ("operations_below", EMIT, "def f(x):\n    return x.relu"),
    ("operations_below", "engines/native/vmath.py", "def f(x):\n    return x == 'softmax'"),
    ("operations_below", "engines/native/vmath.py", "def f(x):\n    return x == 'hyperbolic_tangent'"),
    ("operations_below", "language/functions.py", "def f(x):\n    return x == 'relu'"),
    ("operations_below", REVERSE, "def f(x):\n    return x == 'tanh'"),
    ("operations_below", REVERSE, "def f(x):\n    return x == 'linear'"),
    ("operations_below", "language/show.py", "def f(layer):\n    return type(layer).__name__ == 'MaxPool2d'"),
    ("operations_asked_for", "train/fit.py", "def f(op):\n    return op.name == 'softmax'"),
    ("operations_asked_for", "train/fit.py", "def f(op):\n    return op.op in {'cross_entropy': 1}"),
    ("operations_asked_for", "train/fit.py", "def f(x):\n    return type(x).__name__ == 'Conv2d'"),
    ("operations_asked_for", "train/fit.py", "from .. import ops\ndef f(op):\n    return op is ops.cross_entropy"),
    ("operations_asked_for", "train/fit.py", "from .. import nn\ndef f(x):\n    return isinstance(x, (nn.Conv2d, nn.ReLU))"),
    ("operations_asked_for", "train/fit.py", "from ..nn import Linear\ndef f(x):\n    match x:\n        case Linear():\n            return 1"),
    ("operations_asked_for", "cli.py", "def f(name):\n    return name == 'conv2d'"),
    ("operations_asked_for", "cli.py", "def f(name, k):\n    return name == f'flatten{k}'"),
    ("imports", "language/index.py", "from ..calculus import reverse"),
    ("imports", "language/index.py", "def f():\n    from ..engines import reference\n    return reference"),
    ("imports", REVERSE, "from ..engines.native import kernel"),
    ("imports", EMIT, "from ...calculus.reverse import reverse"),
    ("imports", EMIT, "from ...ops import conv2d"),
    ("imports", REFERENCE, "from .native import vmath"),
    ("imports", REFERENCE, "def f():\n    from .native.vmath import define\n    return define"),
    ("imports", REFERENCE, "from . import native"),
    ("imports", EMIT, "from ..reference import run"),
    ("imports", EMIT, "from .. import reference"),
    ("imports", EMIT, "from ... import engines"),
    ("imports", "ops/loss.py", "from ..nn import layers"),
    ("imports", "nn/graph.py", "from ..train.fit import fit"),
    ("imports", "train/fit.py", "from ..cli import main"),
    ("imports", "train/fit.py", "import chainrule.nn"),
    ("imports", "train/fit.py", "from chainrule.nn import Linear"),
    ("dynamic", EMIT, "import importlib"),
    ("dynamic", EMIT, "from importlib import import_module"),
    ("dynamic", EMIT, "def f(name):\n    return __import__(name)"),
    ("dynamic", EMIT, "def f(text):\n    exec(text)"),
    ("dynamic", EMIT, "def f(text):\n    return eval(text)"),
    ("dynamic", EMIT, "import sys\ndef f(name):\n    return sys.modules[name]"),
    ("dynamic", EMIT, "from sys import modules"),
    ("dynamic", EMIT, "import builtins"),
    ("dynamic", EMIT, "def f(name):\n    return globals()[name]"),
    ("sizes", EMIT, LONG),
    ("sizes", EMIT, "x = 1\n" * 450),
    ("ignored", EMIT, "x: int = 'a'  # type: ignore"),
    ("ignored", EMIT, "x: int = 'a'  # type: ignore[assignment]"),
    ("ignored", EMIT, "x: int = 'a'  # type: ignore[assignment]  # noqa: E501"),
    ("ignored", EMIT, "x: int = 'a'  # type: ignore  # it is only a text"),
    ("ignored", EMIT, "import os  # noqa"),
    *[("operations_below", EMIT, f"def f(name):\n    return {e}") for e in (
        "name.startswith('conv')", "name.startswith('max_pool')", "name.endswith('pool2d')", "'soft' in name", "'_pool' in name", "name.find('entropy')",
        "name[:4] == 'conv'", "name.split('_')[0] == 'cross'", "name.removesuffix('2d') == 'conv'", "__import__ and re.match(r'conv\\d', name)",
        "re.match('(max|avg)_pool', name)", "name.upper() == 'CONV2D'", "name.replace('_', '') == 'maxpool2d'")],
    ("operations_below", EMIT, "CONV2D = 7"),
    ("operations_below", EMIT, "class FastConv2d:\n    pass"),
    ("operations_below", EMIT, "class MaxPool2dKernel:\n    pass"),
    ("operations_below", EMIT, "def visitRelu(x):\n    return x"),
    *[("operations_asked_for", "train/fit.py", text) for text in (
        "def f(x):\n    return isinstance(x, CrossEntropyLoss)", "def f(x):\n    match x:\n        case MSELoss():\n            return 1",
        "from ..nn import Linear as Q", "K = Linear", "K = (Linear, ReLU)", "def f(x):\n    return x.name.startswith('cross')", "def f(x):\n    return 'entropy' in x.name")],
    ("imports", "engines/shared.py", 'from .native.vmath import define'),
    ("imports", "engines/__init__.py", "from .native import run"),
    ("imports", "engines/native/run.py", "from ..session import session"),
    ("imports", "engines/reference.py", "from .session import session"),
    ("imports", REFERENCE, "from . import *"),
    ("imports", EMIT, "from .. import *"),
    *[("dynamic", EMIT, text) for text in (
        "import sys as s\nx = s.modules", "import sys\nx = getattr(sys, 'modules')", "import zipimport", "import pydoc", "x = __loader__", "import types\nx = types.FunctionType",
        "import ctypes\nctypes.pythonapi.PyRun_SimpleString(b'')")],
    ("sizes", EMIT, "f = lambda x: [\n" + "    x,\n" * 60 + "]"),
    ("sizes", EMIT, "x = 1; y = 2"),
    ("ignored", EMIT, "# mypy: ignore-errors"),
    ("ignored", EMIT, "# mypy: disable-error-code=assignment"),
    ("ignored", EMIT, "# ruff: noqa"),
    ("ignored", EMIT, "# flake8: noqa"),
    ("ignored", EMIT, "# pyright: ignore"),
    ("ignored", EMIT, "from typing import no_type_check\n\n\n@no_type_check\ndef f(x):\n    return x"),
    ("swallowed", EMIT, "try:\n    x = 1\nexcept:\n    raise"),
    ("swallowed", EMIT, "try:\n    x = 1\nexcept Exception:\n    pass"),
    ("swallowed", EMIT, "try:\n    x = 1\nexcept (ValueError, BaseException):\n    x = 2"),
    ("swallowed", EMIT, "import contextlib\nwith contextlib.suppress(Exception):\n    x = 1"),
    ("identities", "nn/graph.py", "def f(x):\n    return {id(x): 1}"),
    ("printed", EMIT, "print('here')"),
    *[("kinds", REVERSE, f"def f(e):\n    return {e}") for e in (
        "e.kind == 'sum'", "e.kind in ('max', 'min')", "'map' != e.kind", "Reduce('argmax', (), (), e)", "replace(e, kind='mean')")],
]  # fmt: skip


@pytest.mark.parametrize("name, file, fault", PLANTS)
def test_a_planted_fault_is_found(name: str, file: str, fault: str, tmp_path: Path) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True, exist_ok=True)
    source = (SOURCE / file).read_text() if (SOURCE / file).exists() else '"""New."""\n'
    planted.write_text(source)
    before = {f.partition(": ")[2] for f in CHECKS[name](tmp_path)}
    planted.write_text(source + "\n\n" + fault + "\n")
    lines = len(source.splitlines())
    new = [f for f in CHECKS[name](tmp_path) if int(f.split(":")[1]) > lines or f.partition(": ")[2] not in before]
    assert new, f"{name} does not see\n{fault}"


def test_a_file_that_does_not_say_what_it_is_is_found(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text("x = 1\n")
    assert CHECKS["sizes"](tmp_path) == ["silent.py:1: does not say what it is"]


FAIR = [
    "def f(op):\n    '''As conv2d does it.'''\n    return op",
    "def f(names):\n    return names['weight'], f'{names}.weight', f'{names}_{names}'",
    "try:\n    x = 1\nexcept OSError:\n    x = 2\nexcept Exception as e:\n    raise ValueError(str(e)) from None",
    "x: int = 'a'  # type: ignore[assignment]  # llvmlite has no types for this",
    "import re\nMATCH = re.compile('a.*b')",
]


@pytest.mark.parametrize("text", FAIR)
def test_what_is_allowed_is_no_fault(text: str, tmp_path: Path) -> None:
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "fair.py").write_text(f'"""A file."""\n\n{text}\n')
    assert not [f for check in CHECKS.values() for f in check(tmp_path)]


def test_operations_are_known_by_the_names_they_have() -> None:
    assert {"conv2d", "hyperbolic_tangent", "softmax", "tanh"} <= NAMES and {"Conv2d", "ReLU", "Formula"} <= LAYERS


@pytest.mark.parametrize("name", ops.__all__)
def test_every_operation_has_a_case_and_a_description(name: str) -> None:
    op = getattr(ops, name)
    assert isinstance(op, Op) and len(op.doc) > 20
    assert {c.op for c in CASES} & {op, *op._forms.values()}, f"add a line to tests/cases.py for {name}"


def test_the_sample_says_whose_it_is() -> None:
    assert "MIT License" in (SOURCE / "train" / "sample" / "LICENSE").read_text()
