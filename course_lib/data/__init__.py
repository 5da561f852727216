"""Sounds and rooms for the lessons: the offline corpus, built on this machine, and real corpora to download."""

from course_lib.data.cache import cache_dir
from course_lib.data.clips import fetched_corpora, music_clip, speech_clip
from course_lib.data.corpus import (
    build_corpus,
    noise,
    noise_names,
    room,
    room_names,
    speech,
    stem,
    stem_names,
    verify_corpus,
    voices,
)
from course_lib.data.registry import fetch
from course_lib.data.rooms import Room
from course_lib.data.talkers import Voice, sentences

__all__ = [
    "Room",
    "Voice",
    "build_corpus",
    "cache_dir",
    "fetch",
    "fetched_corpora",
    "music_clip",
    "noise",
    "noise_names",
    "room",
    "room_names",
    "sentences",
    "speech",
    "speech_clip",
    "stem",
    "stem_names",
    "verify_corpus",
    "voices",
]
