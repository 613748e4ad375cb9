import pytest

from twind.codecs.joint_state import JointStateCodec
from twind.codecs.pose import PoseCodec
from twind.config.base import RouteSettings
from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal
from twind.model.topology import Joint, JointKind, Link, Mimic, RigidObject, Robot, Topology
from twind.runtime.bindings import Bindings, JointBinding
from twind.runtime.body_bindings import BodyBinding


class Rows:
    """Counts what was handed out."""

    def __init__(self) -> None:
        self.streams = 0
        self.asked = ("", 0, 0)
        self.owners: list[tuple[str, int]] = []
        self.layouts: list[list[int]] = []

    def new_stream(
        self, topic: str, *, source: str = "", entity: int = -1, latency_floor_ns: int = 0, period_ns: int = 0
    ) -> int:
        self.owners.append((source, entity))
        self.asked = (topic, latency_floor_ns, period_ns)
        self.streams += 1
        return self.streams - 1

    def new_layout(self, joints: list[int]) -> int:
        self.layouts.append(list(joints))
        return len(self.layouts) - 1


def joint(name: str, child: int, **fields: object) -> Joint:
    kind = fields.pop("kind", JointKind.REVOLUTE)
    return Joint(name=name, prim=f"/r/{name}", kind=kind, axis=2, parent=child - 1, child=child, **fields)  # type: ignore[arg-type]


LINKS = tuple(Link(name=f"l{i}", prim=f"/r/l{i}") for i in range(5))
ARM = Robot(
    id="arm",
    prim="/r",
    links=LINKS,
    joints=(
        joint("weld", 1, kind=JointKind.FIXED),
        joint("a", 2),
        joint("b", 3),
        joint("finger", 4, mimic=Mimic(joint=2)),
    ),
)
TOPOLOGY = Topology(
    root="x",
    robots=(Robot(id="first", prim="/f", links=LINKS[:2], joints=(joint("j", 1),)), ARM),
    objects=(RigidObject(id="box", prim="/box"),),
)
CODECS = {"joint_state": JointStateCodec(), "pose": PoseCodec()}


def bindings(rows: Rows) -> Bindings:
    routes = [
        RouteSettings(topic="cell/{entity}/joint_state", codec="joint_state"),  # type: ignore[arg-type]
        RouteSettings(topic="cell/{entity}/pose", codec="pose"),  # type: ignore[arg-type]
        RouteSettings(topic="vicon", codec="pose", entity="box"),  # type: ignore[arg-type]
    ]
    return Bindings(routes, CODECS, TOPOLOGY, rows)


def arm(rows: Rows) -> JointBinding:
    found = bindings(rows).find("cell/arm/joint_state")
    assert isinstance(found, JointBinding)
    return found


def refused(action: object, *arguments: object) -> Refusal:
    with pytest.raises(RefusedInput) as caught:
        action(*arguments)  # type: ignore[operator]
    return caught.value.reason


def test_a_topic_is_bound_once_and_then_looked_up() -> None:
    rows = Rows()
    table = bindings(rows)
    found = table.find("cell/arm/joint_state")
    assert table.known == {"cell/arm/joint_state": found}
    assert rows.streams == 1


def test_a_stream_gets_the_latency_floor_of_its_route_else_of_its_source() -> None:
    rows = Rows()
    routes = [
        RouteSettings(topic="a", codec="pose", entity="box", latency_floor_ms=0, period_ms=5),
        RouteSettings(topic="b", codec="pose", entity="box"),
    ]
    table = Bindings(routes, CODECS, TOPOLOGY, rows, latency_floor_ms=3.5)
    table.find("a")
    assert rows.asked == ("a", 0, 5_000_000)
    table.find("b")
    assert rows.asked == ("b", 3_500_000, 0)


def test_a_route_may_name_its_entity() -> None:
    found = bindings(Rows()).find("vicon")
    assert isinstance(found, BodyBinding)
    assert found.entity == TOPOLOGY.entity_index["box"] == 2


def test_names_lead_to_joint_rows_in_the_order_of_the_message() -> None:
    rows = Rows()
    binding = arm(rows)
    layout = binding.layout_for(("b", "a"), 2)
    assert rows.layouts[layout] == [3, 2]
    assert binding.layout_for(("b", "a"), 2) == layout


def test_positions_without_names_match_the_driven_joints_or_all_movable_ones() -> None:
    rows = Rows()
    binding = arm(rows)
    assert rows.layouts[binding.layout_for(None, 2)] == [2, 3]
    assert rows.layouts[binding.layout_for(None, 3)] == [2, 3, 4]
    assert refused(binding.layout_for, None, 4) is Refusal.WRONG_LENGTH


def test_a_name_that_is_unknown_fixed_or_repeated_is_refused() -> None:
    binding = arm(Rows())
    assert refused(binding.layout_for, ("a", "nope"), 2) is Refusal.UNKNOWN_JOINT
    assert refused(binding.layout_for, ("weld",), 1) is Refusal.UNKNOWN_JOINT
    assert refused(binding.layout_for, ("a", "a"), 2) is Refusal.UNKNOWN_JOINT


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("elsewhere", Refusal.NO_ROUTE),
        ("cell/ghost/pose", Refusal.UNKNOWN_ENTITY),
        ("cell/box/joint_state", Refusal.UNKNOWN_ENTITY),
    ],
)
def test_a_topic_that_leads_nowhere_is_refused_each_time_for_the_same_reason(topic: str, reason: Refusal) -> None:
    rows = Rows()
    table = bindings(rows)
    assert [refused(table.find, topic) for _ in range(3)] == [reason] * 3
    assert rows.streams == 0


def test_a_flood_of_unknown_topics_leaves_nothing_behind() -> None:
    table = bindings(Rows())
    for number in range(20_000):
        refused(table.find, f"cell/ghost{number}/pose")
    assert len(table._refused) <= 4096
    assert table.known == {}


def test_a_sender_that_shuffles_names_cannot_grow_the_tables() -> None:
    rows = Rows()
    binding = arm(rows)
    reasons = set()
    for names in (("a",), ("b",), ("a", "b"), ("b", "a")) * 100:
        binding.layout_for(names, len(names))
    binding._layouts._layouts.update({(str(i),): 0 for i in range(20)})
    reasons.add(refused(binding.layout_for, ("finger",), 1))
    assert len(rows.layouts) == 4
    assert reasons == {Refusal.UNKNOWN_JOINT}
