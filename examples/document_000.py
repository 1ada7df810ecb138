"""Document 000's LeNet (a bias for each place, average pooling, softmax, half squares) on a part of Fashion-MNIST: `python examples/document_000.py`"""

import numpy as np

import chainrule as cr
from chainrule.nn.documents import document000
from chainrule.train.data import sample


def main() -> float:
    data = sample()
    net = document000().init(seed=0)
    (x, t), (test, answers) = data.train, data.test
    ones = np.eye(10, dtype=np.float32)
    print(data.source)
    print(f"{sum(v.size for v in net.state_dict().values()):,} parameters, of which {6 * 28 * 28 + 16 * 10 * 10:,} are biases of places")
    history = cr.fit(net, cr.nn.HalfSquareLoss(), cr.optim.SGD(0.1, momentum=0.9), (x, ones[t]), epochs=6, transform=cr.ops.scale)
    for e in history:
        print(f"epoch {e.epoch}: half squares {e.train_loss:.4f}, {e.seconds:.1f} s")
    right = float((net(test).argmax(1) == answers).mean())
    print(f"{right:.1%} of {len(test)} test images")
    return right


if __name__ == "__main__":
    main()
