"""Document 001's network on a part of Fashion-MNIST, by cross-correlation and by convolution: `python examples/document_001.py`

The two begin with the same kernels, those of one turned round: they learn the same.
"""

import numpy as np

import chainrule as cr
from chainrule.nn.documents import document001
from chainrule.train.data import sample


def main() -> list[float]:
    data = sample()
    print(data.source)
    start = document001().init(seed=0).state_dict()
    found = []
    for flip in (False, True):
        net = document001(flip=flip)
        net.load_state_dict({k: np.ascontiguousarray(v[:, :, ::-1, ::-1]) if flip and v.ndim == 4 else v for k, v in start.items()})
        history = cr.fit(
            net, cr.nn.CrossEntropyLoss(), cr.optim.SGD(0.01, momentum=0.9), data.train, data.test, epochs=8, batch_size=16, transform=cr.ops.scale
        )
        print("convolution" if flip else "cross-correlation")
        for e in history:
            print(f"  epoch {e.epoch}: loss {e.train_loss:.4f}, test accuracy {e.test_accuracy:.1%}, {e.seconds:.1f} s")
        found.append(history[-1].train_loss)
    return found


if __name__ == "__main__":
    main()
