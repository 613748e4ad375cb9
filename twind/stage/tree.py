"""The kinematic tree inside a graph of bodies and joints. No USD in here: bodies and joints are numbers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WORLD = -1


@dataclass(frozen=True, slots=True)
class Edge:
    """A joint between two bodies."""

    joint: int
    body0: int
    body1: int
    fixed: bool

    def other(self, body: int) -> int:
        """Return the body at the other end."""
        return self.body1 if body == self.body0 else self.body0


@dataclass(frozen=True, slots=True)
class Branch:
    """A joint of the tree, in the direction away from the base."""

    joint: int
    parent: int
    """A body, or the world for the joint that holds the base."""
    child: int
    against: bool
    """Whether the tree runs from body1 to body0."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What grew."""

    base: int
    bodies: tuple[int, ...]
    """The base, then the child of each branch."""
    branches: tuple[Branch, ...]
    """In kinematic order, depth first."""
    loops: tuple[int, ...]
    """Joints that were cut because they close a loop."""
    anchored: bool
    """Whether a joint holds the base to the world."""


class Graph:
    """All joints of a stage that may carry a body."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self._at: dict[int, list[Edge]] = {}
        for edge in edges:
            for body in (edge.body0, edge.body1):
                if body != WORLD:
                    self._at.setdefault(body, []).append(edge)

    def connected(self, start: Iterable[int]) -> set[int]:
        """Return all bodies that joints connect with the given ones; the world connects nothing."""
        reached = set(start)
        ahead = deque(reached)
        while ahead:
            body = ahead.popleft()
            for edge in self._at.get(body, ()):
                other = edge.other(body)
                if other != WORLD and other not in reached:
                    reached.add(other)
                    ahead.append(other)
        return reached

    def grow(self, bodies: set[int], *, base: int | None) -> Tree:
        """Span the bodies, which must be connected, with a tree of shortest paths from the base.

        The base is what a joint holds to the world, a fixed joint before any other; else the one asked for; else the first
        body that is no joint's body1.
        """
        mine = {edge.joint: edge for body in sorted(bodies) for edge in self._at.get(body, ())}
        holding = sorted(
            (edge for edge in mine.values() if WORLD in (edge.body0, edge.body1)), key=lambda edge: (not edge.fixed, edge.joint)
        )
        if holding:
            base = holding[0].other(WORLD)
        elif base not in bodies:
            base = min(bodies - {edge.body1 for edge in mine.values()} or bodies)
        children = self._children(base)
        branches = [Branch(edge.joint, WORLD, base, against=edge.body1 == WORLD) for edge in holding[:1]]
        stack = list(reversed(children.get(base, ())))
        while stack:
            branch = stack.pop()
            branches.append(branch)
            stack += reversed(children.get(branch.child, ()))
        used = {branch.joint for branch in branches}
        return Tree(
            base=base,
            bodies=(base, *(branch.child for branch in branches if branch.child != base)),
            branches=tuple(branches),
            loops=tuple(sorted(mine.keys() - used)),
            anchored=bool(holding),
        )

    def _children(self, base: int) -> dict[int, list[Branch]]:
        """Reach every body breadth first; return the branches that leave each body."""
        reached, ahead = {WORLD, base}, deque([base])
        children: dict[int, list[Branch]] = {}
        while ahead:
            body = ahead.popleft()
            for edge in self._at.get(body, ()):
                other = edge.other(body)
                if other not in reached:
                    reached.add(other)
                    ahead.append(other)
                    children.setdefault(body, []).append(Branch(edge.joint, body, other, against=edge.body1 == body))
        return children
