"""Players side by side, equally loud, with what each sounds like drawn underneath.

from course_lib.listen import listen

listen({"dry": x, "in the hall": y}, sample_rate)
save_sounds("recordings", {"dry": x, "in the hall": y}, sample_rate)
"""

from __future__ import annotations

from course_lib.listen.files import save_sounds
from course_lib.listen.loudness import loudness
from course_lib.listen.players import Players, listen

__all__ = ["Players", "listen", "loudness", "save_sounds"]
