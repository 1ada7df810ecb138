"""Document 002's network of two sigmoid layers, 4 and 3 wide as in its picture, by gradient descent on three classes of Fashion-MNIST:
`python examples/document_002.py`"""

import numpy as np

import chainrule as cr
from chainrule.nn.documents import document002
from chainrule.train.data import sample

CLASSES = (1, 7, 8)  # trousers, sneakers, bags


def chosen(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The images of the three classes, and their numbers among these."""
    x, t = pair
    return x[np.isin(t, CLASSES)], np.searchsorted(CLASSES, t[np.isin(t, CLASSES)])


def main() -> float:
    data = sample()
    (x, t), (test, answers) = chosen(data.train), chosen(data.test)
    net = document002().init(seed=0)
    loss = cr.nn.HalfSquareLoss()
    print(data.source)
    print(f"{len(x)} images of {', '.join(data.classes[k] for k in CLASSES)} to train on and {len(test)} to test (guessing is right in 33 %)")
    before, right = cr.evaluate(net, loss, (test, answers), transform=cr.ops.scale)
    print(f"784 inputs, 4 and 3 sigmoid units; before training: E {before:.4f}, {right:.1%} of the test images are right")
    print("gradient descent, x1 = x0 - eta df/dx, eta = 0.5, on batches of 16")
    history = cr.fit(net, loss, cr.optim.SGD(0.5), (x, t), (test, answers), epochs=15, batch_size=16, transform=cr.ops.scale)
    for e in history.epochs[::5] + history.epochs[-1:]:
        print(f"epoch {e.epoch}: E {e.train_loss:.4f} while training, {e.test_loss:.4f} on the test images")
    right = float(history[-1].test_accuracy or 0)
    print(f"{right:.1%} of {len(test)} test images are right; E went from {before:.4f} to {history[-1].test_loss:.4f}")
    return right


if __name__ == "__main__":
    main()
