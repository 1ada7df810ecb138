"""Helper threads. They belong to the process, do whatever run is handed out next, and are never waited for.

They are daemons of our own: an executor's threads refuse work while the process ends, and keep it from ending.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

MOST_THREADS = 128  # more cannot help, and thousands would only wait for each other
MOST_WAITING = 256  # jobs in the queue: helpers that are busy elsewhere will come too late for them anyway

Job = Callable[[int], object]  # of a thread's number, from 1


class Pool:
    """Helpers and the queue they wait at."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a signal handler may come here in the middle of it, and start threads of its own
        self.jobs: queue.SimpleQueue[tuple[Job, int]] = queue.SimpleQueue()
        self.count = 0

    def offer(self, job: Job, wanted: int) -> None:
        """Hand a job to as many helpers, or to fewer where threads cannot be started."""
        if self.count < wanted:
            self.grow(wanted)
        for number in range(1, min(wanted, self.count, MOST_WAITING - self.jobs.qsize()) + 1):
            self.jobs.put((job, number))

    def grow(self, wanted: int) -> None:
        with self.lock:
            while self.count < wanted:
                helper = threading.Thread(target=_help, args=(self.jobs,), name="chainrule", daemon=True)
                self.count += 1  # before the start, in the middle of which a handler may want helpers too
                try:
                    helper.start()
                except BaseException as e:
                    self.count -= helper.ident is None
                    if not isinstance(e, (RuntimeError, MemoryError)):  # no more threads to be had: those that there are do the work
                        raise
                    return


def _help(jobs: queue.SimpleQueue[tuple[Job, int]]) -> None:
    while True:
        job, number = jobs.get()
        job(number)
        del job  # a helper at rest keeps nobody's memory


_pool = Pool()


def offer(job: Job, wanted: int) -> None:
    """Hand a job to up to `wanted` helpers. They may begin it at any time, or not at all."""
    _pool.offer(job, wanted)


def _forget() -> None:
    global _pool
    _pool = Pool()


if hasattr(os, "register_at_fork"):  # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_forget)
