"""What a stage looks like, for viewers that know no USD: its geometry, base colours and cameras as one glTF file.

`python -m twind.stage.scene ROOT < live.usda > scene.glb`: a process of its own, so that a stage of any size holds up nothing.
"""
