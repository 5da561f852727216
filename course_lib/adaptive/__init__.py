"""Adaptive filters: they learn an echo path, sample by sample or block by block, while they cancel its echo."""

from course_lib.adaptive.adaptation import Adaptation

__all__ = [
    "Adaptation",
]
