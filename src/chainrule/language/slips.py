"""What people write from habit, and the line that they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from ..errors import DefinitionError
from .functions import FUNCTIONS, REDUCTIONS
from .source import Slip, formed, legible, put_in, wrong

T = TypeVar("T")
WORDS = r"(?:if|else|and|or|not|in|is|for)\b"  # of Python
NOT = rf"(?![²³½]|{WORDS})"  # what follows is no word of Python
LIBRARIES = "np|numpy|math|torch|jnp|jax|tf|nn|F|functional|scipy|special"
OF = "|".join((*REDUCTIONS, "argmin"))
HEAD = rf"\b(?:{OF})\["
OVER = rf"{HEAD}[^\[\]]*\]"  # a reduction and its letters
CLOSED = r"(?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))"  # text whose brackets are closed
ITEM = rf"[*/]\s*[+-]|\d[eE][+-](?=\d)|\({CLOSED}*\)|\[[^\[\]]*\]|(?!\s+{WORDS})[^()\[\]+\-<>=!,:;]"
TERM = rf"(?:[+-]\s*)?(?:{ITEM})+(?<=\S)"  # a product, to the next sign that does not belong to it

ONE_VALUE = "|".join(k for k, f in FUNCTIONS.items() if f.arity == 1)

Row = tuple[str, str | Callable[[re.Match[str]], str], str]

# In front of 2x, where it is clear what is meant: neither 1/2x nor a**2x.
APART = r"(?<![\w/])(?<!/ )(?<!\*\*)(?<!\*\* )"

DEEPEST = 8  # slips of one kind in one another
# (how it is typed, what the language writes, what is wrong with it); text alone tells them.
TYPED: tuple[Row, ...] = (
    (r"\b(?:np|numpy|math)\.e\b", "exp(1)", "Euler's number is written 'exp(1)'"),
    (rf"\b(?:(?:{LIBRARIES})\.)+(?=(?:pi|inf)\b|[A-Za-z]\w*\s*\()", "", "functions stand without the name of a library"),
    (rf"\b({OF})\s*\(([^()\[\]]*)\)\s*(?=\()", r"\1[\2]", "the letters of a reduction stand in square brackets"),
    (r"\^", "**", "'^' is no power here"),
    ("[·×∙⋅∗]", "*", "this multiplication sign is not in the language"),
    ("[÷∕]", "/", "this division sign is not in the language"),
    ("[−–]", "-", "this minus is another character than '-'"),
    (
        rf"\b({ONE_VALUE})(?:\s*(?:\^|\*\*)\s*([23])|\s*([²³]))(?=\s*\(|\s[^\W\d])\s*(\({CLOSED}*\)|[^\W\d]\w*(?:\[[^\[\]]*\])?)",
        lambda m: f"{m[1]}({m[4].removeprefix('(').removesuffix(')')})**{m[2] or '23'['²³'.index(m[3])]}",
        "a power of a function stands behind its value",
    ),
    ("²", lambda m: _raised(m, "**2"), "a raised digit is no power here"),
    ("³", lambda m: _raised(m, "**3"), "a raised digit is no power here"),
    ("½", "(1/2)", "'½' is written '1/2'"),
    ("≤", "<=", "'≤' is written '<='"),
    ("≥", ">=", "'≥' is written '>='"),
    ("≠", "!=", "'≠' is written '!='"),
    ("π", "pi", "'π' is written 'pi'"),
    ("∞", "inf", "'∞' is written 'inf'"),
    ("[δΔ](?=\\s*[\\[(])", "delta", "'δ' is written 'delta'"),
    ("[∑Σ](?=\\s*[\\[(]|_)", "sum", "'∑' is written 'sum'"),
    ("[∏Π](?=\\s*[\\[(])", "prod", "'∏' is written 'prod'"),
    ("√(?=\\s*\\()", "sqrt", "'√' is written 'sqrt'"),
    (r"√\s*(\w+(?:\[[^\[\]]*\])?)", r"sqrt(\1)", "'√' is written 'sqrt'"),
    (r"\bln\b(?=\s*\(|\s+[^\W\d])", "log", "there is no function 'ln'"),
    (r"\b(?:PI|Pi)\b(?!\s*[\[(])", "pi", "'pi' is written in small letters"),
    (rf"({HEAD}[^\[\]]*?\b\w)\s*=\s*0\s*:", r"\1:", "a range begins at 0"),
    (rf"({HEAD}(?:[^\[\]]*,)?\s*)\*(?=[^\W\d]\w*\s*:)", r"\1", "a family with a range is written without a star"),
    (r"\|\|", " or ", "'||' is written 'or'"),
    (r"\|([^|]+)\|", r"abs(\1)", "the absolute value is written 'abs'"),
    (r"\s*\|\s*", " or ", "'|' is written 'or'"),
    (r"\s*&&?\s*", " and ", "'&' is written 'and'"),
    (r"_\{([^{}]*)\}", r"[\1]", "indices stand in square brackets"),
    (rf"\b({OF})_(\w)(?=\s*\(|\s+{NOT}[^\W\d])", r"\1[\2]", "the letters of a reduction stand in square brackets"),
    (r"\]\s*\[", ",", "all indices stand in one pair of brackets"),
    (
        rf"\b({ONE_VALUE})\s+([^\W\d]\w*(?:\[[^\[\]]*\])?)",
        r"\1(\2)",
        "what a function is taken of stands in round brackets",
    ),
    (rf"({OVER})\s*(?![\s(])({TERM})", r"\1(\2)", "what is reduced stands in round brackets"),
    (
        rf"{APART}(?<!\.)(?!{WORDS}|(?:return|def|lambda|let|{'|'.join((*FUNCTIONS, OF))})\b)([^\W\d]\w*)\s+{NOT}(?=[^\W\d])",
        r"\1*",
        "what stands side by side is not multiplied",
    ),
    (
        rf"{APART}(?<!\.)(?!0[xXbBoO][\da-fA-F])(\d+(?:\.\d*)?|\.\d+)\s*(?![eE][+-]?\d){NOT}(?=[^\W\d]|\()",
        r"\1*",
        "a number beside a name does not multiply it",
    ),
    (
        rf"(\*\*\s*\d+)(?![\d.])(?:\s*(?=\(|(?:{ONE_VALUE})\()|\s+{NOT}(?=[^\W\d]))",
        lambda m: _powered(m),
        "what stands side by side is not multiplied",
    ),
    (rf"([\])])\s*{NOT}(?=[^\W\d]|\d)", lambda m: _beside(m), "what stands side by side is not multiplied"),
    (r"(\))\s*(?=\()", lambda m: _beside(m), "what stands side by side is not multiplied"),
    (r"\s*(?<![<>=!*/+\-])[+:]=(?!=)", " =", "a line defines its tensor, once and whole: '='"),
    (rf"\s*(?<![<>=!*/+\-])-=(?!=)\s*({CLOSED}+)$", lambda m: f" = -{put_in('-', m[1], '')}", "a line defines its tensor, once and whole: '='"),
    (r"\s*;\s*$", "", "a line ends without ';'"),
    (
        r"^\s*[^\W\d]\w*(?:\[[^\[\]:]*\])?\s*=(?!=).*\[(?:[^\[\]]*,)?\s*:\s*[,\]].*$",
        lambda m: _with_letter(m[0]),
        "an axis that is read whole has a letter, as every other",
    ),
)
TRANSPOSED: tuple[Row, ...] = (  # behind a header: which axis is which, its sizes say
    (r"\.T\[([^,\[\]]*),([^,\[\]]*)\]", r"[\2,\1]", "letters say which axis is which: nothing is transposed"),
    (r"(?<=[\w)])\.T\b", "", "letters say which axis is which: nothing is transposed"),
)
HEADED: tuple[Row, ...] = (
    (r"\s*(?:→|=>|⟶|↦)\s*", " -> ", "the arrow is written '->'"),
    (r"²", "**2", "a raised digit is no power here"),
    (r"³", "**3", "a raised digit is no power here"),
    (r"π", "pi", "'π' is written 'pi'"),
    (r"∞", "inf", "'∞' is written 'inf'"),
    (rf"\b(?:(?:{LIBRARIES})\.)+(?=(?:pi|inf)\b)", "", "numbers stand without the name of a library"),
    (r"(?<=[(,>;])(\s*)((?!(?:prod|sum|after|minimum)\b)[^\W\d]\w*)\(((?:[^()]|\([^()]*\))*)\)", r"\1\2[\3]", "axes stand in square brackets"),
    (r"(?<![\w.])(?!0[xXbBoO][\da-fA-F])(\d+)\s*(?![eE][+-]?\d)(?=[A-Za-z(])", r"\1*", "a number beside a name does not multiply it"),
    *(row for row in TYPED if row[0] in (r"\^", "[·×∙⋅∗]", "[÷∕]", "[−–]")),
)

# Functions under the names that other languages and libraries give them.
KNOWN_AS = {
    "relu": "maximum({0}, 0)", "square": "{0}**2", "arctan": "atan({0})", "arcsin": "asin({0})", "arccos": "acos({0})", "fabs": "abs({0})",
    "absolute": "abs({0})", "log2": "log({0}) / log(2)", "log10": "log({0}) / log(10)", "power": "{0}**{1}", "rint": "round({0})",
    "clip": "minimum(maximum({0}, {1}), {2})", "clamp": "minimum(maximum({0}, {1}), {2})", "heaviside": "{0} > 0", "step": "{0} > 0",
    "silu": "{0} * sigmoid({0})", "swish": "{0} * sigmoid({0})", "gelu": "{0} * (1 + erf({0} / sqrt(2))) / 2", "reciprocal": "1 / {0}",
    "leaky_relu": "where({0} > 0, {0}, 0.01 * {0})", "sgn": "sign({0})", "logistic": "sigmoid({0})", "exp2": "2**{0}", "cbrt": "sign({0}) * abs({0})**(1/3)",
    "amax": "max({0})", "amin": "min({0})", "sec": "1 / cos({0})", "cot": "1 / tan({0})", "multiply": "{0} * {1}", "divide": "{0} / {1}",
}  # fmt: skip


def typed_first(text: str, what: Callable[[str], T]) -> T:
    """What `what` makes of a text; where that is an error, a slip that the characters give away comes before it."""
    try:
        return what(text)
    except DefinitionError:
        slip = typed(legible(text)) if isinstance(text, str) else None
        if not slip:
            raise
    row, column, problem, meant = slip
    whole = meant.count("\n") < text.count("\n")  # lines are joined: all of it is shown
    raise Slip(wrong(legible(text), row + 1, column, problem), meant, 0 if whole else row + 1)


def typed(text: str) -> tuple[int, int, str, str] | None:
    """(row, column, what is wrong, the text as it is meant) for the first slip that the characters give away."""
    rows = text.split("\n")
    if joined := _added(rows):
        return joined
    first = None
    head = next((k for k, row in enumerate(rows) if re.search("->|→|=>|⟶|↦", row.partition("#")[0])), -1)  # the header's last row
    for k, row in enumerate(rows):
        code, mark, comment = row.partition("#")
        table = HEADED if k <= head else TYPED if head < 0 else (*TYPED, *TRANSPOSED)
        found = sorted(
            (m.start() + len(m[0]) - len(m[0].lstrip()), which) for which, (pattern, _, _) in enumerate(table) for m in re.finditer(pattern, code)
        )
        if not found:
            continue
        first = first or (k, found[0][0], table[found[0][1]][2])
        for pattern, meant, _ in table:
            for _ in range(DEEPEST):
                before, code = code, re.sub(pattern, meant, code)
                if code == before:
                    break
        rows[k] = code + mark + comment
    meant = "\n".join(rows)
    return (*first, meant) if first and meant != text else None


def _added(rows: list[str]) -> tuple[int, int, str, str] | None:
    """The same for the first `y[i] += …` behind a line that defines y[i]: both are one line."""
    for k, row in enumerate(rows):
        more = re.match(r"\s*([^\W\d]\w*(?:\[[^\]]*\])?)\s*([+-])=(?!=)\s*([^#]+)", row)
        if not more:
            continue
        left = re.escape(more[1])
        for j in range(k):
            begun = re.match(rf"(\s*{left}\s*)(?:[+:]?=)(?!=)\s*([^#]+)$", rows[j])
            if begun:
                added = more[3].strip() if more[2] == "+" else f"({more[3].strip()})"
                joined = f"{begun[1].rstrip()} = {begun[2].strip()} {more[2]} {added}"
                return k, more.start(2), "a line defines its tensor, once and whole", "\n".join([*rows[:j], joined, *rows[j + 1 : k], *rows[k + 1 :]])
    return None


def _raised(m: re.Match[str], power: str) -> str:
    """A raised digit; what stands behind it is another factor."""
    behind = m.string[m.end() :]
    return f"{power}*" if re.match(r"[^\W\d]|\(", behind) and not _divides(m.string, m.start()) else power


def _powered(m: re.Match[str]) -> str:
    """A sign behind a power, unless a division or a power stands before what it is a power of."""
    return m[0] if _divides(m.string, m.start()) else f"{m[1]}*"


def _divides(text: str, end: int) -> bool:
    """Whether what ends here (a name, a read, brackets) stands behind a division or in a power."""
    at, depth = len(text[:end].rstrip()) - 1, 0
    while at >= 0 and (depth or text[at] in ")]" or re.match(r"[\w.]", text[at])):
        depth += (text[at] in ")]") - (text[at] in "([")
        at -= 1
    return text[: at + 1].rstrip().endswith(("/", "**", "^"))


def _with_letter(line: str) -> str:
    """w[o,:] and x[n,:] at one letter; as it was where a tensor is read along several axes."""
    brackets = re.findall(r"\[([^\[\]]*)\]", line)
    if any([x.strip() for x in b.split(",")].count(":") > 1 for b in brackets):
        return line
    letter = next(x for x in ("k", "j", "l", "m", *(f"k{m}" for m in range(1, 99))) if not re.search(rf"\b{x}\b", line))
    return re.sub(r"(?<=[\[,])(\s*):(?=\s*[,\]])", rf"\1{letter}", line)


def _beside(closing: re.Match[str]) -> str:
    """A sign behind a closing bracket, unless a division or a power stands before what it closes: 1/w[i] x is as clear as 1/2x."""
    text, at, depth = closing.string, closing.start(), 0
    while at >= 0:
        depth += (text[at] in ")]") - (text[at] in "([")
        if not depth:
            break
        at -= 1
    before = re.sub(r"\w*$", "", text[: max(at, 0)]).rstrip()
    return closing[0] if before.endswith(("/", "**")) else f"{closing[1]}*"


def called(word: str, args: list[str]) -> str | None:
    """What a function of another language is here."""
    known = KNOWN_AS | {x: f"{x}({', '.join(f'{{{k}}}' for k in range(f.arity))})" for x, f in FUNCTIONS.items() if f.arity}
    small = next((x for x in known if x.replace("_", "") == word.lower().replace("_", "")), "")
    form = known.get(word) or known.get(small)
    places = re.findall(r"{(\d)}", form or "")
    return formed(form, args) if form and len(args) == 1 + max(map(int, places)) else None
