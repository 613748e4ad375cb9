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
    driven: bool = False
    """Whether a motor moves it."""

    def other(self, body: int) -> int:
        """Return the body at the other end."""
        return self.body1 if body == self.body0 else self.body0


@dataclass(frozen=True, slots=True)
class Branch:
    """What leads from a body to the next one, in the direction away from the base."""

    joints: tuple[int, ...]
    """One joint, or a stack of them that act one after the other, in this order from body0 on."""
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

    def joints_of(self, bodies: Iterable[int]) -> list[int]:
        """Return the joints at these bodies."""
        return sorted({edge.joint for body in bodies for edge in self._at.get(body, ())})

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

    def grow(self, bodies: set[int], *, base: int | None, stacked: bool = False) -> Tree:
        """Span the bodies, which must be connected, with a tree.

        The base is what a joint holds to the world, a fixed joint before any other; else the one asked for; else the first
        body that is no joint's body1. Where joints close a loop, the tree takes the shortest way from the base, but does
        without a joint that no motor moves before it does without one that is driven or fixed: what is measured carries.

        Args:
            bodies: What to span.
            base: The body asked for.
            stacked: Whether several joints between the same two bodies act one after the other; else they close a loop.
        """
        mine = {edge.joint: edge for body in sorted(bodies) for edge in self._at.get(body, ())}
        holding = sorted(
            (edge for edge in mine.values() if WORLD in (edge.body0, edge.body1)), key=lambda edge: (not edge.fixed, edge.joint)
        )
        if holding:
            base = holding[0].other(WORLD)
        elif base not in bodies:
            base = min(bodies - {edge.body1 for edge in mine.values()} or bodies)
        stacks = _stacks(mine.values()) if stacked else {joint: (joint,) for joint in mine}
        kept = self._kept(base)
        children = self._children(base, kept)
        branches = [Branch(stacks[edge.joint], WORLD, base, against=edge.body1 == WORLD) for edge in holding[:1]]
        stack = list(reversed(children.get(base, ())))
        while stack:
            edge, parent = stack.pop()
            child = edge.other(parent)
            branches.append(Branch(stacks[edge.joint], parent, child, against=edge.body1 == parent))
            stack += reversed(children.get(child, ()))
        used = {joint for branch in branches for joint in branch.joints}
        return Tree(
            base=base,
            bodies=(base, *(branch.child for branch in branches if branch.child != base)),
            branches=tuple(branches),
            loops=tuple(sorted(mine.keys() - used)),
            anchored=bool(holding),
        )

    def _kept(self, base: int) -> set[int]:
        """Return the joints of a spanning tree of what hangs together with the base.

        Kruskal's algorithm over the joints as a breadth-first walk meets them, those that no motor moves after the others;
        where all are alike, this is the breadth-first tree.
        """
        met = self._met(base)
        group: dict[int, int] = {}

        def find(body: int) -> int:
            while (above := group.setdefault(body, body)) != body:
                group[body] = group[above]
                body = group[body]
            return body

        motors = any(edge.driven for edge in met)  # without any, the asset does not say which joints have one
        kept = set()
        for edge in sorted(met, key=lambda edge: motors and not (edge.driven or edge.fixed)):
            one, other = find(edge.body0), find(edge.body1)
            if one != other:
                group[one] = other
                kept.add(edge.joint)
        return kept

    def _met(self, base: int) -> list[Edge]:
        """Return the joints between bodies in the order in which a breadth-first walk from the base meets them."""
        reached, ahead = {base}, deque([base])
        met: dict[int, Edge] = {}
        while ahead:
            body = ahead.popleft()
            for edge in self._at.get(body, ()):
                other = edge.other(body)
                if other != WORLD:
                    met.setdefault(edge.joint, edge)
                    if other not in reached:
                        reached.add(other)
                        ahead.append(other)
        return list(met.values())

    def _children(self, base: int, kept: set[int]) -> dict[int, list[tuple[Edge, int]]]:
        """Return the kept joints that leave each body, each with the body that it leaves."""
        reached, ahead = {base}, deque([base])
        children: dict[int, list[tuple[Edge, int]]] = {}
        while ahead:
            body = ahead.popleft()
            for edge in self._at.get(body, ()):
                other = edge.other(body)
                if edge.joint in kept and other not in reached:
                    reached.add(other)
                    ahead.append(other)
                    children.setdefault(body, []).append((edge, body))
        return children


def _stacks(edges: Iterable[Edge]) -> dict[int, tuple[int, ...]]:
    """Return, for each joint, the joints that lead from the same body0 to the same body1, in traversal order."""
    edges = list(edges)
    between: dict[tuple[int, int], list[int]] = {}
    for edge in sorted(edges, key=lambda edge: edge.joint):
        between.setdefault((edge.body0, edge.body1), []).append(edge.joint)
    return {edge.joint: tuple(between[edge.body0, edge.body1]) for edge in edges}
