"""Whatever line is offered for a slip is another line, and is accepted."""

from __future__ import annotations

import re

import pytest

import chainrule as cr

ROWS = "f(x[n,D], w[O,D], b[O], v[D]; s=2, a=0.5) -> y[n,O]\n    "
EACH = "f(x[n,D], w[D]; s=2) -> y[n,D]\n    "
ONE = "f(x) -> y\n    "
BLOCK = "f(x[n,C,H]) -> y[n]\n    "
# head: slips. All of them have an answer.
SLIPS = {
    ROWS: """y[n,o] = sum[a](x[n,a]*w[o,a]); y[n,s] = x[n,0]*b[s]*s; y[n,o] = b[o]\n    y[n,o] += sum[k](w[o,k]*x[n,k]); y = b\n    y += x @ w;
        y[n,o] = b[o]\n    y[n,o] += x[n,k]*w[o,k]; y[n,o] += b[o]; y[n,o] += x[n,k]*w[o,k]; y = x @ w.T; y = x @ w.T + b; y[n,o] = x @ w.T; y = w @ x.T; y = (w @ x.T).T;
        y[n,o] = w[o,:] @ x[n,:]; y[n,o] = sum(w[o,:] * x[n,:]); y[n,o] = w[o,:]*x[n,:] + b[o]; y[n,o] = sum(sum(x*w)); y(n,o) = sum[k](w(o,k)*x(n,k)); y(n,o) = b(o);
        y[n,o] = b[o] + w[o,k]*x[n,k]; y[n,o] = tanh(w[o,d]*x[n,d] + b[o]); y[n,o] = 2w @ x^2""",
    EACH: """y[n,i] = x.T[i,n]; y[n,i] = π*x[n,i]; y[n,i] = 2π x[n,i]; y[n,i] = PI*x[n,i]; y[n,i] = 2PI; y[n,i] = ln x[n,i]; y = ln x; y[n,i] = 2ln x[n,i]; y = sin x;
        y[n,i] = sin² x[n,i]; y[n,i] = sin^2(x[n,i]); y[n,i] = sin²(x[n,i]+1)/2; y[n,i] = x[n,i]^2(1-x[n,i]); y[n,i] = x^2(1-x); y = x^2(1-x); y = 2x²; y[n,i] = x[n,i]²x[n,i];
        y[n,i] = 2x[n,i]²w[i]^2; y[n,i] = x[n,i-1] if i>0 else 0; y[n,i] = where(i > 0, x[n,i-1], 0); y[n,i] = x[n,i+1]*w[i] if i < D-1 else 0; y[n,i] = 0 if i == 0 else x[n,i-1];
        y[n,i] = x[n,i]-x[n,i-1] if i > 0 else x[n,i]; y[n,i] = sum(sum(x)); y[n,i] = sum[j:i+1](w[0]); y[n,i] = sum[j:i+1](j*x[n,i]); y[n,i] = max[j:i+1](j*x[n,i]);
        y[n,i] = mean[j:i+1](j); y[n,i] = sum[j:i+1](x[n,i-j]); y[n,i] = sum[j:D-i](x[n,i+j]); y[n,i] = prod[j:i](j+1); y[n,i] = sum[j:i+1](x[n,j]*w[i-j]); y[n,i] = sum_j x[n,j];
        y[n,i] = max(0,x); y = max(0,x); y = relu(x); y[n,i] = ReLU(x); y[n,i] = x[n,i] if x[n,i]>0 else 0; y = x if x > 0 else 0; y = gelu(x); y[n,i] = max(x); y = x - mean(x);
        y[n,i] = sum(x*w); y[n,i] = sum(x[n,i]*w[i]); y[n,i] = sum[i](x[n,i]); y[n,i] = exp(x[n,i])/sum(exp(x[n,i])); y[n,i] = x[n,i] - mean(x[n,i]); y[n,i] = argmax(x[n,i])""",
    ONE: """y = x^2; y = 2x; y = 2x²; y = x^2(1-x); y = x²(1-x); y = x(1-x); y = x(1-x)^2; y = 2x(1-x); y = (1-x)x; y = (1-x)(1+x); y = (1-x)^2(1+x); y = x^2 x; y = x² x³;
        y = x**2(1-x); y=x^2sin(x); y=2 x^2 sin(x); y = 2e^x; y = e^(-x); y = x e^x; y = x^-1; y = √x; y = |x|; y = x x""",
    "f(x[n,C,*H]; *k=2) -> y[n,C,*(H//k)]\n    ": "y[n,c,*i] = max[*u:k](x[n,c,*(k*i+u)])",
    BLOCK: """y[n] = sum(sum(x)); y[n] = sum(sum(x[n,c,h])); y[n] = sum[c](sum(x[n,c,h])); y[n] = sum(sum[c](x[n,c,h])); y[n] = max(max(x)); y[n] = sum(x)""",
    "": """y = x @ w + b; y = x @ w.T + b; y = relu(x @ w + b); y = max(0, x @ w); y = x @ w @ v; y = x @ w\ny += b; y[n,i] = x[n,i]\ny[n,i] += b[i]; y[n,o] = w[o,:] @ x[n,:];
        f(x)=x(1-x); f(x) = x^2(1-x); f(x)=2x²; f(x,y)=x^2 y; f(x) = ln x; f(x)=e^x; f(x) = 1/(1+e^-x); f(x1,x2)=x1 x2 + sin x1; f(x) = x(1-x)(2-x); f(x, a) = a x^2; y = x(1-x);
        y = x^2(1-x); f(x) = PI x; f(x) = x if x > 0 else 0; y[n,o] = b[o] + w[o,k]*x[n,k]; y[i] = A[i,j]*x[j]; y[i] = A[i][j] x[j]; y = x*w; y = 2x; L = mean[n]((y[n]-t[n])^2)""",
}  # fmt: skip


@pytest.mark.parametrize("head, slip", [(head, slip.strip()) for head, slips in SLIPS.items() for slip in slips.split(";")], ids=str)
def test_what_is_offered_is_another_text_and_accepted(head: str, slip: str) -> None:
    text = head + slip
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(text)
    message = str(e.value)
    offered = message.split("\naccepted: ")[1]
    assert re.match(r"[^\W\d]\w*(\[[^\]]*\])? ?= ?|f\(.*\) -> ", offered), message
    if not offered.startswith("f("):  # the line alone
        rows, wrong = text.split("\n"), message.split("\n")[0]
        rows[rows.index(wrong)] = "    " + offered
        offered = "\n".join(rows)
    assert offered.split() != text.split()
    cr.op(offered)


VAGUE = ["y = 1/2 x", "y = x^2^x(2)", "y = 1/x^2(1-x)", "y = 1/x² x", "y = x**2x", "y = sum[x<y](x)"]


@pytest.mark.parametrize("line", VAGUE)
def test_where_the_meaning_is_in_doubt_no_line_is_offered(line: str) -> None:
    with pytest.raises(cr.DefinitionError) as e:
        cr.op(ONE + line)
    assert " = " not in str(e.value).split("\naccepted: ")[1]
