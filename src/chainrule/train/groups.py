"""Optimisers around another one: clipped gradients, and parameters that are updated in a way of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import ArgumentError
from .optimizer import Clipping, Group, Optimizer, Rate, Update, number
from .schedules import Schedule

ACCEPTED = 'accepted: pairs of names and settings, as [("*.bias", {"weight_decay": 0.0})], an optimiser or None (not trained)'


class Wrapped(Optimizer):
    """An optimiser around another: what it does not say, the other does."""

    def __init__(self, optimizer: Optimizer):
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(f"{optimizer!r:.80}: not an optimiser; accepted: optim.SGD(lr=…) or another of chainrule.optim")
        self.inner = optimizer

    @property
    def update(self) -> Update:
        return self.inner.update

    @property
    def clip(self) -> Clipping:
        return self.inner.clip

    @property
    def groups(self) -> Sequence[Group]:
        return self.inner.groups

    def changed(self, settings: Mapping[str, object]) -> Optimizer:
        return self.inner.changed(settings)


class Clip(Wrapped):
    """An optimiser whose gradients are clipped first, inside the compiled step (ops/update.py: clip_value, norm_factor).

    value: each number lies within ±value (PyTorch's clip_grad_value_). norm: all gradients that are trained are multiplied by
    minimum(1, norm / (their Euclidean norm + 1e-6)) (clip_grad_norm_). Both: value first. Numbers above 0, or schedules.

    >>> from chainrule import optim
    >>> Clip(optim.SGD(0.1), norm=1.0).clip
    Clipping(value=None, norm=1.0)
    """

    def __init__(self, optimizer: Optimizer, *, value: Rate | None = None, norm: Rate | None = None):
        super().__init__(optimizer)
        if self.inner.clip != Clipping() or (value is None and norm is None):
            raise ArgumentError(f"Clip({optimizer!r:.80}, value={value!r:.20}, norm={norm!r:.20}): accepted: one Clip, with a value, a norm or both")
        self._clip = Clipping(_bound("value", value), _bound("norm", norm))

    @property
    def clip(self) -> Clipping:
        return self._clip

    def __repr__(self) -> str:
        return f"Clip({self.inner!r}, value={self._clip.value!r}, norm={self._clip.norm!r})"


def _bound(name: str, given: Rate | None) -> Rate | None:
    if given is None or isinstance(given, Schedule):
        return given
    found = number(name, given)
    if not found:
        raise ArgumentError(f"{name}={given!r}: leaves no gradient; accepted: a number above 0, or a schedule")
    return found


class Grouped(Wrapped):
    """An optimiser that updates some parameters in another way, or not at all.

    groups: pairs of names and what holds for them. Names are patterns (`"*.bias"`, `"0.*"`) of the names in state_dict, classes of
    modules (nn.BatchNorm2d: all parameters of its own) or several of these; a parameter belongs to the first group that names it. What
    holds is settings that replace the optimiser's ({"weight_decay": 0.0}), another optimiser, or None: such parameters are not
    trained, as with requires_grad_(False), while states such as running means still follow.

    >>> from chainrule import optim
    >>> opt = Grouped(optim.AdamW(1e-3), [(("*.bias",), {"weight_decay": 0.0}), ("0.*", None)])
    >>> [g.optimizer.weight_decay if g.optimizer else None for g in opt.groups]
    [0.0, None]
    """

    def __init__(self, optimizer: Optimizer, groups: Sequence[tuple[object, object]]):
        super().__init__(optimizer)
        if isinstance(groups, (str, Mapping)) or not isinstance(groups, Sequence):
            raise ArgumentError(f"groups={groups!r:.80}: not groups; {ACCEPTED}")
        self._groups = (*map(self._group, groups), *self.inner.groups)

    def _group(self, given: object) -> Group:
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise ArgumentError(f"groups: {given!r:.80}: not names with what holds for them; {ACCEPTED}")
        which, holds = given
        names = tuple(which) if isinstance(which, Iterable) and not isinstance(which, (str, type)) else (which,)
        if not names or not all(isinstance(k, (str, type)) for k in names):
            raise ArgumentError(f"groups: {which!r:.80}: not names; {ACCEPTED}")
        if isinstance(holds, Mapping):
            return Group(names, self.inner.changed(dict(holds)))
        if holds is not None and (not isinstance(holds, Optimizer) or isinstance(holds, Wrapped)):
            raise ArgumentError(f"groups: {holds!r:.80}: nothing that may hold for parameters; {ACCEPTED}")
        return Group(names, holds)

    @property
    def groups(self) -> Sequence[Group]:
        return self._groups

    def __repr__(self) -> str:
        return f"Grouped({self.inner!r}, {[(g.names, g.optimizer) for g in self._groups]!r})"
