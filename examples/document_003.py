"""Document 003's network (convolution, biases of places, ReLU, max-pooling, fully connected, softmax, cross-entropy) on a part of Fashion-MNIST:
`python examples/document_003.py`"""

import chainrule as cr
from chainrule.nn.documents import document003
from chainrule.train.data import sample


def main() -> float:
    data = sample()
    net = document003().init(seed=0)
    print(f"{data.source}: {len(data.train[0])} images to train on and {len(data.test[0])} to test, 28 x 28, 10 classes (guessing is right in 10 %)")
    print(net)
    loss = cr.nn.ProbabilityCrossEntropyLoss()  # of class numbers: t is 1 at the class and 0 elsewhere
    before, right = cr.evaluate(net, loss, data.test, transform=cr.ops.scale)
    print(f"before training: S {before:.4f}, {right:.1%} of the test images are right")
    history = cr.fit(net, loss, cr.optim.SGD(0.02, momentum=0.9), data.train, data.test, epochs=5, transform=cr.ops.scale)
    for e in history:
        print(f"epoch {e.epoch}: S {e.train_loss:.4f} while training, {e.test_loss:.4f} on the test images, {e.seconds:.1f} s")
    right = float((net(data.test[0]).argmax(1) == data.test[1]).mean())  # equation (16)
    print(
        f"{right:.1%} of {len(data.test[0])} test images are right, by one map of a 5 x 5 kernel; S went from {before:.4f} to {history[-1].test_loss:.4f}"
    )
    return right


if __name__ == "__main__":
    main()
