"""Adaptive filters: they learn an echo path, sample by sample or block by block, while they cancel its echo."""

from course_lib.adaptive.adaptation import Adaptation
from course_lib.adaptive.apa import APA, apa
from course_lib.adaptive.block import PartitionedBlockFilter, frequency_domain_lms, partitioned_block_lms
from course_lib.adaptive.kalman import FrequencyDomainKalman, frequency_domain_kalman
from course_lib.adaptive.lms import LMS, NLMS, lms, nlms
from course_lib.adaptive.rls import RLS, rls

__all__ = [
    "APA",
    "LMS",
    "NLMS",
    "RLS",
    "Adaptation",
    "FrequencyDomainKalman",
    "PartitionedBlockFilter",
    "apa",
    "frequency_domain_kalman",
    "frequency_domain_lms",
    "lms",
    "nlms",
    "partitioned_block_lms",
    "rls",
]
