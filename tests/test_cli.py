"""The command line does the main job, end to end, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule.train import data
from tests.test_data import idx, write

COMMAND = [sys.executable, "-m", "chainrule.cli"]


def run(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, env=os.environ | env, timeout=300)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    folder = Path(data.__file__).parent / "sample"
    done = run("train", "fashion-mnist", "--model", "lenet5", "--epochs", 3, "--batch-size", 32, "--data-dir", folder, "--out", out, "--threads", 2)
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().split("\n")[-1]
    assert last.startswith("test accuracy 0.") and len(last.split(".")[1]) == 4
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert last == f"test accuracy {rows[-1]['test_accuracy']:.4f}" != f"test accuracy {rows[0]['test_accuracy']:.4f}"
    return out


def test_a_run_leaves_all_it_promises(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in rows] == [1, 2, 3]
    assert all(set(r) == {"epoch", "seconds", "images_per_second", "train_loss", "test_accuracy", "test_loss"} for r in rows)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"] and rows[-1]["test_accuracy"] > 0.6
    settings = json.loads((trained / "settings.json").read_text())
    assert settings["batch_size"] == 32 and settings["lr"] == 0.02 and settings["seed"] == 0 and "sample" in settings["data"]
    svg = (trained / "curve.svg").read_text()
    assert svg.startswith("<svg") and svg.count("<circle") == 6
    net = cr.load(trained / "model.safetensors")
    assert next(iter(net.values)) == "0.weight"
    assert net.classes == data.FASHION_CLASSES and net.input is not None and net.input.shape == (1, 28, 28) and net.input.kind == "whole"
    images, labels = data.sample().test
    assert (net(images).argmax(axis=1) == labels).mean() == rows[-1]["test_accuracy"]


def test_predict_reads_pictures_and_idx(trained: Path, tmp_path: Path) -> None:
    images = data.sample().test[0]
    Image.fromarray(images[0, 0]).resize((56, 56)).save(tmp_path / "boot.png")
    Image.fromarray(np.stack([images[1, 0]] * 3, -1)).save(tmp_path / "pull.jpg")
    (tmp_path / "three-ubyte").write_bytes(idx(images[:3, 0]))
    done = run("predict", trained / "model.safetensors", tmp_path / "boot.png", tmp_path / "pull.jpg", tmp_path / "three-ubyte")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 5 and lines[0].startswith(f"{tmp_path / 'boot.png'}: ")
    assert sum("Ankle boot" in line or "Pullover" in line or "Trouser" in line for line in lines) >= 4
    for line in lines:
        assert sum(float(part.split()[-1]) for part in line.split(": ")[1].split(", ")) <= 1.002


NAMES = ("red", "green", "blue", "cyan", "magenta", "yellow", "black", "white", "grey", "brown")
COLOURS = np.array([[220, 20, 20], [20, 200, 20], [20, 20, 220], [20, 210, 210], [210, 20, 210], [220, 220, 20], [10, 10, 10], [245, 245, 245], [128, 128, 128], [120, 70, 20]])  # fmt: skip


def coloured(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.arange(count) % 10
    return np.clip(COLOURS[t][:, :, None, None] + rng.integers(-9, 9, (count, 3, 32, 32)), 0, 255).astype(np.uint8), t


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = cr.nn.Sequential(cr.nn.Conv2d(3, 8, 5, stride=3), cr.nn.ReLU(), cr.nn.MaxPool2d(2), cr.nn.Flatten(), cr.nn.Linear(8 * 25, 10)).init(0)
    prepare = cr.nn.normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    opt = cr.optim.SGD(0.002, 0.9)
    history = cr.fit(net, cr.nn.CrossEntropyLoss(), opt, coloured(300, 0), coloured(50, 1), 12, 16, transform=prepare, classes=NAMES)
    assert history[-1].test_accuracy == 1.0
    path = tmp_path_factory.mktemp("colours") / "colours.safetensors"
    cr.save(net, path)
    return path


def test_predict_takes_size_colours_transform_and_names_from_the_model(colours: Path, tmp_path: Path) -> None:
    images, classes = coloured(10, 2)
    paths = []
    for k, image in enumerate(images):
        paths.append(tmp_path / f"{k}.png")
        Image.fromarray(image.transpose(1, 2, 0)).resize((50, 40)).save(paths[-1])
    (tmp_path / "all-ubyte").write_bytes(idx(images))
    Image.fromarray(np.full((9, 9), 128, np.uint8)).save(tmp_path / "plain.png")  # grey becomes RGB
    done = run("predict", colours, *paths, tmp_path / "all-ubyte", tmp_path / "plain.png")
    assert done.returncode == 0 and not done.stderr, done.stderr
    told = [line.split(": ")[1].split()[0] for line in done.stdout.splitlines()]
    assert told == [NAMES[k] for k in classes] * 2 + ["grey"]


def test_predict_says_what_it_does_not_know(colours: Path, tmp_path: Path) -> None:
    net = cr.load(colours)
    images, _ = coloured(10, 2)
    Image.fromarray(images[0].transpose(1, 2, 0)).save(tmp_path / "fits.png")
    Image.fromarray(images[0].transpose(1, 2, 0)).resize((40, 32)).save(tmp_path / "wide.png")
    Image.fromarray(images[0, 0]).save(tmp_path / "grey.png")
    net.input, net.classes = None, None
    cr.save(net, tmp_path / "bare.safetensors")
    done = run("predict", tmp_path / "bare.safetensors", tmp_path / "fits.png", tmp_path / "grey.png", "--top", 1)
    assert done.returncode == 0 and "bare.safetensors does not say what it was trained on" in done.stderr
    want = net(images[:1]).argmax()
    assert done.stdout.startswith(f"{tmp_path / 'fits.png'}: {want} ")
    wide = run("predict", tmp_path / "bare.safetensors", tmp_path / "wide.png")
    assert wide.returncode == 2 and "wide.png: 32 x 40 with 3 channels, its own size" in wide.stderr and "no recorded input shape" in wide.stderr
    flat = cr.nn.Sequential(cr.nn.Linear(4, 2)).init(0)
    flat.input = cr.nn.Input(None, "whole", (4,))
    cr.save(flat, tmp_path / "flat.safetensors")
    done = run("predict", tmp_path / "flat.safetensors", tmp_path / "wide.png")
    assert done.returncode == 2 and "flat.safetensors: takes inputs of shape (4,)" in done.stderr and "Traceback" not in done.stderr
    net.input, net.classes = cr.nn.Input(None, "float", (3, 32, 32)), ("one", "two")
    cr.save(net, tmp_path / "names.safetensors")
    done = run("predict", tmp_path / "names.safetensors", tmp_path / "wide.png")
    assert done.returncode == 2 and "2 class names for 10 outputs" in done.stderr and "trained on floats" in done.stderr


REFUSED = [
    (("train", "imagenet"), "error: 'imagenet': no such data set"),
    (("train", "--model", "resnet"), "error: 'resnet': no such model"),
    (("train", "--data-dir", "/no/such/folder"), "error: /no/such/folder"),
    (("train", "--lr", "-1"), "error: lr=-1.0"),
    (("train", "--optimizer", "sdg"), "error: optimizer='sdg'"),
    (("train", "--schedule", "cosine:at=3"), "error: schedule='cosine:at=3': cosine has no 'at'"),
    (("train", "--augment", "crop=4"), "error: augment='crop=4'"),
    (("train", "--clip-norm", "0"), "error: norm=0"),
    (("train", "--shape", "28"), "error: --shape '28': no sizes; accepted: 3"),
    (("train", "--epochs", "x"), "'x' is not a valid integer"),
    (("predict", "/no/model", "/no/image"), "error: /no/model"),
    (("derive", "convolute"), "error: 'convolute': no such operation"),
    (("loops", "relu", "Q=3"), "error: 'Q=3'"),
    (("loops", "conv", "C=1.5"), "error: 'C=1.5': not a size of conv"),
]


@pytest.mark.parametrize("args, problem", REFUSED, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_wrong_arguments_get_an_answer_and_no_traceback(args: tuple[str, ...], problem: str) -> None:
    done = run(*args)
    assert done.returncode == 2 and problem in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("args", [("--help",), ("loops", "relu"), ("worksheet", "relu", "--help")], ids=" ".join)
def test_an_output_without_room_is_said_so(args: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, *args], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (
        done.returncode == 2 and done.stderr.startswith("error: standard output: cannot be written (No space left") and done.stderr.count("\n") == 1
    )


def test_an_output_folder_that_cannot_be_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("train", "--data-dir", write(tmp_path), "--out", tmp_path / "file" / "run")
    assert done.returncode == 2 and "cannot be written to" in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_leaves_a_usable_model_and_says_so(tmp_path: Path) -> None:
    folder = Path(data.__file__).parent / "sample"
    child = subprocess.Popen(
        [*COMMAND, "train", "--data-dir", str(folder), "--epochs", "100000", "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # in the background it would be ignored
    )
    metrics = tmp_path / "run" / "metrics.jsonl"
    for _ in range(600):
        if metrics.exists() and metrics.read_text().count("\n") >= 2:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted: the model as it was is in" in out and "Traceback" not in err
    assert out.strip().split("\n")[-1].startswith("test accuracy 0.")
    assert cr.load(tmp_path / "run" / "model.safetensors").values


def test_derive_and_loops_show_the_work(tmp_path: Path) -> None:
    assert "dw[o,k] = sum[n](dy[n,o] * x[n,k])" in run("derive", "linear", "w").stdout
    (tmp_path / "own.txt").write_text("own(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i]**3\n")
    assert "dx[n,i] = dy[n,i] * 3 * x[n,i]**2" in run("derive", tmp_path / "own.txt").stdout
    shown = run("loops", "conv2d", "C=6", "O=16", "H=14", "W=14").stdout
    assert "for o in 0..16" in shown and "sum[c,u,v]" in shown


def test_optimiser_schedule_and_augmentation_are_asked_for_by_name(tmp_path: Path) -> None:
    """The command trains what the same from Python trains: a table of pixels, augmented and normalised, at a rate that changes."""
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 256, (60, 36)), rng.integers(0, 3, 60)
    np.savetxt(tmp_path / "pixels.csv", np.column_stack([t, x]), "%d", ",")
    asked = (
        "--optimizer",
        "adamw:weight_decay=0.1",
        "--lr",
        0.01,
        "--schedule",
        "warmup:epochs=1,cosine",
        "--augment",
        "crop:padding=1,flip,normalise",
    )
    done = run(
        "train", tmp_path / "pixels.csv", "--model", "mlp", "--epochs", 3, "--batch-size", 16, "--shape", "1x6x6", "--label", 0, "--test-share", 0.25,
        "--clip-norm", 2, *asked, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    d = data.dataset(tmp_path / "pixels.csv", shape=(1, 6, 6), label=0, test_share=0.25)
    net = cr.nn.models.known("mlp", d.shape, 3).init(0)
    steps = -(-len(d.train[0]) // 16)
    opt = cr.optim.Clip(cr.optim.AdamW(cr.optim.Warmup(cr.optim.Cosine(0.01, 3 * steps), steps), weight_decay=0.1), norm=2)
    augment = cr.nn.Sequential(cr.nn.RandomCrop(padding=1), cr.nn.RandomHorizontalFlip())
    cr.fit(net, cr.nn.CrossEntropyLoss(), opt, d.train, None, 3, 16, transform=data.standardised(d.train[0]), augment=augment)
    kept = cr.load(tmp_path / "out" / "model.safetensors")
    assert all(np.array_equal(v, net.values[k]) for k, v in kept.values.items())
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert settings["schedule"] == "warmup:epochs=1,cosine" and settings["weight_decay"] == 0.1
