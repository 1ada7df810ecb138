"""Document 004's chain of matrices on a part of Fashion-MNIST, and its matrix form of a backward step: `python examples/document_004.py`"""

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.nn.documents import document004
from chainrule.train.data import sample


def main() -> float:
    data = sample()
    net = nn.Sequential(nn.Flatten(), *document004(784, 64, 32, 10)).init(seed=0)
    print(f"{data.source}: {len(data.train[0])} images to train on and {len(data.test[0])} to test, 28 x 28, 10 classes (guessing is right in 10 %)")
    signs = 2 * np.eye(10, dtype=np.float32) - 1  # targets of tanh: 1 at the class and -1 elsewhere
    targets, test = signs[data.train[1]], (data.test[0], signs[data.test[1]])
    before, _ = cr.evaluate(net, nn.HalfSquareLoss(), test, transform=cr.ops.scale)
    print(f"matrices of 784 x 64, 64 x 32 and 32 x 10, each with tanh; before training: L {before:.4f}")
    history = cr.fit(net, nn.HalfSquareLoss(), cr.optim.SGD(0.01, momentum=0.9), (data.train[0], targets), test, epochs=6, transform=cr.ops.scale)
    for e in history:
        print(f"epoch {e.epoch}: L {e.train_loss:.4f} while training, {e.test_loss:.4f} on the test images")
    right = float((net(data.test[0]).argmax(1) == data.test[1]).mean())
    print(f"{right:.1%} of {len(data.test[0])} test images are right; L went from {before:.4f} to {history[-1].test_loss:.4f}")

    top = nn.Sequential(*document004(32, 10)).init(seed=0)  # the last matrix alone, with the weights that were found
    top.load_state_dict({"0.weight": net.state_dict()["5.weight"]})
    y = np.random.default_rng(0).normal(size=(1, 32)).astype(np.float32)  # y': before the activation
    x, t = np.tanh(y), targets[:1]
    o = top(x)
    delta = (o - t) * (1 - o**2)  # ∂L/∂y
    w = net.state_dict()["5.weight"].T  # [in, out]
    by_hand = cr.ops.chained_back(1 - x**2, w, delta)[0]  # as matrices: diag(φ'(y')) W δ
    _, grads = cr.value_and_grad(top, nn.HalfSquareLoss())(x, t)
    error = float(np.abs(by_hand - grads["input"][0] * (1 - x[0] ** 2)).max() / np.abs(by_hand).max())
    print(f"diag(φ'(y')) W δ and the derived gradient differ by {error:.0e} of their size: the same, in single precision")
    return right


if __name__ == "__main__":
    main()
