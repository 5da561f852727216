# %% [markdown] start="reference" about="Half done: stopped after the echo model in the STFT domain." blank="two_domains frequency_domain_step double_talk_statistic not_from_near_end kalman_step"
