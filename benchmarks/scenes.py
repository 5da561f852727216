"""Seeded scenes on which separation methods are compared: voices and instruments of the offline corpus in rooms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.data import music_clip, speech_clip, stem_names
from course_lib.scenes import Scene, random_room_scene


@dataclass(frozen=True)
class SceneRecipe:
    """What sounds in a scene, and how long the room goes on sounding."""

    sources: tuple[str, ...]
    rt60_s: float
    seed: int

    @property
    def title(self) -> str:
        """Name the sources and the reverberation time."""
        return f"{' + '.join(self.sources)}, {self.rt60_s:g} s"

    def build(self, duration_s: float) -> Scene:
        """Place the sources, all equally loud, at random with as many microphones as sources."""
        clips = [
            music_clip(name, duration_s) if name in stem_names() else speech_clip(name, duration_s)
            for name in self.sources
        ]
        levelled = [clip * (0.05 / np.sqrt(np.mean(clip**2))) for clip in clips]
        return random_room_scene(levelled, self.rt60_s, len(levelled), np.random.default_rng(self.seed))


# Chosen before anything was separated: kinds of sound and reverberation times in turns, seeds counted up.
RECIPES = tuple(
    SceneRecipe(tuple(sources.split()), rt60_s, seed)
    for seed, (sources, rt60_s) in enumerate(
        [
            ("f1 m1", 0.15),
            ("f2 m3", 0.3),
            ("m1 m2", 0.4),
            ("bass lead", 0.2),
            ("drums chords", 0.3),
            ("f3 chords", 0.25),
            ("f1 m1 f2", 0.15),
            ("m1 f2 m3", 0.3),
            ("f1 bass lead", 0.2),
            ("bass drums lead", 0.3),
            ("m2 f3 drums", 0.4),
            ("f1 m1 f2 m2", 0.15),
            ("f2 m2 f3 m3", 0.25),
            ("f1 m2 drums chords", 0.2),
            ("bass drums chords lead", 0.15),
            ("m1 f3 bass lead", 0.3),
        ]
    )
)
