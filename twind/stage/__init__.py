"""Everything that touches pxr: discovery of the twin, the live layer and its writer, snapshots. One thread owns it all."""

from twind.stage import schema_plugin

schema_plugin.register()  # before any module of this room can open a stage
