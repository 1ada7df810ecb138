"""An explained number as a page: HTML without anything from elsewhere, whose terms open."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from .text import group_name, headline, is_number, letters, many, number, results

STYLE = """
.why { font: 15px/1.5 system-ui, sans-serif; color: #1c2530; max-width: 72em; }
.why code { font: 13px/1.5 ui-monospace, monospace; }
.why h1 { font-size: 1.35em; margin: 0 0 .2em; }
.why .about, .why .quiet { color: #667; }
.why .formula { background: #f3f5f8; padding: .45em .7em; border-radius: 5px; white-space: pre-wrap; display: block; margin: .4em 0; }
.why .term { display: flex; gap: .8em; margin-top: .15em; }
.why .value { flex: none; width: 7.5em; text-align: right; font-variant-numeric: tabular-nums; }
.why .bar { flex: none; width: 6em; }
.why .bar i { display: block; height: .7em; margin-top: .45em; border-radius: 2px; background: #3f7cc4; }
.why .bar i.less { background: #d0663f; }
.why .off { opacity: .55; }
.why .deeper { margin-left: 1.6em; }
.why details { display: inline-block; vertical-align: top; margin-right: 1.2em; }
.why details[open] { display: block; border-left: 2px solid #cfd8e3; padding-left: .9em; margin: .3em 0 .6em; }
.why summary { cursor: pointer; color: #24598f; }
.why summary:hover { background: #eef4fb; }
.why .native { margin-top: .4em; }
"""
BARRED = ("sum", "max", "min", "argmax")


def page(d: Mapping[str, Any]) -> str:
    """A whole page."""
    title = html.escape(f"Why is {d['name']} = {number(d['value'])}?")
    head = f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n</head>\n'
    return f"{head}<body>\n{fragment(d)}\n</body>\n</html>\n"


def fragment(d: Mapping[str, Any]) -> str:
    """The same as a part of a page."""
    about = f'<div class="about">{html.escape(d["about"])}</div>' if d["about"] else ""
    head = f"<h1>{html.escape(d['name'])} = {number(d['value'], 9)}</h1>{about}"
    return f'<style>{STYLE}</style>\n<div class="why">{head}{inside(d)}</div>'


def inside(d: Mapping[str, Any]) -> str:
    """What stands below a number's name."""
    rows = []
    line, name = d["formula"], d["name"]
    if line != name:
        at = f'<span class="quiet">at {letters(d["letters"])}</span>' if d["letters"] else ""
        rows.append(f'<code class="formula">{html.escape(line)}</code>{at}')
    if d["kind"] == "given":
        return "".join([*rows, '<div class="quiet">given</div>'])
    rows.append(f'<div class="quiet">{html.escape(headline(d))}</div>')
    rows += lines(d)
    if d["groups"]:
        rows += [f'<div class="quiet">by {d["groups"][0]["letter"]}</div>', *map(group, d["groups"])]
    rows += [f'<div class="native"><code>{html.escape(row.strip())}</code></div>' for row in results(d)]
    return "".join(rows)


def lines(d: Mapping[str, Any]) -> list[str]:
    sizes = [abs(t["value"]) for t in d["terms"] if not isinstance(t["value"], str)]
    most = max(sizes, default=0.0) or 1.0
    rows = [row(d, t, most) for t in d["terms"]]
    count, others = d["rest"]["count"], d["rest"]["value"]
    if count > 0:
        value = number(others) if d["kind"] == "sum" else ""
        rows.append(f'<div class="term quiet"><span class="value">{value}</span><span class="bar"></span><span>{count:,} further</span></div>')
    rows += [f'<div class="term off"><span class="value">not there</span><span>{factors(t)}</span></div>' for t in d["not_taken"][:3]]
    return rows


def row(d: Mapping[str, Any], t: Mapping[str, Any], most: float) -> str:
    """One term: its value, how large it is beside the others, its factors, and below what is behind them."""
    first = ""
    if d["kind"] in BARRED:
        bar = ""
        if not isinstance(t["value"], str):
            bar = f'<i{" class=less" if t["value"] < 0 else ""} style="width:{100 * abs(t["value"]) / most:.1f}%"></i>'
        first = f'<span class="value">{number(t["value"])}</span><span class="bar">{bar}</span>'
    at = f' <span class="quiet">{letters(t["letters"])}</span>' if t["letters"] else ""
    kept = "" if t["taken"] else " off"
    deeper = "".join(behind(f) for f in t["factors"] if "why" in f)
    below = f'<div class="deeper">{deeper}</div>' if deeper else ""
    return f'<div class="term{kept}">{first}<span>{factors(t)}{at}</span></div>{below}'


def factors(t: Mapping[str, Any]) -> str:
    """The factors with their numbers."""
    rows = ["−"] if t["negative"] else []
    signs = {"times": " × ", "over": " ÷ ", "of": ", ", "as": " as "}
    for k, f in enumerate(t["factors"]):
        rows.append(signs[f["role"]] if k or f["role"] in ("as", "over") else "")
        rows.append(factor(f))
    return "".join(rows)


def factor(f: Mapping[str, Any]) -> str:
    text = f"<code>{html.escape(f['text'])}</code>"
    if not is_number(f):
        text += f" {('is true' if f['value'] else 'is false') if f['role'] == 'as' else number(f['value'])}"
    return text + (f' <span class="quiet">({html.escape(f["note"])})</span>' if f["note"] else "")


def behind(f: Mapping[str, Any]) -> str:
    """Where a factor came from, which opens."""
    about = f'<div class="about">{html.escape(f["why"]["about"])}</div>' if f["why"]["about"] else ""
    return f"<details><summary><code>{html.escape(f['text'])}</code></summary>{about}{inside(f['why'])}</details>"


def group(g: Mapping[str, Any]) -> str:
    where = f'{html.escape(group_name(g))} <span class="quiet">{many(g["count"])}</span>'
    return f'<div class="term"><span class="value">{number(g["value"])}</span><span>{where}</span></div>'
