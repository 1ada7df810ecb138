"""Document 000's LeNet (a bias for each place, average pooling, softmax, half squares) on a part of Fashion-MNIST: `python examples/document_000.py`"""

import chainrule as cr
from chainrule.nn.documents import document000
from chainrule.train.data import sample


def main() -> float:
    data = sample()
    net = document000().init(seed=0)
    print(f"{data.source}: {len(data.train[0])} images to train on and {len(data.test[0])} to test, 28 x 28, 10 classes (guessing is right in 10 %)")
    print(
        f"LeNet with average pooling, softmax and half squares: {sum(v.size for v in net.state_dict().values()):,} parameters, of which {6 * 28 * 28 + 16 * 10 * 10:,} are biases of places"
    )
    loss = cr.nn.HalfSquareLoss()  # of class numbers: the target is 1 at the class and 0 elsewhere
    before, right = cr.evaluate(net, loss, data.test, transform=cr.ops.scale)
    print(f"before training: E {before:.4f}, {right:.1%} of the test images are right")
    history = cr.fit(net, loss, cr.optim.SGD(0.1, momentum=0.9), data.train, data.test, epochs=6, transform=cr.ops.scale)
    for e in history:
        print(f"epoch {e.epoch}: E {e.train_loss:.4f} while training, {e.test_loss:.4f} on the test images, {e.seconds:.1f} s")
    right = float(history[-1].test_accuracy or 0)
    print(f"{right:.1%} of {len(data.test[0])} test images are right; E went from {before:.4f} to {history[-1].test_loss:.4f}")
    return right


if __name__ == "__main__":
    main()
