"""Suggestions for names that were probably mistyped."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LISTED = 12
"""So many names are listed when none of them is close; more would bury the message."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'NAME'?` when a known name is close to the word, else an empty string."""
    by_folded = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold()[:100], by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""


def closest_or_all(word: str, known: Iterable[str]) -> str:
    """Return a suggestion, or the names there are when none is close and they are few, as the tail of a sentence."""
    names = sorted(known)
    suggestion = did_you_mean(word, names)
    if suggestion or not names or len(names) > _LISTED:
        return suggestion
    return f"; known here: {', '.join(names)}"
