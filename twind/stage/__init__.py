"""Everything that touches pxr: discovery of the twin, the live layer and its writer, snapshots. One thread owns it all."""
