"""Optimisers, schedules and augmentation by name: what a text means is what the library's own classes mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.train import choices, run
from chainrule.train.choices import Run

RUN = Run(4, 50)  # epochs, and steps in each

OPTIMISERS: list[tuple[str, dict[str, float | None], optim.Optimizer]] = [
    ("sgd", {}, optim.SGD(0.02, 0.9)),
    ("sgd", {"lr": 0.5, "momentum": 0.0}, optim.SGD(0.5)),
    ("sgd:nesterov=true,lr=0.1", {"lr": None, "weight_decay": 0.01}, optim.SGD(0.1, 0.9, 0.01, nesterov=True)),
    ("adam", {}, optim.Adam()),
    ("adam: betas=0.8/0.95, amsgrad=True", {"lr": 0.01}, optim.Adam(0.01, (0.8, 0.95), amsgrad=True)),
    ("adamw:weight-decay=1e-3", {}, optim.AdamW(weight_decay=1e-3)),
    ("nadam", {}, optim.NAdam()),
    ("rmsprop:centered=true", {"momentum": 0.5}, optim.RMSprop(momentum=0.5, centered=True)),
    ("adagrad:lr_decay=0.1", {}, optim.Adagrad(lr_decay=0.1)),
]


@pytest.mark.parametrize("text, given, wanted", OPTIMISERS, ids=[t for t, _, _ in OPTIMISERS])
def test_an_optimiser_by_name(text: str, given: dict[str, float | None], wanted: optim.Optimizer) -> None:
    assert choices.optimizer(text, RUN, **given) == wanted


def test_every_optimiser_of_the_library_has_a_name() -> None:
    own = {v for v in vars(optim).values() if isinstance(v, type) and issubclass(v, optim.Optimizer) and hasattr(v, "__dataclass_fields__")}
    assert own == set(choices.OPTIMIZERS.values())


SCHEDULES: list[tuple[str, Callable[[int], float]]] = [
    ("cosine", optim.Cosine(0.3, 200)),
    ("cosine:least=0.1", optim.Cosine(0.3, 200, 0.1)),
    ("step:every=1.5,factor=0.5", optim.StepLR(0.3, 75, 0.5)),
    ("exponential:factor=0.5", lambda k: 0.3 * 0.5 ** ((k - 1) / 50)),
    ("ramp:last=0.1", optim.Ramp(0.3, 0.1, 200)),
    ("one-cycle:pct-start=0.4,anneal_strategy=linear", optim.OneCycle(0.3, 200, 0.4, "linear")),
    ("warmup:epochs=0.5", optim.Warmup(0.3, 25)),
    ("warmup:epochs=0.5,cosine", optim.Warmup(optim.Cosine(0.3, 200), 25)),
    ("plateau:patience=3", optim.Plateau(0.3, patience=3)),
]


@pytest.mark.parametrize("text, wanted", SCHEDULES, ids=[t for t, _ in SCHEDULES])
def test_a_schedule_by_name_counts_in_epochs(text: str, wanted: Callable[[int], float]) -> None:
    rate = choices.optimizer("sgd", RUN, text, lr=0.3).update.scalars["lr"]
    assert isinstance(rate, optim.Schedule)
    for k in (1, 2, 26, 51, 76, 130, 200, 300):
        assert rate(k) == pytest.approx(wanted(k), rel=1e-12)


def test_a_plateau_takes_all_that_its_class_takes() -> None:
    assert repr(choices.schedule("plateau:mode=max,metric=train_loss,min_lr=0.1,eps=0.5", 0.3, RUN)) == repr(
        optim.Plateau(0.3, "max", metric="train_loss", min_lr=0.1, eps=0.5)
    )


def test_augmentation_by_name() -> None:
    layers, is_normalised = choices.augmentation("crop:padding=2/3,fill=7, flip:p=0.25,normalise,erase:scale=0.1/0.2,value=3,flip-rows", (1, 28, 28))
    wanted = nn.Sequential(
        nn.RandomCrop(padding=(2, 3), fill=7), nn.RandomHorizontalFlip(0.25), nn.RandomErasing(scale=(0.1, 0.2), value=3), nn.RandomVerticalFlip()
    )
    assert is_normalised and repr(layers) == repr(wanted)
    assert choices.augmentation("normalise", (4,)) == choices.augmentation("normalize", (4,)) == (None, True) and choices.augmentation(
        None, (4,)
    ) == (None, False)


@pytest.mark.parametrize(
    "text", ["one-cycle:pct_start=0.2", "one-cycle:three_phase=true", "step:every=0.5", "warmup:epochs=0.1,one-cycle", "plateau"]
)
@pytest.mark.parametrize("epochs", [0, 1, 5])
def test_what_suits_enough_samples_is_not_refused_before_they_are_counted(text: str, epochs: int) -> None:
    settings = run.Settings("fashion-mnist", "lenet5", epochs, 64, None, None, None, 0, 1, schedule=text)
    settings.check()
    settings.optimiser(60000)


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: choices.optimizer("adamx", RUN), "^optimizer='adamx': 'adamx' is none; accepted: sgd, adam"),
    (lambda: choices.optimizer("", RUN), "^optimizer='': '' is none"),
    (lambda: choices.optimizer("sgd,adam", RUN), "^optimizer='sgd,adam': 2 optimisers"),
    (lambda: choices.optimizer("lr=3", RUN), "^optimizer='lr=3': 'lr=3' is none"),
    (lambda: choices.optimizer("sgd:lr", RUN), "^optimizer='sgd:lr': 'lr' is no setting; accepted: KEY=VALUE"),
    (lambda: choices.optimizer("adam:eps=1,eps=2", RUN), "^optimizer='adam:eps=1,eps=2': adam has eps twice"),
    (lambda: choices.schedule("step:factor=-1", 0.1, RUN), "^schedule='step:factor=-1': step: factor=-1"),
    (lambda: choices.optimizer("sgd:rate=1", RUN), "^optimizer='sgd:rate=1': sgd has no 'rate'; accepted: lr, momentum"),
    (lambda: choices.optimizer("sgd:lr=fast", RUN), "^optimizer='sgd:lr=fast': sgd: lr='fast': not usable"),
    (lambda: choices.optimizer("sgd:lr=1", RUN, lr=2.0), "^optimizer='sgd:lr=1': sgd has lr=1, and there is --lr 2"),
    (lambda: choices.optimizer("adam", RUN, momentum=0.5), "^'momentum': Adam has no such setting; accepted: lr, betas"),
    (lambda: choices.optimizer("adam:betas=0.9", RUN), "^optimizer='adam:betas=0.9': adam: betas=0.9"),
    (lambda: choices.schedule("cosine:lr=1", 0.1, RUN), "^schedule='cosine:lr=1': cosine has no 'lr'; accepted: least"),
    (lambda: choices.schedule("step:every=0", 0.1, RUN), "^schedule='step:every=0': step: every=0"),
    (lambda: choices.schedule("exponential:factor=-1", 0.1, RUN), "^schedule='exponential:factor=-1': exponential: factor=-1"),
    (lambda: choices.schedule("one-cycle,cosine", 0.1, RUN), "^schedule='one-cycle,cosine': one-cycle: it begins with a number"),
    (lambda: choices.schedule("plateau:metric=speed", 0.1, RUN), "^schedule='plateau:metric=speed': plateau: metric='speed'"),
    (lambda: choices.augmentation("crops", (1, 8, 8)), "^augment='crops': 'crops' is none; accepted: crop, flip"),
    (lambda: choices.augmentation("flip:p=2", (1, 8, 8)), "^augment='flip:p=2': flip: p=2"),
    (lambda: choices.augmentation("normalise:mean=2", (1, 8, 8)), "^augment='normalise:mean=2': normalise has no 'mean'"),
    (lambda: choices.augmentation("flip", (8,)), r"^augment='flip': for images, and samples are \[8\]"),
]


@pytest.mark.parametrize("call, problem", WRONG, ids=[p for _, p in WRONG])
def test_what_is_no_choice_is_answered(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(cr.ArgumentError, match=problem) as e:
        call()
    assert "accepted: " in str(e.value)
