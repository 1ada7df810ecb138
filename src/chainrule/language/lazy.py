"""Properties computed at the first look. Without a lock: two threads may both compute, and a forked child never finds it shut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):  # as in functools, whose own has a lock before Python 3.12
    """A property whose value is kept in the object's __dict__."""

    def __init__(self, make: Callable[[Any], T]):
        self.make, self.name, self.__doc__ = make, make.__name__, make.__doc__

    @overload
    def __get__(self, obj: None, owner: type) -> cached_property[T]: ...
    @overload
    def __get__(self, obj: object, owner: type) -> T: ...
    def __get__(self, obj: object | None, owner: type) -> T | cached_property[T]:
        if obj is None:
            return self
        value = obj.__dict__[self.name] = self.make(obj)
        return value
