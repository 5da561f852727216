# %% [markdown] start="reference" about="An import that fails, before the function is defined."

# %% answer="double_talk_statistic"
from echo_tools import explained_share

def double_talk_statistic(x, y, n_taps):
    return explained_share(x, y, n_taps) ** 0.5
