"""Document 001's demonstration of max-pooling: the maxima, the places where they stand, and where the error goes. `python examples/demo_of_maxpooling.py`

The article names a notebook, whose function returns two matrices, the maxima and their coordinates, and prints none of its numbers; these are our own. What is printed is held by tests/test_examples.py.
"""

import numpy as np

import chainrule as cr

X = np.array([[1, 5, 2, 0, 3], [7, 5, 1, 4, 4], [0, 2, 9, 8, 6], [3, 1, 9, 2, 5]], float)
DY = np.array([[10, 20], [30, 40]], float)


def main() -> None:
    x, dy = X[None, None], DY[None, None]
    y, pullback = cr.vjp(cr.ops.max_pool2d, x)
    winner = cr.ops.max_pool_winner(x)[0, 0].astype(int)
    rows, columns = np.indices(winner.shape)
    print("Document 001 names the notebook demo_of_maxpooling.ipynb and prints none of its numbers: these are ours.\n")
    print("x\n", X.astype(int), sep="")
    print("the largest of each 2 x 2 window\n", y[0, 0].astype(int), sep="")
    print("where it stands: (row, column) in x, the first of equal ones")
    for line in np.stack([2 * rows + winner // 2, 2 * columns + winner % 2], -1).tolist():
        print("", *(tuple(place) for place in line))
    print("∂E/∂y\n", DY.astype(int), sep="")
    print("Document 001: the error passes through the maxima alone, all others get 0. Derived (ay: where in its window a maximum stands):")
    print(cr.derive(cr.ops.max_pool2d, "x", k=2, s=2, p=0, d=1, more=0).formula)
    print("∂E/∂x\n", pullback(dy)[0][0, 0].astype(int), sep="")


if __name__ == "__main__":
    main()
