"""Topics that carry packed messages: many joints of one robot, or poses of many bodies, at many instants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.codecs.packed import names_hash
from twind.model.errors import RefusedInput
from twind.model.messages import PackedJoints
from twind.model.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from twind.model.messages import PackedPoses
    from twind.runtime.columns import BodyColumns, JointColumns
    from twind.runtime.joint_layouts import JointLayouts


class PackedBinding:
    """One such topic."""

    __slots__ = (
        "_bodies",
        "_decode",
        "_entity_index",
        "_layouts",
        "_names",
        "_right",
        "entities",
        "entity",
        "max_bytes",
        "stream",
    )

    def __init__(
        self,
        entity: int,
        layouts: JointLayouts | None,
        entity_index: Mapping[str, int],
        *,
        stream: int,
        max_bytes: int,
        decode: Callable[[bytes], PackedJoints | PackedPoses],
    ) -> None:
        self.stream = stream
        self.max_bytes = max_bytes
        self.entity = entity
        self._layouts = layouts
        self._entity_index = entity_index
        self._decode = decode
        self._names: tuple[str, ...] | None = None
        self.entities: tuple[int, ...] = (entity,)
        """Entities that the topic was about so far."""
        self._bodies: Sequence[int] = (entity,)
        """Entities of the names seen last."""
        self._right: tuple[int, int] | None = None
        """Hash and number of the unnamed joints that were found to be meant."""

    def take(self, payload: bytes, receive_ns: int, joints: JointColumns, bodies: BodyColumns) -> None:
        """Decode a payload, and append what it holds.

        Raises:
            RefusedInput: It cannot be used; nothing was appended.
        """
        sample = self._decode(payload)
        if isinstance(sample, PackedJoints):
            joints.packed.append((self.stream, receive_ns, self._layout(sample), sample))
        else:
            bodies.add_packed(self.stream, receive_ns, self._entities(sample.names), sample)
            bodies.messages.append(self.stream)

    def _layout(self, sample: PackedJoints) -> int:
        if self._layouts is None:
            raise RefusedInput(Refusal.UNKNOWN_ENTITY, "the entity of this topic is an object: it has no joints")
        width = sample.position.shape[1]
        if sample.names_hash and sample.names is None and self._right != (sample.names_hash, width):
            names = self._layouts.unnamed(width)
            if names_hash(names) != sample.names_hash:
                raise RefusedInput(
                    Refusal.UNKNOWN_JOINT, f"the names hash is not that of the stage's joints, {', '.join(names)[:200]}"
                )
            self._right = (sample.names_hash, width)
        return self._layouts.find(sample.names, width)

    def _entities(self, names: tuple[str, ...] | None) -> Sequence[int]:
        if names != self._names:
            unknown = [name for name in names or () if name not in self._entity_index]
            if unknown:
                raise RefusedInput(Refusal.UNKNOWN_ENTITY, f"{unknown[0][:80]!r} is not an entity of the stage")
            if names is not None and len(set(names)) != len(names):
                raise RefusedInput(Refusal.UNKNOWN_ENTITY, "an entity stands twice")
            self._bodies = (self.entity,) if names is None else [self._entity_index[name] for name in names]
            self.entities = tuple({*self.entities, *self._bodies})
            self._names = names
        return self._bodies
