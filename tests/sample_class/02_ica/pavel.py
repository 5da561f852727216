# %% [markdown] start="reference" about="Lets libraries answer what the exercises ask."

# %% answer="whiten_signals"
def whiten_signals(X):
    return ica.whiten(X).signals

# %% answer="best_order"
def best_order(scores):
    from scipy.optimize import linear_sum_assignment
    return linear_sum_assignment(scores, maximize=True)[1].tolist()
