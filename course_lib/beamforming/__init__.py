"""Arrays of microphones: geometry, steering, beamformers, their patterns, and where the sources are.

Conventions. Positions are ``(n_channels, 3)`` in metres about the array's centre. Azimuth counts in degrees,
counter-clockwise from the x axis, elevation from the horizontal plane; a direction points from the array towards the
source, so that broadside of a linear array, which lies on the x axis, is 90°. Spectrograms are ``(n_channels, n_freqs,
n_frames)``, covariances ``(n_freqs, n_channels, n_channels)``, steering vectors ``(..., n_freqs, n_channels)``
and beamformers w ``(n_freqs, n_channels)``; the output is Y = wᴴX. Neither a recording's level nor a silent frequency
disturbs a result: each function states its answer for silence.
"""

from course_lib.beamforming.beamformers import (
    align_phase,
    apply_beamformer,
    blind_analytic_normalisation,
    delay_and_sum,
    gev,
    lcmv,
    mvdr,
    mvdr_souden,
    mwf,
)
from course_lib.beamforming.covariance import diffuse_coherence, spatial_covariance
from course_lib.beamforming.geometry import circular_array, direction, linear_array, rectangular_array
from course_lib.beamforming.localisation import GCC, find_directions, gcc_phat, music, srp_phat
from course_lib.beamforming.pattern import beam_pattern, directivity_index, white_noise_gain
from course_lib.beamforming.steering import far_field_delays, near_field_steering_vector, steering_vector

__all__ = [
    "GCC",
    "align_phase",
    "apply_beamformer",
    "beam_pattern",
    "blind_analytic_normalisation",
    "circular_array",
    "delay_and_sum",
    "diffuse_coherence",
    "direction",
    "directivity_index",
    "far_field_delays",
    "find_directions",
    "gcc_phat",
    "gev",
    "lcmv",
    "linear_array",
    "music",
    "mvdr",
    "mvdr_souden",
    "mwf",
    "near_field_steering_vector",
    "rectangular_array",
    "spatial_covariance",
    "srp_phat",
    "steering_vector",
    "white_noise_gain",
]
