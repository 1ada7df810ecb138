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
    print(data.source)
    print(f"{len(x)} images of {', '.join(data.classes[k] for k in CLASSES)}; x1 = x0 - eta df/dx, eta = 0.5")
    history = cr.fit(
        net, cr.nn.HalfSquareLoss(), cr.optim.SGD(0.5), (x, np.eye(3, dtype=np.float32)[t]), epochs=15, batch_size=16, transform=cr.ops.scale
    )
    for e in history.epochs[::5] + history.epochs[-1:]:
        print(f"epoch {e.epoch}: E {e.train_loss:.4f}")
    right = float((net(test).argmax(1) == answers).mean())
    print(f"{right:.1%} of {len(test)} test images")
    return right


if __name__ == "__main__":
    main()
