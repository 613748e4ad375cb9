"""The codeless schemas `TwindEntityAPI`, `TwindJointAPI` and `TwindRouteAPI`: where they are, and how pxr gets to know them.

`twind stage --schema-path` prints the folder, for `PXR_PLUGINPATH_NAME` of other USD tools.
"""

from __future__ import annotations

from pathlib import Path

from pxr import Plug, Tf

ENTITY_API, JOINT_API, ROUTE_API = "TwindEntityAPI", "TwindJointAPI", "TwindRouteAPI"
_PLUGIN = "twindSchema"
_PLUG_INFO = "plugInfo.json"


def folder() -> Path | None:
    """Return the folder of the schema plug-in, in the installed package or in the checkout; None when it is in neither."""
    here = Path(__file__).resolve().parent
    places = (here / "schema", here.parents[1] / "stages" / "schema")
    return next((place for place in places if (place / _PLUG_INFO).is_file()), None)


def register() -> bool:
    """Make the schemas known to pxr in this process; return whether they are.

    pxr builds its registry of schemas once, when the first stage opens, so this comes before. Nothing depends on it:
    discovery reads attributes and applied schemas by name. It only lets `ApplyAPI` and `HasAPI` work here as well.
    """
    place = folder()
    if place is not None and not Plug.Registry().GetPluginWithName(_PLUGIN):  # PXR_PLUGINPATH_NAME may have brought it
        try:
            Plug.Registry().RegisterPlugins(str(place))
        except Tf.ErrorException:
            return False
    return bool(Plug.Registry().GetPluginWithName(_PLUGIN))
