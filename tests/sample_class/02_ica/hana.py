# %% [markdown] start="reference" about="Mixes up an order and its inverse, in the mixing matrix and in the matching of outputs."

# %% answer="equivalent_mixing"
def equivalent_mixing(A, order, gains):
    A_new = np.zeros(A.shape)
    for j in range(len(order)):
        A_new[:, order[j]] = A[:, j] / gains[order[j]]
    return A_new

# %% answer="best_order"
def best_order(scores):
    n = len(scores)
    return list(max(itertools.permutations(range(n)), key=lambda order: sum(scores[order[i], i] for i in range(n))))
