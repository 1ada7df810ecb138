"""Is one expression another, up to the names of bound letters, the order of factors and terms, and given letters that stand for any index?"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from ..language.index import Poly
from ..language.tree import Call, Const, Expr, Index, Read, Reduce, subs

Binding = dict[str, Poly]


def alike(a: Expr, b: Expr) -> bool:
    """Whether two expressions are the same but for the names of bound letters and the order of factors and terms."""
    return a is b or (signature(a) == signature(b) and (a == b or match(a, b, frozenset()) is not None))


def signature(e: Expr) -> int:
    """A number that is the same for expressions that are alike, and seldom for others: kept with the node, as it is asked for often."""
    found: int | None = e.__dict__.get("_signature")
    if found is None:
        match e:
            case Const(value):
                found = crc32(repr(value).encode())
            case Index(p):
                found = len(p.terms)
            case Read(tensor, index):
                found = crc32(tensor.encode(), len(index))
            case Call("+" | "*" as fn, _):
                found = crc32(fn.encode(), sum(signature(x) for x in _flat(e, fn)) & 0xFFFFFFFF)
            case Call(fn, args):
                found = crc32(fn.encode())
                for x in args:
                    found = (found * 31 + signature(x)) & 0xFFFFFFFF
            case Reduce(kind, letters, _, body):
                found = crc32(kind.encode(), (signature(body) + len(letters)) & 0xFFFFFFFF)
        object.__setattr__(e, "_signature", found)
    assert found is not None
    return found


def match(pattern: Expr, e: Expr, free: frozenset[str], known: Mapping[str, Poly] | None = None) -> Binding | None:
    """What the free letters of a pattern stand for where it is e; None where it is not."""
    return _match(pattern, e, free, dict(known or {}))


def _match(pattern: Expr, e: Expr, free: frozenset[str], known: Binding) -> Binding | None:
    if type(pattern) is not type(e):
        return None
    match pattern, e:
        case Const(a), Const(b):
            return known if a == b and type(a) is type(b) else None
        case Index(p), Index(q):
            return _index(p, q, free, known)
        case Read(t, p), Read(u, q):
            return _indices(p, q, free, known) if t == u and len(p) == len(q) else None
        case Call(f, args), Call(g, others):
            if f != g or len(args) != len(others):
                return None
            if f in ("+", "*"):
                return _in_any_order(_flat(pattern, f), _flat(e, f), free, known)
            for x, y in zip(args, others, strict=True):
                found = _match(x, y, free, known)
                if found is None:
                    return None
                known = found
            return known
        case Reduce(kind, letters, ranges, body), Reduce(kind2, letters2, ranges2, body2):
            if kind is not kind2 or len(letters) != len(letters2):
                return None
            for p, q in zip(ranges, ranges2, strict=True):
                found = _index(p, q, free, known)
                if found is None:
                    return None
                known = found
            depth = sum(k.startswith("#") for k in known)
            names = [Poly.name(f"#{depth + k}") for k in range(len(letters))]
            bound = dict(zip(letters, names, strict=True)) | {str(p): p for p in names}
            body2 = subs(body2, dict(zip(letters2, names, strict=True)))
            found = _match(body, body2, free - set(letters), {k: v for k, v in known.items() if k not in bound} | bound)
            if found is None or any(v.names & bound.keys() for k, v in found.items() if k in free and k not in bound):
                return None
            return known | {k: v for k, v in found.items() if k not in bound}
    return None


def _flat(e: Expr, fn: str) -> list[Expr]:
    found, todo = [], [e]
    while todo:
        node = todo.pop()
        if isinstance(node, Call) and node.fn == fn:
            todo += reversed(node.args)
        else:
            found.append(node)
    return found


def _in_any_order(pattern: list[Expr], parts: list[Expr], free: frozenset[str], known: Binding) -> Binding | None:
    """Each part of the pattern is another of the parts."""
    if len(pattern) != len(parts):
        return None
    if not pattern:
        return known
    for k, part in enumerate(parts):
        found = _match(pattern[0], part, free, known)
        if found is not None:
            rest = _in_any_order(pattern[1:], parts[:k] + parts[k + 1 :], free, found)
            if rest is not None:
                return rest
    return None


def _indices(pattern: tuple[Poly, ...], index: tuple[Poly, ...], free: frozenset[str], known: Binding) -> Binding | None:
    found: Binding | None = known
    for p, q in sorted(zip(pattern, index, strict=True), key=lambda pair: pair[0].letter is None):  # plain letters say what they stand for
        found = _index(p, q, free, found) if found is not None else None
    return found


def _index(p: Poly, q: Poly, free: frozenset[str], known: Binding) -> Binding | None:
    """One index as another: a letter that is still open stands for what makes it so (i+1 is r where i is r-1), two of them say nothing."""
    open_ = [x for x in p.names if x in free and x not in known]
    p = p.subs(known) if known else p
    if not open_:
        return known if p == q else None
    rest = p - Poly.name(open_[0])
    return None if len(open_) > 1 or open_[0] in rest.names else {**known, open_[0]: q - rest}
