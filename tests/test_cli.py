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
    return out


def test_a_run_leaves_all_it_promises(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in rows] == [1, 2, 3]
    assert all(set(r) == {"epoch", "seconds", "images_per_second", "train_loss", "test_accuracy"} for r in rows)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"] and rows[-1]["test_accuracy"] > 0.6
    settings = json.loads((trained / "settings.json").read_text())
    assert settings["batch_size"] == 32 and settings["lr"] == 0.02 and settings["seed"] == 0 and "sample" in settings["data"]
    svg = (trained / "curve.svg").read_text()
    assert svg.startswith("<svg") and svg.count("<circle") == 6
    net = cr.load(trained / "model.safetensors")
    assert next(iter(net.values)) == "0.weight"


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


REFUSED = [
    (("train", "imagenet"), "error: 'imagenet': no such data set"),
    (("train", "--model", "resnet"), "error: 'resnet': no such model"),
    (("train", "--data-dir", "/no/such/folder"), "error: /no/such/folder"),
    (("train", "--lr", "-1"), "error: lr=-1.0"),
    (("train", "--epochs", "x"), "'x' is not a valid integer"),
    (("predict", "/no/model", "/no/image"), "error: /no/model"),
    (("derive", "convolve"), "error: 'convolve': no such operation"),
    (("loops", "relu", "Q=3"), "error: 'Q=3'"),
]


@pytest.mark.parametrize("args, problem", REFUSED, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_wrong_arguments_get_an_answer_and_no_traceback(args: tuple[str, ...], problem: str) -> None:
    done = run(*args)
    assert done.returncode == 2 and problem in done.stderr and "Traceback" not in done.stderr


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
    )
    metrics = tmp_path / "run" / "metrics.jsonl"
    for _ in range(600):
        if metrics.exists() and metrics.read_text().count("\n") >= 2:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert "interrupted: the model as it was is in" in out and "Traceback" not in err
    assert out.strip().split("\n")[-1].startswith("test accuracy 0.")
    assert cr.load(tmp_path / "run" / "model.safetensors").values


def test_derive_and_loops_show_the_work(tmp_path: Path) -> None:
    assert "dw[o,k] = sum[n](dy[n,o] * x[n,k])" in run("derive", "linear", "w").stdout
    (tmp_path / "own.txt").write_text("own(x[n,D]) -> y[n,D]\n y[n,i] = x[n,i]**3\n")
    assert "dx[n,i] = dy[n,i] * 3 * x[n,i]**2" in run("derive", tmp_path / "own.txt").stdout
    shown = run("loops", "conv2d", "C=6", "O=16", "H=14", "W=14").stdout
    assert "for o in 0..16" in shown and "sum[c,u,v]" in shown
