"""Document 003's network (convolution, biases of places, ReLU, max-pooling, fully connected, softmax, cross-entropy) on a part of Fashion-MNIST:
`python examples/document_003.py`"""

import numpy as np

import chainrule as cr
from chainrule.nn.documents import document003
from chainrule.train.data import sample


def main() -> float:
    data = sample()
    net = document003().init(seed=0)
    print(data.source)
    print(net)
    targets = np.eye(10, dtype=np.float32)[data.train[1]]
    loss = cr.nn.ProbabilityCrossEntropyLoss()
    history = cr.fit(net, loss, cr.optim.SGD(0.02, momentum=0.9), (data.train[0], targets), epochs=5, transform=cr.ops.scale)
    for e in history:
        print(f"epoch {e.epoch}: S {e.train_loss:.4f}, {e.seconds:.1f} s")
    right = float((net(data.test[0]).argmax(1) == data.test[1]).mean())  # equation (16)
    print(f"{right:.1%} of {len(data.test[0])} test images")
    return right


if __name__ == "__main__":
    main()
