"""The kinematic tree, without USD."""

from __future__ import annotations

from twind.stage.tree import Edge, Graph


def test_tree_grows_from_the_body_that_a_fixed_joint_holds_to_the_world() -> None:
    graph = Graph([Edge(0, 1, 0, fixed=False), Edge(1, -1, 1, fixed=True)])
    tree = graph.grow({0, 1}, base=0)
    assert (tree.base, tree.anchored, tree.bodies) == (1, True, (1, 0))
    assert [branch.joints for branch in tree.branches] == [(1,), (0,)]


def test_fixed_joint_to_the_world_holds_the_base_before_a_moving_one() -> None:
    graph = Graph([Edge(0, -1, 1, fixed=False), Edge(1, 0, 1, fixed=False), Edge(2, -1, 0, fixed=True)])
    tree = graph.grow({0, 1}, base=None)
    assert tree.base == 0
    assert tree.loops == (0,)


def test_without_the_world_the_tree_grows_from_the_body_asked_for() -> None:
    graph = Graph([Edge(0, 0, 1, fixed=False), Edge(1, 1, 2, fixed=False)])
    tree = graph.grow({0, 1, 2}, base=1)
    assert tree.bodies == (1, 0, 2)
    assert [branch.against for branch in tree.branches] == [True, False]
    assert not tree.anchored


def test_without_a_wish_the_tree_grows_from_the_first_body_that_nothing_moves() -> None:
    graph = Graph([Edge(0, 2, 0, fixed=False), Edge(1, 2, 1, fixed=False)])
    assert graph.grow({0, 1, 2}, base=None).base == 2


def test_loop_is_cut_where_it_is_furthest_from_the_base() -> None:
    ring = [Edge(0, 0, 1, fixed=False), Edge(1, 1, 2, fixed=False), Edge(2, 2, 3, fixed=False), Edge(3, 3, 0, fixed=False)]
    tree = Graph(ring).grow({0, 1, 2, 3}, base=0)
    assert tree.loops == (2,)
    assert len(tree.bodies) == 4


def test_arms_of_a_torso_come_one_after_the_other() -> None:
    edges = [Edge(0, 0, 1, fixed=False), Edge(1, 0, 2, fixed=False), Edge(2, 1, 3, fixed=False), Edge(3, 2, 4, fixed=False)]
    assert Graph(edges).grow({0, 1, 2, 3, 4}, base=0).bodies == (0, 1, 3, 2, 4)


def test_the_world_connects_nothing() -> None:
    graph = Graph([Edge(0, -1, 0, fixed=True), Edge(1, -1, 1, fixed=True), Edge(2, 1, 2, fixed=False)])
    assert graph.connected({0}) == {0}
    assert graph.connected({2}) == {1, 2}
