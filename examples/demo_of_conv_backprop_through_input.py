"""Document 001's demonstration of the gradient that goes back through a convolution, in both conventions: `python examples/demo_of_conv_backprop_through_input.py`

The article names a notebook and prints none of its numbers; these are our own. At stride 1 what goes back is a convolution again, and the flip moves: what
is not turned forward is turned backward. What is printed is held by tests/test_examples.py.
"""

import numpy as np

import chainrule as cr

Y = np.array([[1, 2, 0, 1], [0, 1, 3, 2], [2, 1, 0, 1], [1, 0, 2, 3]], float)
W = np.array([[1, 2], [3, 4]], float)
DX = {1: np.array([[1, 0, 2], [0, -1, 0], [1, 1, 0]], float), 2: np.array([[1, -1], [2, 3]], float)}
PLACES = ("(i-i's)(j-j's)", "(i's-i)(j's-j)")


def main() -> None:
    print("Document 001 names the notebook demo_of_conv_backprop_through_input.ipynb and prints none of its numbers: these are ours.")
    print("y' of 4 x 4, a kernel w of 2 x 2\n")
    print("w\n", W.astype(int), sep="")
    for stride, dx in DX.items():
        print(f"\nstride {stride}: ∂E/∂x\n", dx.astype(int), sep="")
        for flip, name in ((0, "cross-correlation"), (1, "convolution")):
            _, pullback = cr.vjp(cr.ops.convolve, Y[None, None], W[None, None], s=stride, flip=flip)
            back = pullback(dx[None, None])[0][0, 0]
            print(f"document 001: ∂E/∂y'_ij = sum over i', j' of ∂E/∂x_i'j' w_{PLACES[flip]}; derived:")
            print(cr.derive(cr.ops.convolve, "x", s=stride, a=0, z=0, d=1, flip=flip).formula)
            print(f"{name}: ∂E/∂y'\n", back.astype(int), sep="")
            if stride == 1:
                other = cr.ops.convolve(dx[None, None], W[None, None], a=1, z=1, flip=1 - flip)[0, 0]
                print(f"the same by {('convolution', 'cross-correlation')[flip]} of ∂E/∂x with w:", "yes" if np.array_equal(other, back) else "no")


if __name__ == "__main__":
    main()
