"""Blind separation of recordings made in rooms: frequency-domain ICA, IVA and ILRMA, and the scale of their sources."""

from course_lib.bss.permutation import FrequencyDomainICA, align_permutations, frequency_domain_ica, reorder_sources
from course_lib.bss.reduce import reduce_channels
from course_lib.bss.scale import apply_demixing, minimal_distortion, project_back, projection_back_filter

__all__ = [
    "FrequencyDomainICA",
    "align_permutations",
    "apply_demixing",
    "frequency_domain_ica",
    "minimal_distortion",
    "project_back",
    "projection_back_filter",
    "reduce_channels",
    "reorder_sources",
]
