# %% [markdown] start="reference" about="An import that fails, before the function is defined."

# %% answer="weighted_covariance"
from fast_covariances import covariances

def weighted_covariance(X, weights):
    return covariances(X, weights)
