"""What is remembered of things done before, and when it is forgotten: the one cache behind operations, networks and the session.

No lock is taken. Each step is one call into a dictionary, which no other thread comes into the middle of: so a signal handler and a forked
child never find it shut. Threads that come at once for the same may make it twice; the last one's stays.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

V = TypeVar("V")
now = itertools.count().__next__  # grows with everything that is used, in whichever cache


class Entry(Generic[V]):
    """A value, and when it was used last. Whoever comes back to it may hold the entry weakly: it lives as long as it is remembered."""

    __slots__ = ("__weakref__", "used", "value")

    def __init__(self, value: V):
        self.value, self.used = value, now()


class Recent(Generic[V]):
    """At most so many values by key; what was used longest ago goes first. told: called after a value has come in."""

    def __init__(self, most: int, told: Callable[[], None] | None = None):
        self.most, self.told = most, told
        self.kept: dict[object, Entry[V]] = {}

    def __len__(self) -> int:
        return len(self.kept)

    def __bool__(self) -> bool:
        return True  # an empty one is there all the same

    def values(self) -> Iterator[V]:
        return (e.value for e in list(self.kept.values()))

    def get(self, key: object) -> V | None:
        entry = self.kept.get(key)
        if entry is None:
            return None
        entry.used = now()
        return entry.value

    def put(self, key: object, value: V) -> V:
        self.enter(key, value)
        return value

    def enter(self, key: object, value: V) -> Entry[V]:
        """The entry of a value that is new."""
        entry = self.kept[key] = Entry(value)
        self.shrink(self.most)
        if self.told:
            self.told()
        return entry

    def shrink(self, most: int, weight: Callable[[V], int] = lambda _: 0, most_weight: int = 0) -> None:
        """Forget what was used longest ago where there are too many, or where they weigh too much; never what was used last."""
        if len(self.kept) <= most and not most_weight:
            return
        entries = sorted(self.kept.items(), key=lambda item: item[1].used)
        weights = [weight(e.value) for _, e in entries]
        count, total = len(entries), sum(weights)
        for (key, _), own in zip(entries[:-1], weights, strict=False):
            if count <= most and total <= most_weight:
                return
            self.kept.pop(key, None)
            count, total = count - 1, total - own

    def forget(self, before: int) -> None:
        """Forget what was used before a moment of `now`."""
        for key, e in list(self.kept.items()):
            if e.used < before:
                self.kept.pop(key, None)

    def clear(self) -> None:
        self.kept.clear()


class Owner:
    """Hands out caches, counts what they all remember together, and makes them forget the oldest of it where it is too much."""

    OFTEN = 64  # values come in between two counts

    def __init__(self, most: int):
        self.most = most
        self.refs: dict[int, weakref.ref[Recent]] = {}
        self.came = itertools.count(1).__next__

    def recent(self, most: int) -> Recent:
        made: Recent = Recent(most, self.told)
        number = now()
        self.refs[number] = weakref.ref(made, lambda _, refs=self.refs: refs.pop(number, None))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        return made

    @property
    def caches(self) -> list[Recent]:
        return [r for ref in list(self.refs.values()) if (r := ref()) is not None]

    def told(self) -> None:
        if self.came() % self.OFTEN == 0 and len(self) > self.most:
            used = sorted(e.used for r in self.caches for e in list(r.kept.values()))
            for r in self.caches:
                r.forget(used[len(used) // 4])  # a quarter at once, so that it is seldom

    def __len__(self) -> int:
        return sum(map(len, self.caches))

    def clear(self) -> None:
        for r in self.caches:
            r.clear()
