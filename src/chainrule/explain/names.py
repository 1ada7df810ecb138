"""What the tensors of a network's program are called, and what they are in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..language.functions import Kind
from ..language.tree import Reduce
from ..nn.graph import Graph, gradient_name
from ..nn.module import Module
from ..nn.network import LOSS, Network
from ..nn.trace import Call
from ..nn.values import Parameter
from ..train.bind import BEFORE, SEED, STEP

PIXELS = "pixels"  # what the transform in front of a network is under


@dataclass(frozen=True, eq=False)
class Names:
    """The names of one program. update: new value -> what it replaces."""

    net: Module
    network: Network
    graph: Graph
    update: Mapping[str, str]

    # By other names -----------------------------------------------------------------------------------------------------

    def called(self, name: str) -> str | None:
        """The tensor that is meant by a name that none has: of a layer, of an output, of the gradient of either."""
        stem, _, last = name.rpartition(".")
        if last == "grad":
            base = self.called(stem) or self.plain(stem)
            return base and next((k for k in (f"{gradient_name(base)}.all", gradient_name(base)) if k in self.graph.shapes), None)
        if last in ("new", "update"):
            base = self.plain(stem)
            return self.renewed.get(base or "", base and f"{base}.{last}") if last == "new" else base and f"{base}.{last}"
        if name == "output":
            return self.network.outputs[0]
        return self.layer(stem if last == "output" else name)

    @property
    def renewed(self) -> dict[str, str]:
        """{running state, which no optimiser moves: what it becomes}."""
        names = {s: k for k, s in self.network.states.items()}
        return {names[s]: new for new, s in self.network.updates if s in names}

    def plain(self, name: str) -> str | None:
        return next((k for k in (name, f".{name}") if k in self.graph.shapes), None)

    def layer(self, path: str) -> str | None:
        """What a layer puts out, the last time that it is used."""
        end = self.network.ends.get(path)
        if end in self.graph.shapes:
            return end
        shape = next((shapes[0] for at, _, shapes in reversed(self.network.seen) if at == path and shapes), None)
        if shape is None:
            return None
        renewed = {new for new, _ in self.network.updates}
        inside = [c for c in self.network.calls if c.path == path or c.path.startswith(f"{path}.")]
        found = [k for c in inside for k in c.outputs if k not in renewed and self.network.shapes[k] == shape and k in self.graph.shapes]
        return found[-1] if found else None

    # In words -----------------------------------------------------------------------------------------------------------

    def about(self, tensor: str) -> str:
        """What a tensor is."""
        if tensor == SEED:
            return "∂E/∂E"
        for end in (".grad.all", ".grad"):
            if tensor.endswith(end):
                return f"the gradient of {self.about(tensor.removesuffix(end)) or tensor.removesuffix(end)}"
        if tensor == LOSS:
            return "the loss"
        return self.given(tensor) or self.step(tensor) or self.made(tensor)

    def given(self, tensor: str) -> str:
        """What goes in."""
        if tensor in self.network.inputs:
            return "the input"
        if tensor in self.network.targets:
            return "the label" if tensor in self.graph.limits else "the target"
        if tensor in self.network.constants or tensor in self.graph.scalars:
            return "a number of the formula"
        s = self.network.states.get(tensor)
        if s is None:
            return ""
        name = {own: k for k, own in self.net.named_states()}.get(s, tensor)
        path, _, own = name.rpartition(".")
        return f"the {own} of {self.where(path)}" + ("" if isinstance(s, Parameter) else ", a running state")

    def step(self, tensor: str) -> str:
        """What belongs to the optimiser."""
        if tensor == STEP:
            return "the number of the step"
        if tensor == BEFORE:
            return "how many steps were made before"
        for end, shown in ((".new", " after the step"), (".update", ": what the step adds")):
            stem = tensor.removesuffix(end)
            if stem != tensor and (stem in self.graph.shapes or stem in self.network.states):
                return f"{self.about(stem)}{shown}"
        owner = next((p for p in self.network.parameters if tensor.startswith(f"{p}.")), "")
        return f"the {tensor.removeprefix(owner + '.')} of the optimiser, for {owner.removeprefix('.')}" if owner else ""

    def made(self, tensor: str) -> str:
        """What a layer computes."""
        for c in self.network.calls:
            if tensor in c.outputs:
                renewed = {new for new, _ in self.network.updates}
                if tensor in renewed:
                    return f"the new state of {self.of(c)}"
                ends = tensor in self.network.outputs or c.path not in dict(self.net.named_modules()) or self.layer(c.path) == tensor
                return f"the output of {self.of(c)}" if ends else f"computed inside {self.of(c)}"
        for c in self.network.calls:
            if c.prefix and tensor.startswith(f"{c.prefix}:"):
                line = next((x for x in self.graph.lines if x.tensor == tensor), None)
                won = line is not None and isinstance(line.expr, Reduce) and line.expr.kind is Kind.ARGMAX
                return f"{'which term won, ' if won else ''}inside {self.of(c)}"
        return "" if tensor.startswith("..") or ":" in tensor else "a number of the optimiser" if self.update else ""

    def of(self, c: Call) -> str:
        return "the loss" if c.path == LOSS else "the transform of the input" if c.path == PIXELS else self.where(c.path)

    def where(self, path: str) -> str:
        """A module by its path, with what it is."""
        found = dict(self.net.named_modules()).get(path)
        kind = type(found).__name__ if found is not None else ""
        return (f"layer {path}" + (f" ({kind})" if kind else "")) if path else kind or "the network"
