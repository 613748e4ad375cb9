"""Several files, one configuration: later files win, key by key."""

from __future__ import annotations

from twind.config.tree import Entry, Node, Table


def merge(earlier: Table, later: Table) -> Table:
    """Return both tables as one. Two tables under one key are merged; of anything else, lists too, the later stands alone."""
    entries = dict(earlier.entries)
    for key, entry in later.entries.items():
        before = entries.get(key)
        entries[key] = entry if before is None else Entry(entry.mark, _merged(before.node, entry.node))
    return Table(later.mark, entries)


def _merged(earlier: Node, later: Node) -> Node:
    return merge(earlier, later) if isinstance(earlier, Table) and isinstance(later, Table) else later
