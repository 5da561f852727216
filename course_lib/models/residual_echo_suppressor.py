"""The network that suppresses what a linear echo canceller leaves: a small recurrent U-Net along frequency.

What it is given are the levels of four signals in each band of each frame: the canceller's output e, its echo estimate
ŷ, the microphone y and the far end x. What it answers is a gain from 0 to 1 for each band of e. How features are made
and gains applied stands in :mod:`course_lib.aec.residual`, how it was trained in
:mod:`course_lib.training.residual_echo`.

Whether a band holds residual echo can mostly be told from the band itself and how it came about: e is low against ŷ,
and follows it. So most of the work is done by layers whose weights all bands share, which is why a few voices suffice
to train them. What the whole spectrum says, for instance that a vowel is being spoken, reaches them through one narrow
recurrent layer over all bands. No layer looks ahead, and only the two recurrent ones remember.

Axes: b batch, m frame, c channel, k band.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""What the two recurrent layers remember: shapes (1, n_batch, n_wide) and (1, n_batch·n_bands/4, n_channels)."""


class ResidualEchoSuppressor(nn.Module):
    """Give each band of a canceller's output a gain that keeps near-end speech and takes residual echo away.

    Equation: (g[m], state) = network(features[m], state), with 0 < g < 1

    The default size has 65 845 parameters and takes 0.5 million multiplications a frame.

    Args:
        n_bands: bands of a frame; a multiple of 4.
        n_signals: channels of the features.
        n_channels: channels of the layers that all bands share.
        n_wide: units of the recurrent layer over all bands.
    Raises:
        ValueError: if n_bands is no multiple of 4.
    Cost: O(n_bands·n_channels²) a frame.
    Reference: after K. Tan and D. Wang, "A convolutional recurrent neural network for real-time speech enhancement",
        Interspeech 2018, and X. Hao et al., "FullSubNet: a full-band and sub-band fusion model for real-time
        single-channel speech enhancement", ICASSP 2021, much smaller.
    Lesson: 05 §9
    """

    def __init__(self, n_bands: int = 96, n_signals: int = 4, n_channels: int = 32, n_wide: int = 64) -> None:
        """Build the layers with random weights; see the class."""
        super().__init__()
        if n_bands % 4:
            raise ValueError(f"n_bands: got {n_bands}, expected a multiple of 4, for the bands are halved twice.")
        n_few, n_places = n_channels // 4, n_bands // 4
        # Down: from all bands to a quarter of them, each place seeing its neighbours.
        self.down_1 = nn.Conv1d(n_signals, n_channels // 2, kernel_size=5, stride=2, padding=2)
        self.down_2 = nn.Conv1d(n_channels // 2, n_channels, kernel_size=5, stride=2, padding=2)
        # Across: one memory of the whole spectrum, behind a bottleneck that keeps it small.
        self.squeeze = nn.Conv1d(n_channels, n_few, kernel_size=1)
        self.gather = nn.Linear(n_few * n_places, n_wide)
        self.wide_memory = nn.GRU(n_wide, n_wide, batch_first=True)
        self.spread = nn.Linear(n_wide, n_few * n_places)
        self.widen = nn.Conv1d(n_few, n_channels, kernel_size=1)
        # Along time: each place has a memory of its own, and all places use the same weights.
        self.band_memory = nn.GRU(n_channels, n_channels, batch_first=True)
        # Up: back to all bands, with what each scale looked like on the way down.
        self.up_2 = nn.ConvTranspose1d(2 * n_channels, n_channels // 2, kernel_size=4, stride=2, padding=1)
        self.up_1 = nn.ConvTranspose1d(n_channels, n_channels // 2, kernel_size=4, stride=2, padding=1)
        self.gain = nn.Conv1d(n_channels // 2 + n_signals, 1, kernel_size=3, padding=1)
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Compute the gains of one or many frames; all at once or one at a time gives the same.

        Args:
            features: shape (n_batch, n_frames, n_signals, n_bands).
            state: what an earlier call returned, or None to begin.
        Returns:
            Gains, shape (n_batch, n_frames, n_bands), and the state after the last frame.
        """
        n_batch, n_frames, n_signals, n_bands = features.shape
        wide_state, band_state = state if state is not None else (None, None)

        fine = features.reshape(n_batch * n_frames, n_signals, n_bands)
        middle = self.activation(self.down_1(fine))  # (bm, c/2, k/2)
        coarse = self.activation(self.down_2(middle))  # (bm, c, k/4)
        n_channels, n_places = coarse.shape[1:]

        bottleneck = self.activation(self.squeeze(coarse)).reshape(n_batch, n_frames, -1)
        wide, wide_state = self.wide_memory(self.activation(self.gather(bottleneck)), wide_state)
        context = self.activation(self.spread(wide)).reshape(n_batch * n_frames, -1, n_places)

        x = coarse + self.widen(context)
        x = x.reshape(n_batch, n_frames, n_channels, n_places).permute(0, 3, 1, 2)  # (b, k/4, m, c)
        x, band_state = self.band_memory(x.reshape(n_batch * n_places, n_frames, n_channels), band_state)
        x = x.reshape(n_batch, n_places, n_frames, n_channels).permute(0, 2, 3, 1)
        x = x.reshape(n_batch * n_frames, n_channels, n_places)

        x = self.activation(self.up_2(torch.cat([x, coarse], dim=1)))
        x = self.activation(self.up_1(torch.cat([x, middle], dim=1)))
        gains = torch.sigmoid(self.gain(torch.cat([x, fine], dim=1)))
        return gains.reshape(n_batch, n_frames, n_bands), (wide_state, band_state)
