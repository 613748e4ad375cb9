"""OpenUSD's own validators, as far as they matter here: its validation framework comes with usd-core."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from twind.stage.lint import rules
from twind.stage.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.stage.lint.rules import Rule
    from twind.stage.lint.subject import Subject

VALIDATORS = {
    "usdValidation:CompositionErrorTest": rules.MISSING_ASSET,
    "usdUtilsValidators:MissingReferenceValidator": rules.MISSING_ASSET,
    "usdValidation:AttributeTypeMismatch": rules.OPENUSD_TYPES,
    "usdPhysicsValidators:RigidBodyChecker": rules.OPENUSD_PHYSICS,
    "usdPhysicsValidators:ArticulationChecker": rules.OPENUSD_PHYSICS,
    "usdPhysicsValidators:PhysicsJointChecker": rules.OPENUSD_PHYSICS,
}
"""The validators that are run. Others look at shading, skeletons, packages and colliders; metadata is looked at by our own."""
_OWN = {"RigidBodyNonInstanceable", "JointInvalidPrimRel", "JointMultiplePrimsRel"}
"""What our own rules say in other words."""
_MASS = ("Mass", "Inertia", "Density")


def check(subject: Subject) -> Iterator[Finding]:
    """Run the validators over the composed stage; findings of one kind are one finding."""
    found: dict[tuple[Rule, str], dict[str, str]] = defaultdict(dict)
    for error in _errors(subject.stage):
        identifier = str(error.GetIdentifier())
        validator, _, name = identifier.rpartition(".")
        if name in _OWN:
            continue
        rule = VALIDATORS[validator]
        if rule is rules.OPENUSD_PHYSICS and name.startswith(_MASS):
            rule = rules.OPENUSD_MASS
        where = next((str(site.GetPrim().GetPath()) for site in error.GetSites() if site.IsPrim()), "/")
        message = " ".join(str(error.GetMessage()).split())
        found[rule, identifier if rule is not rules.MISSING_ASSET else message].setdefault(where, message)
    for (rule, kind), messages in found.items():
        first = next(iter(messages.values()))
        yield Finding(rule, tuple(messages), first if first == kind else f"{kind}: {first}")


def _errors(stage: Any) -> list[Any]:
    try:
        from pxr import UsdValidation
    except ImportError:  # a build of OpenUSD without its validation framework; our own rules remain
        return []
    registry = UsdValidation.ValidationRegistry()
    validators = [registry.GetOrLoadValidatorByName(name) for name in VALIDATORS]
    errors: list[Any] = UsdValidation.ValidationContext([one for one in validators if one]).Validate(stage)
    return errors
