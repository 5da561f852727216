# %% [markdown] start="reference" about="Half done: stopped before MVDR." blank="mvdr_weights cancellation masked_covariances gev_weights multichannel_wiener gcc_phat_delay srp_phat_map"
