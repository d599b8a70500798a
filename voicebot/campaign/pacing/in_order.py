"""Results that come in any order, taken in the order in which their calls began."""

from __future__ import annotations

from collections.abc import Iterator


class InOrder:
    """A call's first result counts.  It is due when every earlier call has one, or was dropped."""

    def __init__(self) -> None:
        self._results: dict[str, bool | None] = {}

    def begun(self, name: str) -> None:
        """It is open from now on."""
        self._results[name] = None

    def decided(self, name: str, result: bool) -> None:
        """Its result; ignored when it is unknown or decided already."""
        if name in self._results and self._results[name] is None:
            self._results[name] = result

    def dropped(self, name: str) -> None:
        """It will have no result."""
        self._results.pop(name, None)

    def due(self) -> Iterator[bool]:
        """Takes out the results that are due."""
        while self._results:
            name = next(iter(self._results))
            result = self._results[name]
            if result is None:
                return
            del self._results[name]
            yield result
