"""What a plan promises: groups that run side by side do not wait for each other, and memory has the names it should have."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule import Op, nn
from chainrule.engines import processors as processors_of
from chainrule.engines.native import program, translate
from chainrule.engines.native.group import Group
from chainrule.engines.native.schedule import Plan
from chainrule.engines.native.target import current
from chainrule.engines.session import chunks_for
from tests.cases import CORE, Case, own


def planned(spec: program.Spec, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, str]:
    """The plan of a program, and its LLVM text."""
    seen: list[Plan] = []
    unit = translate.unit
    monkeypatch.setattr(translate, "unit", lambda plan, *a, **k: seen.append(plan) or unit(plan, *a, **k))
    texts, _ = translate.translate(spec, current())
    monkeypatch.setattr(translate, "unit", unit)
    return seen[0], "\n".join(texts)


def written(g: Group) -> set[str]:
    return set(g.stored) | set(g.partial) | {s.out for s in g.statements if s.scatter}


def independent(plan: Plan, update: dict[str, str]) -> None:
    """Nothing that one group of a phase writes is read by another group that may run at the same time."""
    for phase in plan.phases:
        for g in (*phase.lanes, *phase.plain):
            writes = written(g) | {update[t] for t in written(g) if t in update}
            others = phase.plain if g in phase.lanes else (*phase.lanes, *phase.plain)
            for h in others:
                if h is not g:
                    assert not writes & (set(h.tensors) - written(h)), (g.name, h.name, writes & set(h.tensors))


DEEP = [
    own("paired(x[n,H], w[K], v[K]; s=2) -> y[n,(H-K)//s+1]\n y[n,i] = sum[u](w[u]*v[u+1]*x[n,s*i+u])", x=("N", 9), w=(3,), v=(3,)),
    own("brackets_of_six(x[C,A,D], z[B]; s=2) -> y[A]\n y[j] = sum[v:B,u:2](x[(-3*j+6)//2, s*v+u, 2*u+j+1]*z[v])", x=(4, 3, 4), z=(2,)),
    own("two_sums(a[M,K], b[K,P]) -> y[M,P]\n h[i,j] = sum[k](a[i,k]*b[k,j])\n y[i,j] = h[i,j]*sum[k](a[i,k]*b[k,j]*2)", a=(6, 64), b=(64, 20)),
    own("chain(a[M,K], b[K,M]) -> y[M,M], z[M,M]\n h[i,j] = sum[k](a[i,k]*b[k,j])\n y[i,j] = h[i,j] + h[j,i]\n z[i,j] = y[i,j]*h[i,j] + sum[k](h[i,k]*y[k,j])", a=(9, 40), b=(40, 9)),
]  # fmt: skip


@pytest.mark.parametrize("case", [*DEEP, *CORE], ids=lambda c: c.id)
def test_groups_of_one_phase_do_not_depend_on_each_other(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = case.arrays(3)
    gradient = case.op.gradient(case.wrt)
    values = case.op.evaluate(arrays, case.numbers, "reference")
    seeds = {gradient.seed[k]: np.ones(np.shape(v)) for k, v in values.items()}
    for op, given in ((case.op, arrays), (Op.of(gradient.definition), arrays | seeds)):
        plan, _ = planned(op.ready(given, case.numbers).spec, monkeypatch)
        independent(plan, {})


@pytest.mark.parametrize("case", DEEP, ids=lambda c: c.id)
def test_sums_that_wait_for_sums_are_the_references(case: Case) -> None:
    from tests.test_native import both_ways

    both_ways(case, 1, np.float64, 1e-12)


def training(momentum: float) -> program.Spec:
    norm = cr.op(
        "norm(x[n,D], g[D]) -> y[n,D]\n m[i] = mean[n](x[n,i])\n v[i] = mean[n]((x[n,i]-m[i])**2)\n y[n,i] = g[i]*(x[n,i]-m[i])/sqrt(v[i]+1e-3)"
    )
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 20), nn.Formula(norm, g=(20,)), nn.Linear(20, 4))
    x, t = np.ones((40, 1, 6, 6), np.float32), np.zeros(40, int)
    return cr.TrainStep(net, nn.CrossEntropyLoss(), cr.optim.SGD(0.1, momentum), x, t, 40).runner(40).held.spec


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_an_update_in_place_is_told_to_the_compiler_and_waits(momentum: float, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = training(momentum)
    plan, text = planned(spec, monkeypatch)
    update = dict(spec.update)
    assert update
    independent(plan, update)
    found = 0
    for phase in plan.phases:
        for g in (*phase.lanes, *phase.plain):
            head = re.search(rf"define (?:internal )?void @{g.name}\(.*", text)
            if head and any(update.get(t) in g.tensors for t in written(g)):
                assert "noalias" not in head[0], "two names for one memory"
                found += 1
    assert found, "the optimiser's groups are in the text"


def test_groups_that_differ_in_one_instruction_are_two_functions() -> None:
    """Equal groups share a function; these are only as long as each other."""
    x, w = np.random.default_rng(0).normal(size=(2, 5, 40))
    y, z = cr.op("f(x[A,B], w[A,B]) -> y[A], z[A]\n y[i] = sum[j](x[i,j]+w[i,j])\n z[i] = sum[j](x[i,j]-w[i,j])")(x, w)
    np.testing.assert_allclose(y, (x + w).sum(1), atol=1e-13)
    np.testing.assert_allclose(z, (x - w).sum(1), atol=1e-13)


def test_a_scatter_is_one_task() -> None:
    """It clears its tensor first: a second task would wipe out what the first has added."""
    rng = np.random.default_rng(0)
    f = cr.op("f(x[A,H], w[A,K]) -> y[A,M]\n y[a,i:M] = sum[u](w[a,u] * x[a,i*u])".replace("M", "40"))
    x, w = rng.normal(size=(96, 300)), rng.normal(size=(96, 20))
    y, pull = cr.vjp(f, x, w)
    want, back = cr.vjp(f, x, w, engine="reference")
    np.testing.assert_allclose(y, want, rtol=1e-11, atol=1e-11)
    for got, right in zip(pull(y), back(want), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-10, atol=1e-10)


def test_how_a_batch_is_cut_is_a_matter_of_its_size_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = np.dtype(np.float32)
    lanes = current().lanes(4)
    for processors in (1, 3, 64):
        monkeypatch.setattr(processors_of, "processors", lambda processors=processors: processors)
        found = [chunks_for(n, kind) for n in (1, lanes, lanes + 1, 8 * lanes, 8 * lanes + 1, 100 * lanes)]
        assert found == [1, 1, 4, 4, 16, 16]


def test_bits_do_not_depend_on_what_was_computed_before() -> None:
    text = "f(x[n,D], w[D]) -> y[D]\n y[i] = sum[n](x[n,i]*w[i]*x[n,0])"
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3000, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    counts = [3, 40, 3000, 100, 17]
    alone = {n: cr.op(text)(x[:n], w) for n in counts}
    for order in (counts, counts[::-1]):
        f = cr.op(text)
        for n in order:
            assert np.array_equal(f(x[:n], w), alone[n]), (order, n)


def test_each_width_has_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code for another machine is other code, in memory and on disk."""
    names = ["sse2", "avx2", "avx512"]
    if current().name not in names:
        assert current().name == "neon"
        return
    here = names[: names.index(current().name) + 1]
    lanes = {}
    f = cr.op("width(x[n,D]) -> y[n,D]\n y[n,i] = 3*x[n,i]")
    for name in here:
        monkeypatch.setenv("CHAINRULE_TARGET", name)
        lanes[name] = f.code((5, 2)).layout.lanes
    assert lanes == {k: v for k, v in {"sse2": 4, "avx2": 8, "avx512": 16}.items() if k in here}


STEPS = "recurrent(x[n,T,C], u[H,H], w[H,C], h0[n,H]) -> h3[n,H]\n" + "".join(
    f" h{k + 1}[n,i] = tanh(sum[j](u[i,j]*h{k}[n,j]) + sum[c](w[i,c]*x[n,{k},c]))\n" for k in range(3)
)
ALIKE = [
    own(STEPS, x=("N", 3, 5), u=(7, 7), w=(7, 5), h0=("N", 7)),
    own(
        "strided(x[n,A,B], w[K,L]) -> y[n,(A-5*K+4)//7+1,(B-5*L+4)//7+1]\n y[n,i,j] = sum[u,v](w[u,v]*x[n,7*i+5*u,7*j+5*v])",
        x=("N", 33, 26),
        w=(3, 2),
    ),
    own(
        "shifts(x[n,D]) -> y[n,D]\n a[n,i:D] = sum(x[n,i+1])\n b[n,i:D] = sum(x[n,i+2])\n c[n,i:D] = sum(x[n,i-1])\n y[n,i] = a[n,i]*b[n,i]*c[n,i]",
        x=("N", 9),
    ),
    *(c for c in CORE if c.id in ("conv2d-stride3", "conv2d-stride2-dilation3", "attention", "bilinear")),
]


@pytest.mark.parametrize("samples", [1, 17])
@pytest.mark.parametrize("case", ALIKE, ids=lambda c: c.id)
def test_groups_of_one_form_have_the_same_code(case: Case, samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.engines.native.kernel import kernel
    from chainrule.engines.native.llvm import printed
    from chainrule.engines.number import FLOAT

    arrays = case.arrays(samples)
    gradient = case.op.gradient(case.wrt)
    values = case.op.evaluate(arrays, case.numbers, "reference")
    seeds = {gradient.seed[k]: np.ones(np.shape(v)) for k, v in values.items()}
    shared = 0
    for op, given in ((case.op, arrays), (Op.of(gradient.definition), arrays | seeds)):
        spec = op.ready({k: a.astype(np.float32) for k, a in given.items()}, case.numbers).spec
        plan, _ = planned(spec, monkeypatch)
        lanes = current().lanes(4)
        texts: dict[object, str] = {}
        for g in (g for phase in plan.phases for g in (*phase.lanes, *phase.plain)):
            text = printed(kernel(g, plan.storage, FLOAT, lanes, spec.chunks)).text.replace(f"@{g.name}(", "@(", 1)
            form = g.form(plan.storage)
            shared += form in texts
            assert texts.setdefault(form, text) == text
    assert shared or case not in ALIKE[:2], "there are such groups"


@pytest.mark.parametrize("columns", [3, 8, 16])
def test_an_output_may_be_read_by_a_sum_over_samples(columns: int) -> None:
    """Rows of it for the sum, lanes for what follows sample by sample, and as NumPy has it for the caller."""
    f = cr.op("f(x[n,O], z[n,P]) -> y[n,O], v[P,O]\n y[n,o] = exp(x[n,o])\n v[p,o] = sum[n](z[n,p] * y[n,o])")
    x, z = np.random.default_rng(0).normal(size=(16, columns)), np.random.default_rng(1).normal(size=(16, 7))
    y, v = f(x, z)
    assert np.allclose(y, np.exp(x), rtol=1e-14) and np.allclose(v, z.T @ y, rtol=1e-13)
