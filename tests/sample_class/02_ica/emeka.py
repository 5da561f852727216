# %% [markdown] start="reference" about="Measures without projecting rightly: equal energies instead of the best factor, and one source at a time."

# %% answer="scale_invariant_sdr"
def scale_invariant_sdr(reference, estimate):
    s = reference - np.mean(reference)
    e = estimate - np.mean(estimate)
    e = e * np.linalg.norm(s) / np.linalg.norm(e)
    return 10 * np.log10(np.sum(s**2) / np.sum((e - s) ** 2))

# %% answer="distortion_ratios"
def distortion_ratios(references, estimate, target):
    parts = np.array([(estimate @ s) / (s @ s) * s for s in references])
    interference = parts.sum(axis=0) - parts[target]
    artefacts = estimate - parts.sum(axis=0)
    db = lambda a, b: 10 * np.log10((a @ a) / (b @ b))
    return [db(parts[target], interference + artefacts), db(parts[target], interference), db(parts[target] + interference, artefacts)]
