"""Formula texts for arithmetic on symbols: one for each pattern of axes, so that equal patterns are one operation.

Letters stand for axes; None stands for an axis of one place that is read at 0 (sizes broadcast as NumPy's do).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ArgumentError, ShapeError

LETTERS, SIZES = "ijklmopqrst", "CDEFGHIJKLM"
NAMES = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power",
    "<": "below", "<=": "at_most", ">": "above", ">=": "at_least", "==": "equals", "!=": "differs",
}  # fmt: skip
Place = str | None


@dataclass(frozen=True)
class Pattern:
    """What a text must know of a tensor: its shape, and whether its first axis is the batch's samples."""

    shape: tuple[int, ...]
    sampled: bool


def _shown(letter: Place, sample: Place) -> tuple[str, str]:
    """(axis in the header, index in the line) of a letter."""
    if letter is None:
        return "1", "0"
    return ("n", "n") if letter == sample else (SIZES[LETTERS.index(letter)], letter)


def _tensor(name: str, parts: Sequence[str]) -> str:
    return f"{name}[{','.join(parts)}]" if parts else name


def formula(name: str, tensors: Mapping[str, Sequence[Place]], out: Sequence[Place], expr: str, sample: Place = None, setting: str = "") -> str:
    """The text of y[out] = expr, in which {a} stands for the read of tensor a."""
    axes = {t: [_shown(x, sample)[0] for x in places] for t, places in tensors.items()}
    reads = {t: _tensor(t, [_shown(x, sample)[1] for x in places]) for t, places in tensors.items()}
    head = ", ".join(_tensor(t, a) for t, a in axes.items())
    free = iter("uvwzghdf")
    left = [(x, next(free) if x is None else _shown(x, sample)[1]) for x in out]
    header = f"{name}({head}{setting}) -> {_tensor('y', [_shown(x, sample)[0] for x, _ in left])}"
    return f"{header}\n    {_tensor('y', [i for _, i in left])} = {expr.format(**reads)}"


def letters_for(rank: int) -> str:
    if rank > len(LETTERS):
        raise ShapeError(f"{rank} axes: more than there are letters for; accepted: up to {len(LETTERS)}")
    return LETTERS[:rank]


def sample_of(p: Pattern, letters: Sequence[Place]) -> Place:
    """The letter of a tensor's samples, if it has any."""
    return letters[0] if p.sampled else None


def function(p: Pattern, expr: str, name: str = "function", setting: str = "") -> str:
    """A function of each element; {} stands for it."""
    letters = letters_for(len(p.shape))
    return formula(name, {"x": letters}, letters, expr.replace("{}", "{x}"), sample_of(p, letters), setting)


def number(p: Pattern, sign: str, turned: bool) -> str:
    """x sign v, or v sign x, with a setting v."""
    return function(p, f"v {sign} {{}}" if turned else f"{{}} {sign} v", NAMES[sign], "; v=0.0")


def power(p: Pattern, exponent: int) -> str:
    return function(p, f"{{}}**({exponent})" if exponent < 0 else f"{{}}**{exponent}", "power")


def broadcast(patterns: Sequence[Pattern]) -> tuple[str, list[list[Place]], Place]:
    """(letters of the result, letters of each operand, the letter of samples)."""
    try:
        shape = np.broadcast_shapes(*(p.shape for p in patterns))
    except ValueError:
        shown = " and ".join(str(list(p.shape)) for p in patterns)
        raise ShapeError(f"shapes {shown}: do not go together; accepted: equal sizes, counted from the last axis, or sizes of 1") from None
    letters = letters_for(len(shape))
    sampled = [p for p in patterns if p.sampled]
    sample = letters[0] if sampled and all(len(p.shape) == len(shape) and p.shape[0] == shape[0] for p in sampled) else None
    places: list[list[Place]] = []
    for p in patterns:
        own = list(zip(letters[len(shape) - len(p.shape) :], p.shape, strict=True))
        places.append([x if size == shape[letters.index(x)] and not (size == 1 and x == sample and not p.sampled) else None for x, size in own])
    return letters, places, sample


def pointwise(sign: str, a: Pattern, b: Pattern) -> str:
    """a sign b."""
    letters, (one, other), sample = broadcast([a, b])
    return formula(NAMES[sign], {"a": one, "b": other}, letters, f"{{a}} {sign} {{b}}", sample)


def chosen(condition: Pattern, a: Pattern, b: Pattern) -> str:
    """a where the condition is not 0, else b."""
    letters, (c, one, other), sample = broadcast([condition, a, b])
    return formula("choose", {"c": c, "a": one, "b": other}, letters, "where({c}, {a}, {b})", sample)


def product(a: Pattern, b: Pattern) -> str:
    """a @ b: rows times columns of the last two axes, the others broadcast."""
    if not a.shape or not b.shape:
        raise ShapeError(f"shapes {list(a.shape)} @ {list(b.shape)}: nothing to sum over; accepted: at least one axis each")
    k, inner = "t", a.shape[-1]
    if b.shape[-2 if len(b.shape) > 1 else 0] != inner:
        raise ShapeError(f"shapes {list(a.shape)} @ {list(b.shape)}: {inner} columns on rows of another number; accepted: equal inner sizes")
    letters, (one, other), _ = broadcast([Pattern(a.shape[:-2], False), Pattern(b.shape[:-2], False)])
    row, column = ([LETTERS[len(letters)]] if len(a.shape) > 1 else []), ([LETTERS[len(letters) + 1]] if len(b.shape) > 1 else [])
    left, right, out = [*one, *row, k], [*other, k, *column], [*letters, *row, *column]
    firsts = {places[0] for p, places in ((a, left), (b, right)) if p.sampled}
    sample = firsts.pop() if len(firsts) == 1 and out and out[0] in firsts else None
    left, right = (
        [None if x == sample and not p.sampled and p.shape[0] == 1 and at == 0 else x for at, x in enumerate(places)]
        for p, places in ((a, left), (b, right))
    )
    return formula("product", {"a": left, "b": right}, out, f"sum[{k}]({{a}} * {{b}})", sample)


def permuted(p: Pattern, order: Sequence[int]) -> str:
    if sorted(order) != list(range(len(p.shape))):
        raise ShapeError(f"axes {tuple(order)}: not an order of {len(p.shape)} axes; accepted: each of 0 to {len(p.shape) - 1} once")
    letters = letters_for(len(p.shape))
    out = [letters[k] for k in order]
    return formula("permute", {"x": letters}, out, "{x}", sample_of(p, letters) if order and order[0] == 0 else None)


def reduced(p: Pattern, kind: str, axes: Sequence[int], keep: bool) -> str:
    letters = letters_for(len(p.shape))
    sample = sample_of(p, letters)
    out: list[Place] = [None if k in axes else x for k, x in enumerate(letters) if keep or k not in axes]
    over = ",".join(_shown(letters[k], sample)[1] for k in axes)
    return formula(kind, {"x": letters}, out, f"{kind}[{over}]({{x}})" if over else "{x}", sample)


def along(p: Pattern, name: str, axis: int, lines: Sequence[str]) -> str:
    """A definition in which {x}, {e}, {y} are read at every letter, {top} and {total} at all but that of `axis`, and {k} is the letter of `axis`."""
    letters = letters_for(len(p.shape))
    shown = [_shown(x, sample_of(p, letters)) for x in letters]
    at = [i for _, i in shown]
    rest = at[:axis] + at[axis + 1 :]
    words = {
        "x": _tensor("x", at),
        "y": _tensor("y", at),
        "e": _tensor("e", at),
        "top": _tensor("top", rest),
        "total": _tensor("total", rest),
        "k": at[axis],
    }
    axes = [a for a, _ in shown]
    head = f"{name}({_tensor('x', axes)}) -> {_tensor('y', axes)}"
    return "\n    ".join([head, *(line.format(**words) for line in lines)])


def joined(patterns: Sequence[Pattern], axis: int) -> str:
    """Tensors one behind the other along an axis."""
    rank = len(patterns[0].shape)
    for p in patterns:
        if len(p.shape) != rank or any(k != axis and s != patterns[0].shape[k] for k, s in enumerate(p.shape)):
            raise ShapeError(
                f"shapes {list(patterns[0].shape)} and {list(p.shape)}: do not fit together along axis {axis}; accepted: equal sizes elsewhere"
            )
    letters = letters_for(rank)
    sample = letters[0] if axis and all(p.sampled for p in patterns) else None
    shown = [_shown(x, sample) for x in letters]
    heads, terms, before = [], [], ""
    for k in range(len(patterns)):
        own = f"A{k}"
        heads.append(_tensor(f"x{k}", [own if a == axis else s for a, (s, _) in enumerate(shown)]))
        read = _tensor(f"x{k}", [i + before if a == axis else i for a, (_, i) in enumerate(shown)])
        terms.append(f"sum({read})" if len(patterns) > 1 else read)  # of one tensor alone nothing lies outside
        before += f"-{own}"
    total = "+".join(f"A{k}" for k in range(len(patterns)))
    out = _tensor("y", [total if a == axis else s for a, (s, _) in enumerate(shown)])
    return f"join({', '.join(heads)}) -> {out}\n    {_tensor('y', [i for _, i in shown])} = {' + '.join(terms)}"


# Places ------------------------------------------------------------------------------------------------------------------


def axes_of(value: object, rank: int) -> tuple[int, ...]:
    """Axes counted from the front, from one or several that may be counted from the end."""
    given = value if isinstance(value, (tuple, list)) else (value,)
    for k in given:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not -rank <= k < rank:
            raise ArgumentError(f"axis {k!r}: not one of {rank} axes; accepted: {-rank} to {rank - 1}" if rank else f"axis {k!r}: there are no axes")
    found = tuple(int(k) % rank for k in given)
    if len(set(found)) < len(found):
        raise ArgumentError(f"axes {tuple(given)}: one of them twice; accepted: each axis once")
    return found


def whole_shape(shape: tuple[int, ...], wanted: tuple[object, ...]) -> tuple[int, ...]:
    """The shape that reshape means; one size may be -1."""
    accepted = f"accepted: whole sizes whose product is {math.prod(shape)}, one of which may be -1"
    sizes = [int(s) if isinstance(s, (int, np.integer)) and not isinstance(s, bool) else 0 for s in wanted]
    if any(s < -1 or s == 0 for s in sizes) or sizes.count(-1) > 1:
        raise ShapeError(f"reshape of {list(shape)} to {list(wanted)}: not a shape; {accepted}")
    known = math.prod(s for s in sizes if s != -1)
    if (-1 in sizes and math.prod(shape) % known) or (-1 not in sizes and known != math.prod(shape)):
        raise ShapeError(f"reshape of {list(shape)} to {list(wanted)}: another number of places; {accepted}")
    return tuple(math.prod(shape) // known if s == -1 else s for s in sizes)


def indexed(p: Pattern, key: object) -> str:
    """x[key] for whole numbers, slices, ... and None."""
    items = list(key) if isinstance(key, tuple) else [key]
    used = sum(k is not None and k is not Ellipsis for k in items)
    if sum(k is Ellipsis for k in items) > 1 or used > len(p.shape):
        raise ShapeError(f"[{key!r}]: too many indices for {len(p.shape)} axes; accepted: one for each axis, and '...' once")
    if not any(k is Ellipsis for k in items):  # not `in`: an item may be a symbol, whose == is a tensor
        items.append(Ellipsis)
    at = next(k for k, v in enumerate(items) if v is Ellipsis)
    items[at : at + 1] = [slice(None)] * (len(p.shape) - used)
    letters = iter(letters_for(len(items)))
    first = items[0] if items else None
    sample = p.sampled and isinstance(first, slice) and first == slice(None)
    head: list[str] = []
    read: list[str] = []
    axes: list[str] = []
    left: list[str] = []
    place = 0
    for item in items:
        letter = next(letters)
        if item is None:
            axes.append("1")
            left.append(letter)
            continue
        size, name = p.shape[place], SIZES[place]
        place += 1
        rows = sample and place == 1
        one = _picked(item, size, "n" if rows else letter, "n" if rows else name)
        head.append(one[0])
        read.append(one[1])
        axes += one[2]
        left += ["n" if rows else letter] * len(one[2])
    return f"pick({_tensor('x', head)}) -> {_tensor('y', axes)}\n    {_tensor('y', left)} = {_tensor('x', read)}"


def _picked(item: object, size: int, letter: str, name: str) -> tuple[str, str, list[str]]:
    """(axis in the header, index that is read, axis of the result if there is one)."""
    if isinstance(item, slice):
        try:
            start, stop, step = item.indices(size)
        except TypeError:
            raise ArgumentError(f"slice {item}: its ends are no whole numbers; accepted: whole numbers") from None
        count = len(range(start, stop, step))
        if not count:
            raise ShapeError(f"slice {item} of an axis of {size}: has no places; accepted: slices with at least one")
        if (start, step) == (0, 1):
            return name, letter, [name if count == size else f"{name}-{size - count}"]
        moved = letter if abs(step) == 1 else f"{abs(step)}*{letter}"
        return str(size), f"{moved}+{start}" if step > 0 else f"{start}-{moved}", [str(count)]
    if isinstance(item, (bool, np.bool_)) or not isinstance(item, (int, np.integer)):
        raise ArgumentError(f"[{item!r:.60}]: not a place that a formula can name; accepted: whole numbers, slices, ... and None")
    if not -size <= item < size:
        raise ShapeError(f"[{item}]: the axis has {size} places; accepted: {-size} to {size - 1}")
    return str(size), str(int(item) % size), []


def reshaped(p: Pattern, shape: tuple[int, ...]) -> list[str]:
    """The texts, one or two, that give the same numbers other axes."""
    groups = _groups(p.shape, shape)
    several = [len(a) > 1 and len(b) > 1 for a, b in groups]
    if any(several):  # put together first, then cut apart
        between = [([math.prod(a)] if both else list(b)) for (a, b), both in zip(groups, several, strict=True)]
        middle = tuple(s for g in between for s in g)
        return [*reshaped(p, middle), *reshaped(Pattern(middle, p.sampled and middle[:1] == p.shape[:1]), shape)]
    sample = p.sampled and bool(groups) and groups[0] == ([p.shape[0]], [p.shape[0]])
    letters = iter(letters_for(len(shape)))
    head: list[str] = []
    read: list[str] = []
    axes: list[str] = []
    left: list[str] = []
    for k, (ins, outs) in enumerate(groups):
        if sample and k == 0:
            for row, word in ((head, "n"), (read, "n"), (axes, "n"), (left, "n")):
                row.append(word)
            continue
        mine = [next(letters) for _ in outs]
        left += mine
        head += map(str, ins)
        axes += map(str, outs)
        if len(outs) > 1 or not ins:
            weights = [math.prod(outs[t + 1 :]) for t in range(len(outs))]
            terms = [x if w == 1 else f"{w}*{x}" for x, w, s in zip(mine, weights, outs, strict=True) if s > 1]
            read += ["+".join(terms) or "0"] * bool(ins)
        else:
            for t, size in enumerate(ins):
                after, first = math.prod(ins[t + 1 :]), math.prod(ins[:t]) == 1
                part = mine[0] if mine and after == 1 else f"{mine[0]}//{after}" if mine else "0"
                read.append("0" if size == 1 and len(ins) > 1 else part if first or not mine else f"{part}%{size}")
    return [f"reshape({_tensor('x', head)}) -> {_tensor('y', axes)}\n    {_tensor('y', left)} = {_tensor('x', read)}"]


def _groups(a: Sequence[int], b: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Runs of axes of both shapes that hold the same places."""
    found: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        one, other = list(a[i : i + 1]), list(b[j : j + 1])
        i, j = i + 1, j + 1
        while math.prod(one) != math.prod(other):
            if math.prod(one) < math.prod(other):
                one.append(a[i])
                i += 1
            else:
                other.append(b[j])
                j += 1
        found.append((one, other))
    return found
