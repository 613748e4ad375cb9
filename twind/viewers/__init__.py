"""The live stream for viewers: the protocol `twind.live` (no I/O) and its server. Nothing in here knows pxr or HTTP.

`follower` is the other side, a link to the Omniverse extension's own modules in `adapters/omni.twind.live`: standard library
only, and nothing of the daemon in it.
"""
