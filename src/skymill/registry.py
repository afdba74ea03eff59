"""Things that are chosen by name in the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from skymill.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries of one noun, filled with a decorator.

    Parameters
    ----------
    noun : str
        What the entries are (``"network"``, ``"detector"``, …); used in messages.

    Examples
    --------
    >>> shapes = Registry("shape")
    >>> @shapes.register("circle")
    ... class Circle: ...
    >>> shapes["circle"] is Circle
    True
    """

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds its object under `name`.

        Raises
        ------
        ConfigError
            If the name is taken already.
        """

        def add(entry: T) -> T:
            if name in self._entries:
                raise ConfigError(
                    f"{self.noun} '{name}'", expected="a new name", found="one that is registered already"
                )
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        """Return the entry called `name`; a :class:`ConfigError` lists the known names if there is none."""
        if name not in self._entries:
            known = ", ".join(self.names()) or "none"
            raise ConfigError(self.noun, expected=f"one of: {known}", found=f"'{name}'")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        """Whether an entry of that name exists."""
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in alphabetical order."""
        return iter(self.names())

    def names(self) -> list[str]:
        """Return the registered names in alphabetical order."""
        return sorted(self._entries)
