"""The table of operations that every part of the project is held against: formula, sizes, settings.

Sizes are nasty on purpose: strides of 2 and 3, overlapping windows, padding with negative inputs, axes that differ,
at least 2 channels and 3 classes. A value of N is replaced by the numbers of samples a test asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from chainrule import Op, op, ops


@dataclass(frozen=True)
class Case:
    """An operation with shapes of its inputs ("N" is the number of samples) and settings.

    classes: inputs that are class numbers below the given count. positive: inputs that must be above 0. shifted: between 0 and 1.
    """

    id: str
    op: Op
    shapes: dict[str, tuple[object, ...]]
    settings: dict[str, object] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    positive: frozenset[str] = frozenset()
    shifted: frozenset[str] = frozenset()

    def arrays(self, samples: int, seed: int = 0, dtype: type = np.float64) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([seed, samples])
        out: dict[str, np.ndarray] = {}
        for name, shape in self.shapes.items():
            full = tuple(samples if s == "N" else s for s in shape)
            if name in self.classes:
                out[name] = rng.integers(0, self.classes[name], full)
            else:
                a = rng.normal(size=full)
                inside = 1 / (1 + np.exp(-a)) if name in self.shifted else a
                out[name] = (np.abs(a) + 0.3 if name in self.positive else inside).astype(dtype)
        return out

    @property
    def wrt(self) -> list[str]:
        return [k for k in self.shapes if k not in self.classes]

    @property
    def numbers(self) -> dict[str, object]:
        return dict(self.op.definition.settings) | self.settings


def own(text: str, **shapes: tuple[object, ...]) -> Case:
    made = op(text)
    return Case(made.name, made, shapes)


LIBRARY = [
    Case("conv2d", ops.conv2d, {"x": ("N", 2, 7, 6), "w": (3, 2, 3, 2), "b": (3,)}),
    Case("conv2d-stride2-pad", ops.conv2d, {"x": ("N", 2, 9, 8), "w": (3, 2, 3, 4), "b": (3,)}, {"s": 2, "p": 2}),
    Case("conv2d-stride3", ops.conv2d, {"x": ("N", 2, 11, 8), "w": (2, 2, 2, 5), "b": (2,)}, {"s": 3, "p": 1}),
    Case("conv2d-dilation", ops.conv2d, {"x": ("N", 2, 9, 8), "w": (3, 2, 3, 2), "b": (3,)}, {"s": 1, "p": 2, "d": 2}),
    Case("conv2d-stride2-dilation3", ops.conv2d, {"x": ("N", 2, 13, 12), "w": (3, 2, 3, 2), "b": (3,)}, {"s": 2, "p": 3, "d": 3}),
    Case("conv2d-stride2-dilation2", ops.conv2d, {"x": ("N", 2, 11, 12), "w": (3, 2, 3, 2), "b": (3,)}, {"s": 2, "p": 1, "d": 2}),
    Case("conv2d-wide-pad", ops.conv2d, {"x": ("N", 1, 4, 5), "w": (2, 1, 3, 3), "b": (2,)}, {"p": 4}),
    Case("conv2d_plain", ops.conv2d_plain, {"x": ("N", 3, 6, 6), "w": (5, 3, 3, 3)}, {"p": 1}),
    Case("conv2d_rect", ops.conv2d_rect, {"x": ("N", 2, 9, 10), "w": (3, 2, 3, 4), "b": (3,)}, {"s": 2, "t": 3, "p": 1, "q": 2, "d": 2, "e": 1}),
    Case("conv2d_rect_plain", ops.conv2d_rect_plain, {"x": ("N", 2, 7, 8), "w": (3, 2, 3, 2)}, {"s": 2, "t": 1, "p": 0, "q": 1}),
    Case("conv1d-stride2", ops.conv.at({"x": 3}), {"x": ("N", 2, 11), "w": (3, 2, 4), "b": (3,)}, {"s": 2, "p": 3}),
    Case("conv3d", ops.conv.at({"x": 5}, without=("b",)), {"x": ("N", 2, 5, 4, 6), "w": (3, 2, 2, 3, 2)}, {"s": 2, "p": 1}),
    Case(
        "conv3d-apart",
        ops.conv.at({"x": 5}, apart=("s", "d")),
        {"x": ("N", 2, 5, 4, 6), "w": (2, 2, 2, 1, 3), "b": (2,)},
        {"s1": 2, "s3": 3, "d": 2, "p": 1},
    ),
    Case("conv0d", ops.conv.at({"x": 2}), {"x": ("N", 5), "w": (3, 5), "b": (3,)}),
    Case("linear", ops.linear, {"x": ("N", 37), "w": (21, 37), "b": (21,)}),
    Case("linear_plain", ops.linear_plain, {"x": ("N", 5), "w": (3, 5)}),
    Case("relu", ops.relu, {"x": ("N", 5)}),
    Case("sigmoid", ops.sigmoid, {"x": ("N", 5)}),
    Case("tanh", ops.tanh, {"x": ("N", 5)}),
    Case("softmax", ops.softmax, {"z": ("N", 5)}),
    Case("max_pool2d", ops.max_pool2d, {"x": ("N", 2, 7, 8)}),
    Case("max_pool2d-overlap-pad", ops.max_pool2d, {"x": ("N", 2, 8, 7)}, {"k": 3, "s": 2, "p": 1}),
    Case("max_pool1d", ops.max_pool.at({"x": 3}), {"x": ("N", 2, 9)}, {"k": 3, "s": 2, "p": 1}),
    Case("max_pool3d-apart", ops.max_pool.at({"x": 5}, apart=("k", "p")), {"x": ("N", 2, 4, 5, 6)}, {"k": 2, "l": 3, "m": 1, "p": 1, "q": 0, "r": 0}),
    Case("avg_pool3d", ops.avg_pool.at({"x": 5}), {"x": ("N", 2, 4, 5, 6)}, {"k": 3, "s": 2, "p": 1}),
    Case("max_pool2d-gaps", ops.max_pool2d, {"x": ("N", 2, 9, 8)}, {"k": 2, "s": 3}),
    Case("max_pool2d_rect", ops.max_pool2d_rect, {"x": ("N", 2, 9, 10)}, {"k": 2, "l": 3, "s": 3, "t": 2, "p": 1, "q": 0, "d": 2, "e": 1}),
    Case("avg_pool2d", ops.avg_pool2d, {"x": ("N", 2, 7, 8)}, {"k": 3, "s": 2, "p": 1}),
    Case("batch_norm", ops.batch_norm, {"x": ("N", 3, 4, 5), "w": (3,), "b": (3,)}),
    Case("batch_norm-features", ops.batch_norm.at({"x": 2}, without=("w", "b")), {"x": ("N", 3)}, {"eps": 0.1}),
    Case("batch_norm_fixed", ops.batch_norm_fixed, {"x": ("N", 3, 4, 5), "m": (3,), "v": (3,), "w": (3,), "b": (3,)}, positive=frozenset({"v"})),
    Case("running_mean", ops.running_mean, {"a": (4,), "m": (4,), "f": ()}),
    Case("running_variance", ops.running_variance, {"x": ("N", 3, 4, 5), "a": (3,), "v": (3,), "f": ()}),
    Case("linear-places", ops.linear.at({"x": 3}), {"x": ("N", 3, 5), "w": (4, 5), "b": (4,)}),
    Case("flatten", ops.flatten, {"x": ("N", 2, 3, 4)}),
    Case("flatten3", ops.flatten3, {"x": ("N", 2, 3)}),
    Case("grouped_conv", ops.grouped_conv.at({"x": 4}), {"x": ("N", 6, 7, 6), "w": (9, 2, 3, 2), "b": (9,)}, {"g": 3, "s": 2, "p": 1}),
    Case("grouped_conv-depthwise", ops.grouped_conv.at({"x": 3}, without=("b",)), {"x": ("N", 3, 9), "w": (6, 1, 4)}, {"g": 3, "d": 2}),
    Case("grouped_conv-one", ops.grouped_conv.at({"x": 4}), {"x": ("N", 2, 5, 6), "w": (3, 2, 2, 3), "b": (3,)}),
    Case("pixel_shuffle", ops.pixel_shuffle, {"x": ("N", 8, 3, 2)}),
    Case("pixel_shuffle-apart", ops.pixel_shuffle.at({"x": 4}, apart=("r",)), {"x": ("N", 12, 3, 2)}, {"r": 2, "s": 3}),
    Case("pixel_unshuffle", ops.pixel_unshuffle, {"x": ("N", 2, 5, 6)}),
    Case("pixel_unshuffle1d", ops.pixel_unshuffle.at({"x": 3}), {"x": ("N", 2, 9)}, {"r": 3}),
    Case("softmax-pixels", ops.softmax.at({"z": 4}), {"z": ("N", 5, 2, 3)}),
    Case("cross_entropy-pixels", ops.cross_entropy.at({"z": 4}), {"z": ("N", 5, 2, 3), "t": ("N", 2, 3)}, classes={"t": 5}),
    Case("scale", ops.scale, {"x": ("N", 2, 3, 4)}),
    Case("cross_entropy", ops.cross_entropy, {"z": ("N", 5), "t": ("N",)}, classes={"t": 5}),
    Case("dropout", ops.dropout, {"x": ("N", 5), "seed": ()}, {"p": 0.3}, classes={"seed": 100}),
    Case("noise", ops.noise.at({"x": 3}), {"x": ("N", 3, 2), "seed": ()}, classes={"seed": 100}),
    Case("mse", ops.mse, {"y": ("N", 5), "t": ("N", 5)}),
    Case("half_square", ops.half_square, {"y": ("N", 5), "t": ("N", 5)}),
]

COMMON = len(LIBRARY)

# Operations of one input, element by element, and of predictions and targets: all alike.
POINTWISE = ("identity", "leaky_relu", "elu", "celu", "selu", "gelu", "gelu_tanh", "silu", "mish", "smooth_relu", "softsign", "log_sigmoid", "hardtanh",
             "hardsigmoid", "hardswish", "threshold", "hardshrink", "softshrink", "tanhshrink")  # fmt: skip
LIBRARY += [Case(k, getattr(ops, k), {"x": ("N", 5)}) for k in POINTWISE]
ERRORS = ("squared_error", "absolute_error", "huber", "smooth_l1", "soft_margin", "hinge", "hinge_embedding", "poisson_nll", "kl_divergence_of_logs",
          "half_squares")  # fmt: skip
LIBRARY += [Case(k, getattr(ops, k), {"y": ("N", 5), "t": ("N", 5)}) for k in ERRORS]
LIBRARY += [
    Case("log_softmax", ops.log_softmax, {"z": ("N", 5)}),
    Case("prelu", ops.prelu.at({"x": 2}), {"x": ("N", 3), "w": (3,)}),
    Case("prelu-pixels", ops.prelu.at({"x": 4}), {"x": ("N", 3, 2, 4), "w": (3,)}),
    Case("glu", ops.glu, {"x": ("N", 6)}),
    Case("glu-pixels", ops.glu.at({"x": 4}), {"x": ("N", 4, 2, 3)}),
    Case("mean_loss", ops.mean_loss, {"l": ("N", 5)}),
    Case("sum_loss", ops.sum_loss, {"l": ("N", 5)}),
    Case("weighted_mean", ops.weighted_mean, {"l": ("N", 5), "v": ("N", 5)}, positive=frozenset({"v"})),
    Case("cross_entropy_of_probabilities", ops.cross_entropy_of_probabilities, {"y": ("N", 5), "t": ("N", 5)}, positive=frozenset({"y"})),
    Case("binary_cross_entropy", ops.binary_cross_entropy, {"y": ("N", 3), "t": ("N", 3)}, shifted=frozenset({"y"})),
    Case("binary_cross_entropy_with_logits", ops.binary_cross_entropy_with_logits.at({"z": 2}, without=("w",)), {"z": ("N", 5), "t": ("N", 5)}),
    Case("binary_cross_entropy_with_logits-weights", ops.binary_cross_entropy_with_logits, {"z": ("N", 5), "t": ("N", 5), "w": ("N", 5)}),
    Case("kl_divergence", ops.kl_divergence, {"y": ("N", 5), "t": ("N", 5)}, positive=frozenset({"t"})),
    Case("entropy", ops.entropy, {"t": ("N", 5)}, positive=frozenset({"t"})),
    Case("gaussian_nll", ops.gaussian_nll, {"y": ("N", 5), "t": ("N", 5), "v": ("N", 5)}, positive=frozenset({"v"})),
    Case("poisson_nll_of_means", ops.poisson_nll_of_means, {"y": ("N", 5), "t": ("N", 5)}, positive=frozenset({"y"})),
    Case("stirling", ops.stirling, {"t": ("N", 5)}),
    Case("margin_ranking", ops.margin_ranking, {"x": ("N", 5), "z": ("N", 5), "t": ("N", 5)}),
    Case("cosine_embedding", ops.cosine_embedding, {"x": ("N", 5), "z": ("N", 5), "t": ("N",)}),
    Case("triplet_margin", ops.triplet_margin, {"a": ("N", 5), "p": ("N", 5), "q": ("N", 5)}),
    Case("triplet_margin-swap", ops.triplet_margin, {"a": ("N", 5), "p": ("N", 5), "q": ("N", 5)}, {"swap": 1, "margin": 3.0}),
    Case("multi_margin", ops.multi_margin, {"y": ("N", 5), "t": ("N",), "w": (5,)}, {"p": 2}, classes={"t": 5}),
    Case("multi_label_margin", ops.multi_label_margin, {"y": ("N", 5), "t": ("N", 5)}, classes={"t": 5}),
    Case("half_squares_of_classes", ops.half_squares_of_classes, {"y": ("N", 5), "t": ("N",)}, classes={"t": 5}),
    Case(
        "cross_entropy_of_classes",
        ops.cross_entropy_of_classes.at({"y": 3}),
        {"y": ("N", 4, 3), "t": ("N", 3)},
        positive=frozenset({"y"}),
        classes={"t": 4},
    ),
    Case("nll", ops.nll, {"y": ("N", 5), "t": ("N",), "w": (5,)}, {"skip": 2}, classes={"t": 5}),
    Case("smoothed_cross_entropy", ops.smoothed_cross_entropy, {"z": ("N", 5), "t": ("N",), "w": (5,)}, {"e": 0.1, "skip": 2}, classes={"t": 5}),
    Case("soft_cross_entropy", ops.soft_cross_entropy, {"z": ("N", 5), "t": ("N", 5), "w": (5,)}, {"e": 0.1}),
    Case("chained_back", ops.chained_back, {"s": ("N", 3), "w": (3, 4), "d": ("N", 4)}),
    Case("bilinear", ops.bilinear, {"x": ("N", 3), "z": ("N", 4), "w": (5, 3, 4), "b": (5,)}),
    Case("embedding", ops.embedding, {"t": ("N", 3), "w": (5, 4)}, classes={"t": 5}),
    Case("conv_transpose", ops.conv_transpose.at({"x": 4}), {"x": ("N", 2, 4, 5), "w": (2, 3, 3, 2), "b": (3,)}, {"s": 2, "p": 1, "q": 1}),
    Case("conv_transpose1d-dilation", ops.conv_transpose.at({"x": 3}, without=("b",)), {"x": ("N", 2, 5), "w": (2, 3, 3)}, {"s": 3, "d": 2}),
    Case("grouped_conv_transpose", ops.grouped_conv_transpose.at({"x": 4}), {"x": ("N", 4, 3, 4), "w": (4, 3, 2, 3), "b": (6,)}, {"g": 2, "s": 2}),
    Case("convolve", ops.convolve.at({"x": 4}), {"x": ("N", 2, 6, 5), "w": (3, 2, 3, 2), "b": (3,)}, {"a": 1, "z": 1, "s": 2}),
    Case(
        "convolve-rect",
        ops.convolve.at({"x": 4}, apart=("s", "d")),
        {"x": ("N", 2, 9, 8), "w": (3, 2, 3, 2), "b": (3,)},
        {"s": 2, "t": 3, "a": -1, "z": 3, "d": 2, "e": 3},
    ),
    Case("convolve-unflipped", ops.convolve.at({"x": 4}), {"x": ("N", 2, 6, 7), "w": (3, 2, 3, 2), "b": (3,)}, {"a": 2, "z": 1, "s": 2, "flip": 0}),
    Case(
        "grouped_convolve", ops.grouped_convolve.at({"x": 3}), {"x": ("N", 4, 9), "w": (6, 2, 3), "b": (6,)}, {"g": 2, "a": 1, "z": 2, "s": 2, "d": 2}
    ),
    Case("cell_bias", ops.cell_bias, {"x": ("N", 2, 3, 4), "b": (2, 3, 4)}),
    Case("pad", ops.pad.at({"x": 4}), {"x": ("N", 2, 3, 4)}, {"p": 1, "q": 2, "value": 0.5}),
    Case("pad_reflect", ops.pad_reflect, {"x": ("N", 2, 5, 3)}, {"p": 2, "q": 4}),
    Case("pad_replicate", ops.pad_replicate, {"x": ("N", 2, 3, 2)}, {"p": 2, "q": 4}),
    Case("pad_circular", ops.pad_circular, {"x": ("N", 2, 5, 2)}, {"p": 2, "q": 4}),
    Case("max_pool-more", ops.max_pool.at({"x": 4}), {"x": ("N", 2, 6, 8)}, {"k": 3, "s": 2, "more": 1}),
    Case("max_pool_winner", ops.max_pool_winner.at({"x": 4}), {"x": ("N", 2, 6, 8)}, {"k": 3, "s": 2, "p": 1}),
    Case("window_place", ops.window_place, {"a": ("N", 2, 3, 4)}, {"w": 3, "k": 2}),
    Case("sum_pool", ops.sum_pool, {"x": ("N", 2, 7, 8)}, {"k": 3, "s": 2, "p": 1}),
    Case("avg_pool_inside", ops.avg_pool_inside, {"x": ("N", 2, 6, 8)}, {"k": 3, "s": 2, "p": 1, "more": 1}),
    Case("avg_pool_apart", ops.avg_pool_inside, {"x": ("N", 2, 7, 8)}, {"k": 3, "s": 2, "p": 2, "d": 3, "e": 1, "z": 2, "more": 1}),
    Case("lp_pool", ops.lp_pool, {"x": ("N", 2, 7, 8)}, {"k": 3, "s": 2, "p": 1, "d": 2}),
    Case("adaptive_avg_pool", ops.adaptive_avg_pool.at({"x": 4}, apart=("o",)), {"x": ("N", 2, 7, 5)}, {"o": 3, "p": 4}),
    Case("adaptive_max_pool", ops.adaptive_max_pool.at({"x": 4}, apart=("o",)), {"x": ("N", 2, 7, 5)}, {"o": 3, "p": 4}),
    Case("adaptive_max_pool_winner", ops.adaptive_max_pool_winner.at({"x": 4}, apart=("o",)), {"x": ("N", 2, 7, 5)}, {"o": 3, "p": 4}),
    Case("adaptive_window_place", ops.adaptive_window_place, {"a": ("N", 2, 3, 4)}, {"w": 3, "k": 2, "v": 7}),
    Case("upsample_nearest", ops.upsample_nearest, {"x": ("N", 2, 3, 4)}, {"o": 7, "a": 3, "b": 7}),
    Case("upsample_linear", ops.upsample_linear, {"x": ("N", 2, 5, 3)}, {"o": 7, "r": 10, "t": -2, "e": 14}),
    Case("nearest_exact", ops.nearest_exact, {"x": ("N", 2, 5, 3)}, {"o": 7, "a": 5, "b": 7}),
    Case("layer_norm", ops.layer_norm.at({"x": 3, "w": 1}), {"x": ("N", 3, 5), "w": (5,), "b": (5,)}),
    Case("layer_norm-two", ops.layer_norm.at({"x": 3, "w": 2}, without=("b",)), {"x": ("N", 3, 5), "w": (3, 5)}),
    Case("rms_norm", ops.rms_norm.at({"x": 3, "w": 1}), {"x": ("N", 3, 5), "w": (5,)}),
    Case("group_norm", ops.group_norm.at({"x": 4}), {"x": ("N", 6, 3, 2), "w": (6,), "b": (6,)}, {"g": 3}),
    Case("local_response_norm", ops.local_response_norm.at({"x": 4}), {"x": ("N", 6, 3, 2)}, {"k": 3, "alpha": 0.3}),
    Case("crop_places", ops.crop_places.at({"x": 3}), {"x": ("N", 4, 5), "seed": ()}, {"h": 3, "w": 4}, classes={"seed": 100}),
    Case("pixels_at", ops.pixels_at.at({"x": 4}), {"x": ("N", 2, 4, 3), "row": ("N", 2), "column": ("N", 5)}, classes={"row": 4, "column": 3}),
    Case("random_flip", ops.random_flip.at({"x": 3}), {"x": ("N", 3, 4), "seed": ()}, {"p": 0.4}, classes={"seed": 100}),
    Case("random_flip_rows", ops.random_flip_rows.at({"x": 4}), {"x": ("N", 2, 3, 4), "seed": ()}, {"p": 0.4}, classes={"seed": 100}),
    Case("random_erase", ops.random_erase.at({"x": 4}), {"x": ("N", 2, 5, 6), "seed": ()}, {"p": 0.8, "value": 0.3}, classes={"seed": 100}),
    Case("dropout_channels", ops.dropout_channels, {"x": ("N", 5, 3), "seed": ()}, {"p": 0.3}, classes={"seed": 100}),
]

OWN = [
    own("conv3d(x[n,C,D,H,W], w[O,C,A,B,G]; s=2, p=1) -> y[n,O,(D+2*p-A)//s+1,(H+2*p-B)//s+1,W-G+1]\n"
        " y[n,o,d,i,j] = sum[c,a,u,v](w[o,c,a,u,v] * x[n,c,s*d+a-p,s*i+u-p,j+v])", x=("N", 2, 5, 6, 5), w=(3, 2, 2, 3, 2)),
    own("conv1d(x[n,C,T], w[O,C,K]; s=1, p=0) -> y[n,O,(T+2*p-K)//s+1]\n y[n,o,m] = sum[c,q](w[o,c,q] * x[n,c,s*m+q-p])", x=("N", 3, 11), w=(4, 3, 3)),
    own("depthwise(x[n,C,H,W], w[C,K,L]; p=1) -> y[n,C,H+2*p-K+1,W+2*p-L+1]\n y[n,c,i,j] = sum[u,v](w[c,u,v] * x[n,c,i+u-p,j+v-p])", x=("N", 3, 6, 5), w=(3, 3, 2)),
    own("transposed(x[n,C,H], w[C,O,K]; s=2) -> y[n,O,(H-1)*s+K]\n y[n,o,r] = sum[c,i](w[c,o,r-s*i] * x[n,c,i])", x=("N", 3, 5), w=(3, 2, 4)),
    own("true_convolution(x[n,H], w[K]) -> y[n,H+K-1]\n y[n,i] = sum[u](w[u] * x[n,i-u])", x=("N", 6), w=(3,)),
    own("locally(x[n,C,H], w[O,C,I,K]) -> y[n,O,I]\n y[n,o,i] = sum[c,k](w[o,c,i,k] * x[n,c,i+k])", x=("N", 2, 6), w=(3, 2, 4, 3)),
    own("bilinear(a[n,I], b[n,J], w[I,J,K]) -> y[n,K]\n y[n,k] = sum[i,j](a[n,i] * b[n,j] * w[i,j,k])", a=("N", 4), b=("N", 3), w=(4, 3, 5)),
    own("norm(x[n,C,H,W], g[C], b[C]; eps=1e-5) -> y[n,C,H,W]\n m[c] = mean[n,i,j](x[n,c,i,j])\n v[c] = mean[n,i,j]((x[n,c,i,j]-m[c])**2)\n"
        " y[n,c,i,j] = g[c]*(x[n,c,i,j]-m[c])/sqrt(v[c]+eps)+b[c]", x=("N", 3, 4, 5), g=(3,), b=(3,)),
    own("layer_norm(x[n,D], g[D]; eps=1e-3) -> y[n,D]\n m[n] = mean[i](x[n,i])\n y[n,d] = g[d]*(x[n,d]-m[n])/sqrt(mean[i]((x[n,i]-m[n])**2)+eps)", x=("N", 7), g=(7,)),
    own("attention(q[n,T,D], k[n,T,D], v[n,T,D]) -> y[n,T,D]\n s[n,i,j] = sum[d](q[n,i,d]*k[n,j,d])/sqrt(D)\n"
        " e[n,i,j] = exp(s[n,i,j]-max[l](s[n,i,l]))*(j<=i)\n y[n,i,d] = sum[j](e[n,i,j]*v[n,j,d])/sum[j](e[n,i,j])", q=("N", 4, 3), k=("N", 4, 3), v=("N", 4, 3)),
    own("nested(x[n,D], w[K]; q=3) -> y[n,D]\n y[n,i] = tanh(sum[u](w[u]*max[v:q](x[n,i-u+v]))) + x[n,i]**3", x=("N", 9), w=(2,)),
    own("product(x[n,D], w[n,D]; q=3, p=1) -> y[n,D]\n y[n,i] = sum[u:q](x[n,i+u-p]+w[n,i-u]*2)", x=("N", 6), w=("N", 6)),
    own("difference(x[n,D]) -> y[n,D-1]\n y[n,i] = (x[n,i+1]-x[n,i])**2", x=("N", 6)),
    own("every_third(x[n,D]) -> y[n,(D-1)//3+1]\n y[n,i] = x[n,3*i]/(1+abs(x[n,3*i]))", x=("N", 11)),
    own("wrapped(x[n,D]) -> y[n,D]\n y[n,i] = x[n,(i+2)%D]*x[n,D-1-i]", x=("N", 5)),
    own("pairs(x[n,D]) -> y[n,D,D]\n y[n,i,j] = exp(-(x[n,i]-x[n,j])**2)", x=("N", 4)),
    own("matmul(a[M,K], b[K,P]) -> y[M,P]\n y[i,j] = sum[k](a[i,k]*b[k,j])", a=(7, 5), b=(5, 19)),
    own("gram(x[n,D]) -> y[D,D]\n y[i,j] = sum[n](x[n,i]*x[n,j])", x=("N", 5)),
    own("between_samples(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i] - max[m:N](x[m,i])/2 + sum[m:N](x[m,i]*(m<n))", x=("N", 4)),
    own("best_sample(x[n,D]) -> y[n], z[D]\n y[n] = min[i](x[n,i]) * max[i](x[n,i])\n z[i] = max[n](x[n,i])", x=("N", 4)),
    own("energy(x[I,J]) -> E\n E = sum[i,j](x[i,j]**2)/2", x=(5, 6)),
    own("diagonal(a[M,M]) -> s, t[M]\n s = sum[i](a[i,i])\n t[i] = a[i,i]*s", a=(4, 4)),
    own("exotic(x[n,D], a[D]) -> y[n,D]\n y[n,i] = exp(a[i]*0.1)**a[i] + sum[j](where(x[n,j] > x[n,i], x[n,j], a[i]))/D + i*x[n,i]", x=("N", 5), a=(5,)),
    own("waves(x[n,D]) -> y[n,D]\n y[n,i] = sin(x[n,i])*cos(2*x[n,i]) + erf(x[n,i]) - tan(x[n,i]/4) + minimum(x[n,i], 0.2) - sign(x[n,i])*log(1+abs(x[n,i]))", x=("N", 5)),
    own("alternating(x[n,H,W]; s=2) -> y[n,H//s]\n y[n,i] = mean[v,u:s](x[n,s*i+u,v])", x=("N", 7, 3)),
    own("no_samples(x[A,B], w[B]) -> y[A], z\n y[a] = sum[b](x[a,b]*w[b])\n z = max[a](y[a]) - min[a](y[a])", x=(5, 4), w=(4,)),
    own("shared_twice(x[n,D], w[D,D]) -> y[n,D]\n h[n,i] = maximum(0, sum[k](w[i,k]*x[n,k]))\n y[n,i] = sum[k](w[k,i]*h[n,k]) + x[n,i]", x=("N", 6), w=(6, 6)),
    own("scalar_input(x[n,D], a) -> y[n,D], r\n y[n,i] = a*x[n,i]\n r = a**2 + mean[n,i](x[n,i])", x=("N", 3), a=()),
    own("skip_and_mirror(x[n,H]; s=2, k=3) -> y[n,H//s]\n y[n,i] = sum[u:k](x[n,s*i+2*u-3] * x[n,H-1-i])", x=("N", 9)),
    own("unsolvable(x[n,H], w[K]) -> y[n,4]\n y[n,i] = sum[u](w[u] * x[n,i*u])", x=("N", 6), w=(3,)),
]  # fmt: skip

CASES = LIBRARY + OWN
HALF = LIBRARY[:COMMON:2] + OWN  # for tests that take longest
CORE = [c for c in CASES if c not in LIBRARY[COMMON:]]  # for tests that take long for each: the forms that formulas have, each of them
