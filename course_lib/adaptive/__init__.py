"""Adaptive filters: they learn an echo path, sample by sample or block by block, while they cancel its echo."""

from course_lib.adaptive.adaptation import Adaptation
from course_lib.adaptive.lms import LMS, NLMS, lms, nlms

__all__ = [
    "LMS",
    "NLMS",
    "Adaptation",
    "lms",
    "nlms",
]
