"""Topic patterns with named placeholders, such as `cell/{entity}/joint_state`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class TopicPattern:
    """A topic pattern, one placeholder per level at most; each placeholder stands for one whole level."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what could not be matched.

        Raises:
            ValueError: The pattern is empty, uses a wildcard, or a placeholder is not a whole level or not unique.
        """
        if not self.text:
            msg = "a topic pattern must not be empty"
            raise ValueError(msg)
        seen: set[str] = set()
        for level in self.text.split("/"):
            match = _PLACEHOLDER.fullmatch(level)
            if match is None:
                if any(character in level for character in "{}+#\0"):
                    msg = (
                        f"level {level!r}: write a placeholder as one whole level such as {{entity}}; "
                        "'+' and '#' have no name to route by"
                    )
                    raise ValueError(msg)
            elif match[1] in seen:
                msg = f"placeholder {{{match[1]}}} stands twice"
                raise ValueError(msg)
            else:
                seen.add(match[1])

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the placeholders, left to right."""
        return tuple(_PLACEHOLDER.findall(self.text))

    @cached_property
    def mqtt_filter(self) -> str:
        """The MQTT subscription that covers this pattern."""
        return _PLACEHOLDER.sub("+", self.text)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        levels = []
        for level in self.text.split("/"):
            match = _PLACEHOLDER.fullmatch(level)
            levels.append(f"(?P<{match[1]}>[^/]+)" if match else re.escape(level))
        return re.compile("/".join(levels))

    def match(self, topic: str) -> dict[str, str] | None:
        """Return the placeholder values when the topic matches, else None."""
        found = self._regex.fullmatch(topic)
        return None if found is None else found.groupdict()

    def overlaps(self, other: TopicPattern) -> bool:
        """Whether some topic matches both patterns."""
        mine, theirs = self.text.split("/"), other.text.split("/")
        return len(mine) == len(theirs) and all(
            a == b or a.startswith("{") or b.startswith("{") for a, b in zip(mine, theirs, strict=True)
        )


def overlapping(patterns: list[TopicPattern]) -> list[tuple[int, int]]:
    """Return the index pairs of patterns that some topic matches both of."""
    return [(i, j) for (i, a), (j, b) in combinations(enumerate(patterns), 2) if a.overlaps(b)]


@dataclass(frozen=True, slots=True)
class RouteHint:
    """What a stage says of where an entity's measurements come from."""

    entity: str
    topic: str
    """Topic pattern; `{entity}` in it stands for the entity's id."""
    codec: str
    source: str = ""
    """Name of the source in the configuration; empty for any."""
