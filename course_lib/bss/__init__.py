"""Blind separation of recordings made in rooms: frequency-domain ICA, IVA and ILRMA, and the scale of their sources."""

from course_lib.bss.ilrma import ilrma
from course_lib.bss.iva import auxiva
from course_lib.bss.permutation import FrequencyDomainICA, align_permutations, frequency_domain_ica, reorder_sources
from course_lib.bss.reduce import reduce_channels
from course_lib.bss.scale import apply_demixing, minimal_distortion, project_back, projection_back_filter
from course_lib.bss.separation import Separation

__all__ = [
    "FrequencyDomainICA",
    "Separation",
    "align_permutations",
    "apply_demixing",
    "auxiva",
    "frequency_domain_ica",
    "ilrma",
    "minimal_distortion",
    "project_back",
    "projection_back_filter",
    "reduce_channels",
    "reorder_sources",
]
