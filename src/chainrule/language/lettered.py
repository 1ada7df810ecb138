"""Letters for lines that are written without: tensors as wholes, `@`, reductions that do not say over what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from .functions import Kind
from .index import Poly
from .meant import another, read_at, reduced, summed
from .raw import UNKNOWN
from .tree import Call, Expr, Read, Reduce, children, direct_reads, free_names, fresh_name, index_names, letters_of, reads, rebuild, subs, walk

Axes = Mapping[str, tuple[Poly, ...]]
Scope = dict[Poly, list[str]]  # the letters that stand for each size


class Unclear(Exception):
    """More than one line may be meant."""


def filled(tensor: str, letters: tuple[str, ...], e: Expr, axes: Axes, sample: str, taken: Collection[str]) -> tuple[tuple[str, ...], Expr] | None:
    """The line with letters for all axes of tensors that are written without, and sums over those that the left side lacks.

    None: where that cannot be known. taken: names that no new letter may have.
    """
    try:
        return _Filling(tensor, letters, e, axes, sample, taken).run(e)
    except Unclear:
        return None


class _Filling:
    def __init__(self, tensor: str, letters: tuple[str, ...], e: Expr, axes: Axes, sample: str, taken: Collection[str]):
        self.axes, self.sample = axes, Poly.name(sample)
        self.used = {*taken, *letters, *index_names(e), *letters_of(e)}
        self.scope: Scope = {}
        self.sizes = self.explicit(e)
        target = axes.get(tensor) or (() if letters or tensor in axes else self.free(e))
        if letters:
            for x, size in zip(letters, target or self.sizes_of(letters, e), strict=False):
                if size is not None:
                    self.scope.setdefault(size, []).append(x)
        self.letters = letters or tuple(self.left(size) for size in target)
        self.bound = set(self.letters)
        self.left_only = set(self.letters) - {"n"} - free_names(_apart(e)) - {x for s in self.shown(_apart(e)) for x in self.scope.get(s, ())}

    def run(self, e: Expr) -> tuple[tuple[str, ...], Expr]:
        whole = self.fill(e)
        lost = [x for x in read_at(whole) if x not in self.letters]
        for x in set(lost) - self.sizes.keys():  # nobody wrote it: of one tensor alone, is it a sum, or another mistake?
            if sum(any(x in p.names for p in r.index) for r in reads(whole)) < 2:
                raise Unclear
        return self.letters, summed(whole, lost)

    def explicit(self, e: Expr) -> dict[str, Poly]:
        """Where each written letter runs."""
        found: dict[str, Poly] = {}
        for r in reads(e):
            for p, size in zip(r.index, self.axes.get(r.tensor, ()), strict=False):
                if p.letter:
                    found.setdefault(p.letter, size)
        for node in walk(e):
            if isinstance(node, Reduce):
                found |= {x: r for x, r in zip(node.letters, node.ranges, strict=True) if r != UNKNOWN}
        return found

    def sizes_of(self, letters: tuple[str, ...], e: Expr) -> list[Poly | None]:
        """Where the letters of a left side run whose axes no header says: what no name tells stands in the order of the axes."""
        found = [self.size_of(x) for x in letters]
        rest = [s for s in self.free(e) if s not in found]
        return [(rest.pop(0) if s is None else s) for s in found] if len(rest) == found.count(None) else found

    def size_of(self, letter: str) -> Poly | None:
        """Where a letter of a left side without axes in the header runs."""
        known = {p for t in self.axes.values() for p in t}
        wanted = self.sample if letter == "n" else Poly.name(letter.upper())
        return self.sizes.get(letter, wanted if wanted in known else None)

    def left(self, size: Poly) -> str:
        """A letter for an axis of the left side."""
        here = self.scope.setdefault(size, [])
        written = next((x for x, s in self.sizes.items() if s == size and x not in here), None)
        here.append(written or self.new(size))
        return here[-1]

    def new(self, size: Poly) -> str:
        """A letter that is not in use."""
        found = fresh_name("n" if size == self.sample else (size.letter or "i").lower(), self.used)
        self.used.add(found)
        return found

    def free(self, e: Expr) -> tuple[Poly, ...]:
        """The sizes of the axes that a value has if all is read whole."""
        match e:
            case Read(tensor, ()):
                return self.axes.get(tensor, ())
            case Read(_, index):
                return tuple(s for p in index if p.letter and (s := self.sizes.get(p.letter)) is not None)
            case Call("@", (a, b)):
                met = self.met(a, b)
                return tuple(dict.fromkeys(s for s in (*self.free(a), *self.free(b)) if s != met))
            case Reduce(_, (), _, _):
                return ()
            case Reduce(_, letters, _, body):
                return tuple(s for s in self.free(body) if s not in {self.sizes.get(x) for x in letters})
        return tuple(dict.fromkeys(s for a in children(e) for s in self.free(a)))

    def met(self, a: Expr, b: Expr) -> Poly:
        """The size of the axis over which a product of matrices sums: the only one that both sides have."""
        left, right = self.free(a), self.free(b)
        shared = {s for s in left if s in right and s != self.sample}
        if len(shared) != 1 or any(len(set(side)) < len(side) for side in (left, right)):
            raise Unclear
        return shared.pop()

    def shown(self, e: Expr) -> tuple[Poly, ...]:
        """The sizes of what is written without letters, outside reductions that have none."""
        if isinstance(e, Read):
            return () if e.index else self.axes.get(e.tensor, ())
        return () if isinstance(e, Reduce) and not e.letters else tuple(s for a in children(e) for s in self.shown(a))

    def fill(self, e: Expr) -> Expr:
        match e:
            case Read(tensor, ()):
                return Read(tensor, tuple(map(Poly.name, self.read(self.axes.get(tensor, ())))))
            case Call("@", (a, b)):
                return self.contracted(a, b)
            case Reduce(_, (), _, _):
                return self.over(e)
            case Reduce(kind, letters, ranges, body):
                return Reduce(kind, letters, ranges, self.within(letters, body))
        return rebuild(e, self.fill)

    def read(self, axes: Sequence[Poly]) -> list[str]:
        """A letter for each axis of a tensor."""
        found: list[str] = []
        for size in axes:
            here = self.scope.setdefault(size, [])
            if all(x in found for x in here):
                here.append(self.new(size))
            found.append(next(x for x in here if x not in found))
        return found

    def within(self, letters: Iterable[str], body: Expr) -> Expr:
        """A body around which letters are bound."""
        scope, bound = {s: list(x) for s, x in self.scope.items()}, self.bound
        self.bound = bound | set(letters)
        for x in letters:
            size = self.size_of(x)
            if size is not None:
                self.scope[size] = [x, *self.scope.get(size, ())]
        out = self.fill(body)
        for size in list(self.scope):  # what became known besides them stays known
            self.scope[size] = [x for x in self.scope[size] if x not in letters or x in scope.get(size, ())]
        self.bound = bound
        return out

    def contracted(self, a: Expr, b: Expr) -> Expr:
        """The sum that `@` means."""
        both = [x for x in read_at(a) if x in read_at(b) and x not in self.bound]
        if both:
            return reduced(Kind.SUM, self.within(both, Call("*", (a, b))), both)
        size = self.met(a, b)
        letter = next((x for x in (*read_at(a), *read_at(b)) if self.sizes.get(x) == size and x not in self.bound), None) or self.new(size)
        self.sizes[letter] = size
        return Reduce(Kind.SUM, (letter,), (UNKNOWN,), self.within((letter,), Call("*", (a, b))))

    def over(self, e: Reduce) -> Expr:
        """A reduction that does not say over what: over what nothing around it has, or else over all but the sample's axis."""
        single = e
        while isinstance(e.body, Reduce) and e.body.kind is e.kind and not e.body.letters:
            e = e.body  # two sums in one another are one
        before, used = self.scope, set(self.used)
        around = self.bound.union(*before.values())
        own = [x for x in read_at(e.body) if x not in self.bound]
        for apart in (False, True):
            known = {s: x for s, x in before.items() if not apart or s == self.sample}
            if apart and set(self.free(e.body)) <= {self.sample}:
                known = {}
            self.scope, self.used = {s: list(x) for s, x in known.items()}, set(used)
            body = self.within(own, e.body)
            letters = [x for x in read_at(body) if x not in around]
            if letters or not self.free(e.body):
                break
        self.scope = before
        if not letters and all(p.letter for r in direct_reads(e.body) for p in self.indices(r)):
            self.used = used
            return self.again(e.kind, e.body)
        if not letters and any(not r.index and self.axes.get(r.tensor) for r in reads(e.body)):
            raise Unclear
        if not apart and not own:
            self.sure(e.body, before)
        found = reduced(e.kind, body, letters) if letters else Reduce(e.kind, (), (), body)
        if e is not single and len({r.tensor for r in reads(body)}) == 1 and free_names(found) & set(self.letters) - {"n"}:
            raise Unclear  # sum(sum(v)) at one of v's letters: over the rest, or over all?
        return found

    def indices(self, r: Read) -> tuple[Poly, ...]:
        """What a tensor is read at; where that is not written, no letters."""
        return r.index or (Poly.of(0),) * len(self.axes.get(r.tensor, ()))

    def again(self, kind: Kind, body: Expr) -> Expr:
        """A reduction of what is read at the line's own letters: over all of them but the sample's, or of nothing."""
        own = [x for x in read_at(body) if x != "n"]
        if not set(own) <= set(self.letters) or (isinstance(body, Reduce) and not body.letters):
            raise Unclear
        new = {x: another(self.used) for x in own}
        changed = self.within(new.values(), subs(body, {x: Poly.name(y) for x, y in new.items()}))
        return reduced(kind, changed, new.values()) if new else changed

    def sure(self, body: Expr, around: Scope) -> None:
        """A tensor alone under a sum, of whose axes some have letters: whether it is read there or summed whole, only the other tensors tell."""
        named = {x for s in self.shown(body) if s != self.sample for x in around.get(s, ())}
        if named - self.left_only and len({r.tensor for r in reads(body) if not r.index}) == 1 and named <= set(self.letters):
            raise Unclear


def _apart(e: Expr) -> Expr:
    """e without its reductions that have no letters."""
    return Call("+", ()) if isinstance(e, Reduce) and not e.letters else rebuild(e, _apart)
