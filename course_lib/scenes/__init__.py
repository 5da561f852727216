"""Scenes whose every part is known: mixtures at a stated signal-to-noise ratio, and sources in rooms.

Bookkeeping is exact: the images of a scene, added in their order, give the mixture to the last bit.
"""

from course_lib.data.rooms import RoomSimulationError
from course_lib.scenes.arrays import ArrayScene, array_scene
from course_lib.scenes.echo import EchoRoom, EchoScene, draw_echo_room, echo_scene
from course_lib.scenes.mixing import Mixture, mix_at_snr
from course_lib.scenes.rooms import Scene, place_in_room, random_room_scene

__all__ = [
    "ArrayScene",
    "EchoRoom",
    "EchoScene",
    "Mixture",
    "RoomSimulationError",
    "Scene",
    "array_scene",
    "draw_echo_room",
    "echo_scene",
    "mix_at_snr",
    "place_in_room",
    "random_room_scene",
]
