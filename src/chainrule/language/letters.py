"""Letters of names: Greek ones that are spelled out, and names in any alphabet as LaTeX that KaTeX (strict) and matplotlib's mathtext read."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

# Names that are letters. eps and epsilon are the two epsilons, phi and varphi the two phis; lambda is a word of Python, lam is none.
GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "epsilon": "ϵ", "eps": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ", "vartheta": "ϑ", "iota": "ι",
    "kappa": "κ", "lam": "λ", "lamda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "varpi": "ϖ", "rho": "ρ", "varrho": "ϱ", "sigma": "σ", "varsigma": "ς", "tau": "τ",
    "upsilon": "υ", "phi": "ϕ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
    "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
ALIASES = {"eps": "varepsilon", "lam": "lambda", "lamda": "lambda"}
LETTERS = {sign: "\\" + ALIASES.get(word, word) for word, sign in GREEK.items()} | {"δ": r"\delta", "π": r"\pi", "∞": r"\infty"}
ROMAN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo", strict=True))  # Greek letters that look like Latin ones have no command
ACCENTS = {
    "\u0300": "grave", "\u0301": "acute", "\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0306": "breve", "\u0307": "dot", "\u0308": "ddot", "\u030a": "mathring",
    "\u030c": "check",
}  # fmt: skip
KNOWN = re.compile("[\u00c0-\u024f\u0400-\u04ff\u0531-\u0588\u0900-\u10ff\u3005-\u30fe\u4e00-\u9faf\uac00-\ud7a3]")  # KaTeX sets these as text


def single(text: str) -> bool:
    """Whether a name is one letter, perhaps with an accent."""
    return sum(not unicodedata.combining(c) for c in text) == 1


def spelled(text: str, upright: bool = False, bold: bool = False) -> str:
    r"""A name in LaTeX: \hat{y} for ŷ, \text{вес} for вес, \beta for β.

    >>> print(spelled("ŷ"), spelled("вес_x"), spelled("mu_β", upright=True))
    \hat{y} \text{вес\_x} {\mathrm{mu\_}\beta}
    """
    if bold:
        return rf"\mathbf{{{escaped(text)}}}" if text.isascii() else rf"\boldsymbol{{{spelled(text)}}}"
    if text in LETTERS:
        return LETTERS[text]
    if text.isascii():
        return rf"\mathrm{{{escaped(text)}}}" if upright else escaped(text)
    parts = unicodedata.normalize("NFD", text)
    if len(parts) == 2 and parts[1] in ACCENTS and (parts[0].isascii() or parts[0] in LETTERS):
        return rf"\{ACCENTS[parts[1]]}{{{LETTERS.get(parts[0], parts[0])}}}"
    plain = "".join(ROMAN.get(c, c) for c in text)
    words = any(map(KNOWN.fullmatch, plain))
    pieces = [_piece(kind, "".join(run)) for kind, run in groupby(plain, lambda c: _kind(c, words))]
    whole = len(pieces) == 1 and (len(plain) == 1 or plain[0] not in LETTERS)
    return pieces[0] if whole else f"{{{''.join(pieces)}}}"


def escaped(text: str) -> str:
    return text.replace("_", r"\_")


def _kind(c: str, words: bool) -> str:
    """What a letter is set as; words: whether others of its name are set as text."""
    if c in LETTERS:
        return "command"
    if c.isascii():
        return "text" if words else "roman"
    return "text" if KNOWN.fullmatch(c) or c in ACCENTS or c == "\u0327" else "unknown"


def _piece(kind: str, run: str) -> str:
    match kind:
        case "command":
            return "".join(LETTERS[c] for c in run)
        case "roman":
            return rf"\mathrm{{{escaped(run)}}}"
        case "text":
            return rf"\text{{{escaped(run)}}}"
    return rf"\text{{{' '.join(f'U+{ord(c):04X}' for c in run)}}}"  # a letter that has no glyph in the fonts of formulas
