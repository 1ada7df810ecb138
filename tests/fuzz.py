"""`make fuzz MINUTES=10`: new formulas until the time is up, every distinct failure shrunk; ends with 1 if there was any.

    python -m tests.fuzz [MINUTES] [FIRST SEED]
    python -m tests.fuzz seed NUMBER        one formula: what it says, what fails, what that shrinks to

Formulas are judged in a process of their own, so that a crash or an endless loop is a failure like any other.
"""

from __future__ import annotations

import collections
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.connection import Connection

from tests.judge import Wrong, examine
from tests.maker import Formula, make
from tests.shrink import shrink

PATIENCE = 60.0  # seconds for one formula
EACH = 3  # failures shrunk of one kind: several causes may fail alike


def verdict(f: Formula) -> str:
    """ "" for a formula that keeps everything, "no" for sizes that do not fit, else what failed and how."""
    try:
        return "" if examine(f) else "no"
    except Wrong as e:
        return f"{e.kind}\n{e.detail}"
    except Exception as e:  # a mistake of the judge's own, or of a part that no check names
        return f"raises {type(e).__name__}\n{e}"


def work(pipe: Connection) -> None:
    while True:
        task = pipe.recv()
        try:
            f = make(task) if isinstance(task, int) else task
        except Exception as e:
            pipe.send(f"maker raises {type(e).__name__}\n{e}")
        else:
            pipe.send(verdict(f))


class Worker:
    """A process that judges; replaced when it dies or does not answer."""

    def __init__(self) -> None:
        self.process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other,), daemon=True)
        self.process.start()
        other.close()

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.join()
        self.process = None

    def ask(self, task: int | Formula, seconds: float = PATIENCE) -> str:
        if self.process is None:
            self.start()
            seconds += 20  # imports
        try:
            self.pipe.send(task)
            if self.pipe.poll(seconds):
                return str(self.pipe.recv())
            answer = f"no answer\nnot within {seconds} s"
        except (EOFError, OSError):
            assert self.process
            self.process.join(5)
            answer = f"crash\nthe process ended with {self.process.exitcode}"
        self.stop()
        return answer


def fuzz(minutes: float, seed: int) -> int:
    begin = last = time.monotonic()
    worker, done, unfit = Worker(), 0, 0
    found: dict[str, tuple[str, int]] = {}  # text -> (kind, seed)
    counts: collections.Counter[str] = collections.Counter()
    while time.monotonic() < begin + 60 * minutes:
        answer = worker.ask(seed)
        kind = answer.split("\n")[0]
        done, unfit = done + 1, unfit + (answer == "no")
        if kind and kind != "no":
            counts[kind] += 1
            if kind.startswith("maker"):
                print(f"\nseed {seed}: {answer}", flush=True)
            elif counts[kind] <= EACH:
                small = shrink(make(seed), lambda g, kind=kind: worker.ask(g, 20).split("\n")[0] == kind)
                if small.text not in found:
                    found[small.text] = (kind, seed)
                    print(f"\nseed {seed}: {answer}\n{make(seed)}\nshrunk:\n{small}\n{worker.ask(small)}\n", flush=True)
        seed += 1
        if time.monotonic() > last + 20:
            last = time.monotonic()
            spent = (last - begin) / 60
            print(
                f"{done} formulas ({unfit} did not fit their sizes), {done / spent:.0f} a minute, {sum(counts.values())} failed; next seed {seed}",
                flush=True,
            )
    worker.stop()
    for kind, count in counts.most_common():
        print(f"{count:6} {kind}")
    print(f"{done} formulas in {minutes} minutes, {sum(counts.values())} failed" + (f", {len(found)} distinct after shrinking" if found else ""))
    return int(bool(counts))


def one(seed: int) -> int:
    worker, f = Worker(), make(seed)
    answer = worker.ask(f)
    kind = answer.split("\n")[0]
    print(f"{f}\n{answer or 'nothing failed'}")
    if kind not in ("", "no"):
        small = shrink(f, lambda g: worker.ask(g, 20).split("\n")[0] == kind)
        print(f"shrunk:\n{small}\n{worker.ask(small)}")
    worker.stop()
    return int(kind not in ("", "no"))


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["seed"]:
        return one(int(arguments[1]))
    first = int(arguments[1]) if len(arguments) > 1 else int(time.time()) * 1000
    return fuzz(float(arguments[0]) if arguments else 10, first)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="chainrule-fuzz-") as folder:
        os.environ.setdefault("CHAINRULE_CACHE", folder)
        sys.exit(main(sys.argv[1:]))
