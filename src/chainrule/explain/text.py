"""An explained number as a tree of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOT_SHOWN = {"bounds": "out of bounds", "conditions": "by conditions"}
WORDS = {
    "max": "the largest of",
    "min": "the smallest of",
    "argmax": "which one is the largest of",
    "prod": "the product of",
    "product": "factors",
    "choice": "one of",
    "function": "of",
    "same": "is",
    "given": "given",
}
MOST_GROUPS = 12
SIGNS = {"times": " * ", "over": " / ", "of": ", "}


def number(value: float | str, digits: int = 6) -> str:
    return value if isinstance(value, str) else f"{value + 0.0:.{digits}g}"


def tree(d: Mapping[str, Any], indent: str = "", path: str = "") -> str:
    """The number, its terms, and what is behind them."""
    about = f"   ({d['about']})" if d["about"] else ""
    rows = [f"{d['name']} = {number(d['value'], 9)}{about}"]
    line, name = d["formula"], d["name"]
    if line != name:
        rows.append(f"  {line}")
    if d["letters"]:
        rows.append("  at " + letters(d["letters"]))
    rows += body(d, path)
    return "\n".join(f"{indent}{row}".rstrip() for row in rows)


def letters(found: Mapping[str, int]) -> str:
    return ", ".join(f"{x} = {v}" for x, v in found.items())


def headline(d: Mapping[str, Any]) -> str:
    """How the terms come together."""
    out = counted(d["left_out"])
    if d["negative"]:
        return "with a minus, factors" if len(d["terms"]) > 1 else "the negative of"
    left = f" ({out})" if out else ""
    if d["kind"] != "sum":
        shown = f" {d['count']}" if d["kind"] in ("max", "min", "argmax", "prod") else ""
        return f"{WORDS.get(d['kind'], d['kind'])}{shown}{left}"
    return f"{many(d['count'])}{left}"


def many(count: int) -> str:
    return f"{count:,} {'term' if count == 1 else 'terms'}"


def counted(left_out: Mapping[str, int]) -> str:
    """What is not there, in words."""
    rows = [f"{count:,} {NOT_SHOWN.get(why, f'outside {why}')}" for why, count in left_out.items()]
    return "left out: " + ", ".join(rows) if rows else ""


def product(t: Mapping[str, Any]) -> str:
    """A term as numbers, and as what they are called; and why it is there."""
    sign = "-" if t["negative"] else ""
    factors = [f for f in t["factors"] if f["role"] != "as"]
    reasons = [reason(f) for f in t["factors"] if f["role"] == "as"]
    text = sign + joined(factors, [f["text"] for f in factors])
    if len(factors) > 1 and not all(map(is_number, factors)):
        text = f"{sign}{joined(factors, [f['text'] if is_number(f) else number(f['value']) for f in factors], bool(sign))} = {text}"
    text += "".join(f" ({f['note']})" for f in factors if f["note"])
    return text + (f"{', ' if text else ''}as {' and '.join(reasons)}" if reasons else "")


def joined(factors: Sequence[Mapping[str, Any]], texts: Sequence[str], signed: bool = False) -> str:
    """Texts of factors with the signs between them; behind a sign what is negative stands in brackets."""
    text = ""
    for k, (f, x) in enumerate(zip(factors, texts, strict=True)):
        sign = SIGNS[f["role"]] if k else "1 / " if f["role"] == "over" else ""
        text += sign + (f"({x})" if x.startswith("-") and (sign or signed) else x)
    return text


def reason(f: Mapping[str, Any]) -> str:
    return f"{f['text']} is {'true' if f['value'] else 'false'}" + (f": {f['note']}" if f["note"] else "")


def is_number(f: Mapping[str, Any]) -> bool:
    """Whether a factor is written as a number."""
    return bool(f["given"]) and not f["name"]


def body(d: Mapping[str, Any], path: str) -> list[str]:
    if d["kind"] == "given":
        return []
    rows = [f"  {headline(d)}"]
    for k, t in enumerate(d["terms"], 1):
        rows += term(d, t, f"{path}{k}")
    count, value = d["rest"]["count"], d["rest"]["value"]
    if count > 0:
        shown = f"{number(value):>12}   " if d["kind"] == "sum" else ""
        rows.append(f"        {shown}{count:,} further {'one' if count == 1 else 'ones'}")
    for t in d["not_taken"][:3]:
        rows.append(f"        not there: {product(t)}")
    if d["groups"]:
        rows.append(f"  by {d['groups'][0]['letter']}")
        largest, others, apart = divided(d["groups"])
        rows += [f"        {number(g['value']):>12}   {group_name(g)}, {many(g['count'])}" for g in largest]
        if others:
            rows.append(f"        {number(sum(float(g['value']) for g in others)):>12}   {len(others):,} further ones")
        rows += [f"        {number(g['value']):>12}   {group_name(g)}, {many(g['count'])}" for g in apart]
    return rows + results(d)


Groups = Sequence[Mapping[str, Any]]


def divided(groups: Groups) -> tuple[Groups, Groups, Groups]:
    """Groups that are shown, those that are added up, and that of the terms without the letter."""
    own = [g for g in groups if g["at"] is not None]
    return own[:MOST_GROUPS], own[MOST_GROUPS:], [g for g in groups if g["at"] is None]


def group_name(g: Mapping[str, Any]) -> str:
    return f"without {g['letter']}" if g["at"] is None else f"{g['letter']} = {g['at']}"


def term(d: Mapping[str, Any], t: Mapping[str, Any], path: str) -> list[str]:
    """One term, and what is behind its factors."""
    where = f"   {letters(t['letters'])}" if t["letters"] else ""
    mark = "" if t["taken"] else "   not taken"
    named = product(t)
    if d["kind"] in ("sum", "max", "min", "argmax", "prod"):
        shown = f"{number(t['value']):>12} = {named}"
    else:
        shown = operand(t["factors"][0])
    rows = [f"  {path + '.':<5} {shown}{where}{mark}"]
    several = len(t["factors"]) > 1
    for k, f in enumerate(t["factors"], 1):
        if "why" in f:
            rows += tree(f["why"], "        ", f"{path}.{k}." if several else f"{path}.").split("\n")
    return rows


def operand(f: Mapping[str, Any]) -> str:
    """A factor, or what a function is of."""
    if f["role"] == "as":
        return f"as {reason(f)}"
    value = ("/ " if f["role"] == "over" else "") + (f["text"] if is_number(f) else number(f["value"]))
    return f"{value:>12}" + ("" if is_number(f) else f" = {f['text']}") + (f" ({f['note']})" if f["note"] else "")


def results(d: Mapping[str, Any]) -> list[str]:
    """The sum in float64 beside machine code's."""
    if "native" not in d:
        return []
    native, ulps = d["native"], d["native"]["ulps"]
    apart = "the same" if ulps == 0 else f"{number(abs(ulps) if not isinstance(ulps, str) else ulps, 3)} ulp away"
    return [f"  float64  {number(d['value'], 17)}", f"  {native['type']:<8} {native['text']} by machine code, {apart}"]
