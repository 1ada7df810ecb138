"""Document 001's network on a part of Fashion-MNIST, by cross-correlation and by convolution: `python examples/document_001.py`

The two begin with the same kernels, those of one turned round: they learn the same.
"""

import numpy as np

import chainrule as cr
from chainrule.nn.documents import document001
from chainrule.train.data import sample


def main() -> list[float]:
    data = sample()
    print(f"{data.source}: {len(data.train[0])} images to train on and {len(data.test[0])} to test, 28 x 28, 10 classes (guessing is right in 10 %)")
    print("document 001's network, cross-entropy, batches of 16, lr 0.01, momentum 0.9")
    start = document001().init(seed=0).state_dict()
    found = []
    for flip in (False, True):
        net = document001(flip=flip)
        net.load_state_dict({k: np.ascontiguousarray(v[:, :, ::-1, ::-1]) if flip and v.ndim == 4 else v for k, v in start.items()})
        history = cr.fit(
            net, cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.01, momentum=0.9), data.train, data.test, epochs=8, batch_size=16, transform=cr.ops.scale
        )
        print("convolution, from the same kernels turned round" if flip else "cross-correlation")
        for e in history:
            print(f"  epoch {e.epoch}: loss {e.train_loss:.4f}, test accuracy {e.test_accuracy:.1%}, {e.seconds:.1f} s")
        found.append(history[-1].train_loss)
    print(f"after 8 epochs the two losses differ by {abs(found[0] - found[1]) / found[0]:.0e} of their size: the conventions are one network")
    return found


if __name__ == "__main__":
    main()
