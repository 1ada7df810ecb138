"""Document 001's demonstration of the gradient of a convolution's kernel, in both conventions: `python examples/demo_of_conv_backprop_through_kernel.py`

The article names a notebook and prints none of its numbers; these are our own. The stride is 2, so that ∂E/∂x falls apart over y' as the article says:
each of its values is multiplied with a part of y' of its own. What is printed is held by tests/test_examples.py.
"""

import numpy as np

import chainrule as cr

Y = np.arange(1, 26, dtype=float).reshape(5, 5)  # the layer before: y' in the article
W = np.array([[1, 0], [-1, 2]], float)
DX = np.array([[1, 0], [2, -1]], float)  # ∂E/∂x of the convolution's output
STRIDE = 2
SIGN, PLACE = "+-", ("a", "a + K - 1, so that a = 1 - K is w's first place")


def main() -> None:
    print("Document 001 names the notebook demo_of_conv_backprop_through_kernel.ipynb and prints none of its numbers: these are ours.")
    print(f"y' of 5 x 5, a kernel w of 2 x 2, stride s = {STRIDE}\n")
    print("y'\n", Y.astype(int), sep="")
    print("w\n", W.astype(int), sep="")
    print("∂E/∂x\n", DX.astype(int), sep="")
    for flip, name in ((0, "cross-correlation"), (1, "convolution")):
        x, pullback = cr.vjp(cr.ops.convolve, Y[None, None], W[None, None], s=STRIDE, flip=flip)
        print(f"\n{name}: x\n", x[0, 0].astype(int), sep="")
        print(f"document 001: ∂E/∂w_ab = sum over i, j of ∂E/∂x_ij y'_(is{SIGN[flip]}a)(js{SIGN[flip]}b); derived, with u = {PLACE[flip]}:")
        print(cr.derive(cr.ops.convolve, "w", s=STRIDE, a=0, z=0, d=1, flip=flip).formula)
        total = np.zeros((2, 2))
        for i, j in np.ndindex(DX.shape):
            part = Y[STRIDE * i : STRIDE * i + 2, STRIDE * j : STRIDE * j + 2]
            part = part[::-1, ::-1] if flip else part
            total += DX[i, j] * part
            print(f"  {DX[i, j]:+.0f} times {part.astype(int).tolist()}")
        print("∂E/∂w\n", pullback(DX[None, None])[1][0, 0].astype(int), sep="")
        assert np.array_equal(total, pullback(DX[None, None])[1][0, 0])


if __name__ == "__main__":
    main()
