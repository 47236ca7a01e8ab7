"""The data of server-sent events, from bytes that may be cut anywhere."""

from __future__ import annotations

from collections.abc import Iterator


class EventData:
    """Takes the parts of one stream and gives the data of each event that they make whole.

    Names, ids and comments are passed over. Lines end as the standard has it: with CR, LF, or both.
    """

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._data: list[bytes] = []
        self._after_cr = False

    def feed(self, part: bytes) -> list[bytes]:
        """The data of the events that end in `part`, oldest first."""
        return [data for line in self._lines(part) if (data := self._event(line)) is not None]

    def _lines(self, part: bytes) -> Iterator[bytes]:
        if self._after_cr and part.startswith(b"\n"):
            part = part[1:]
        if not part:
            return
        self._after_cr = part.endswith(b"\r")
        lines = part.splitlines()
        # Joined only where a line ends: one that comes in a thousand parts is not copied a thousand times.
        self._begun.append(lines[0])
        for following in lines[1:]:
            yield self._joined()
            self._begun.append(following)
        if part.endswith((b"\n", b"\r")):
            yield self._joined()

    def _joined(self) -> bytes:
        line = b"".join(self._begun)
        self._begun.clear()
        return line

    def _event(self, line: bytes) -> bytes | None:
        """The data of the event that `line` ends, if it ends one that has data."""
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            return None
        if not self._data:
            return None
        data = b"\n".join(self._data)
        self._data.clear()
        return data
