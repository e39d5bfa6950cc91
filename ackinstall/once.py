"""Properties that are read once, however many threads ask for them at the same time."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 (used as a decorator, as property is)
    """A property that the first who asks reads and all others wait for; an error is not kept.

    functools.cached_property does not make others wait since Python 3.12.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read = read
        self._name = ""
        self.__doc__ = read.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "once[T]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object, owner: type) -> "once[T] | T":
        if instance is None:
            return self
        kept = vars(instance)
        with kept.setdefault(f"_lock_of_{self._name}", threading.RLock()):
            if self._name not in kept:
                kept[self._name] = self._read(instance)
            value: T = kept[self._name]
            return value
