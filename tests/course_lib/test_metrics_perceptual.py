"""PESQ and STOI: what they are for, their peers' values, and errors where they have none."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest

from course_lib import data
from course_lib.metrics import pesq, stoi
from course_lib.validation import SilentSignalError

RATE = 16_000

needs_pesq = pytest.mark.skipif(
    importlib.util.find_spec("pesq") is None and "REQUIRE_PESQ" not in os.environ, reason="pesq is not installed"
)


@pytest.fixture(scope="module")
def speech():
    return data.speech_clip(0, 3.0)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def noisy(speech, snr_db, rng):
    return speech + np.std(speech) * 10 ** (-snr_db / 20) * rng.standard_normal(speech.size)


SCORES = [
    pytest.param(lambda s, e: pesq(s, e, sample_rate=RATE), id="pesq wide", marks=needs_pesq),
    pytest.param(lambda s, e: pesq(s, e, sample_rate=RATE, band="narrow"), id="pesq narrow", marks=needs_pesq),
    pytest.param(lambda s, e: stoi(s, e, sample_rate=RATE), id="stoi"),
    pytest.param(lambda s, e: stoi(s, e, sample_rate=RATE, extended=True), id="estoi"),
]


@pytest.mark.parametrize("score", SCORES)
def test_less_noise_scores_higher(speech, rng, score):
    values = [score(speech, noisy(speech, snr_db, rng)) for snr_db in (0, 15, 30)]
    assert values == sorted(values)
    assert values[2] > values[0] + 0.1


@pytest.mark.parametrize("score", SCORES)
def test_the_level_does_not_matter(speech, rng, score):
    estimate = noisy(speech, 10, rng)
    expected = score(speech, estimate)
    for scales in ((1e-6, 1.0), (1.0, 1e-6), (1e6, 1e6)):
        assert score(scales[0] * speech, scales[1] * estimate) == pytest.approx(expected, abs=2e-3)


@needs_pesq
def test_pesq_of_a_perfect_estimate_is_the_best_there_is(speech):
    assert pesq(speech, speech, sample_rate=RATE) == pytest.approx(4.644, abs=1e-3)
    assert pesq(speech, speech, sample_rate=RATE, band="narrow") == pytest.approx(4.549, abs=1e-3)


def test_stoi_of_a_perfect_estimate_is_one(speech):
    assert stoi(speech, speech, sample_rate=RATE) == pytest.approx(1.0, abs=1e-9)


@needs_pesq
@pytest.mark.parametrize(("band", "mode"), [("wide", "wb"), ("narrow", "nb")])
def test_pesq_is_the_package_s_value(speech, rng, band, mode):
    from pesq import pesq as package

    estimate = noisy(speech, 10, rng)
    assert pesq(speech, estimate, sample_rate=RATE, band=band) == pytest.approx(
        package(RATE, speech, estimate, mode), abs=2e-3
    )


@pytest.mark.parametrize("extended", [False, True])
def test_stoi_is_the_package_s_value(speech, rng, extended):
    from pystoi import stoi as package

    estimate = noisy(speech, 5, rng)
    assert stoi(speech, estimate, sample_rate=RATE, extended=extended) == pytest.approx(
        package(speech, estimate, RATE, extended=extended), abs=1e-6
    )


@pytest.mark.parametrize("score", SCORES)
def test_leading_axes_are_scored_one_by_one(speech, rng, score):
    references = np.stack([speech, speech])
    estimates = np.stack([noisy(speech, 20, rng), noisy(speech, 5, rng)])
    values = score(references, estimates)
    assert values.shape == (2,)
    assert values[1] == pytest.approx(score(speech, estimates[1]), abs=1e-6)
    assert isinstance(score(speech, estimates[0]), float)


@pytest.mark.parametrize("score", SCORES)
def test_silence_has_a_named_error(speech, score):
    with pytest.raises(SilentSignalError, match="reference is silent"):
        score(np.zeros_like(speech), speech)
    with pytest.raises(SilentSignalError, match="estimate is silent"):
        score(speech, np.zeros_like(speech))


@needs_pesq
def test_a_reference_without_an_utterance_has_a_named_error():
    hum = np.sin(2 * np.pi * 20 / RATE * np.arange(RATE))
    with pytest.raises(SilentSignalError, match="no utterance in the reference"):
        pesq(hum, hum, sample_rate=RATE)


@needs_pesq
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sample_rate": 8000}, "sample_rate: got 8000 Hz, expected 16000 Hz for the wide band"),
        ({"sample_rate": 44_100, "band": "narrow"}, "sample_rate: got 44100 Hz, expected 8000 or 16000 Hz"),
        ({"sample_rate": 16_000.0}, "sample_rate: got float"),
        ({"sample_rate": RATE, "band": "wb"}, 'band: got str .*expected "wide" or "narrow"'),
    ],
)
def test_wrong_rates_and_bands_of_pesq_are_refused(speech, options, match):
    with pytest.raises(ValueError, match=match):
        pesq(speech, speech, **options)


def test_wrong_rates_of_stoi_are_refused(speech):
    with pytest.raises(ValueError, match="sample_rate: got 4000 Hz, expected at least 8000 Hz"):
        stoi(speech, speech, sample_rate=4000)


@pytest.mark.parametrize("score", SCORES)
def test_what_is_too_short_is_refused(speech, score):
    with pytest.raises(ValueError, match="reference: got 1000 samples, expected at least"):
        score(speech[4000:5000], speech[4000:5000])
    with pytest.raises(ValueError, match=r"estimate: got .*same samples"):
        score(speech, speech[1:])


def test_too_little_speech_between_pauses_is_refused(rng):
    reference = np.zeros(2 * RATE)
    reference[:3000] = rng.standard_normal(3000)
    with pytest.raises(ValueError, match=r"of its 2\.00 s less than 0\.4 s is speech"):
        stoi(reference, reference, sample_rate=RATE)


@pytest.mark.parametrize(("name", "score"), [("pesq", pesq), ("pystoi", stoi)])
def test_a_missing_package_is_named_with_its_remedy(monkeypatch, speech, name, score):
    def missing(module, *arguments, **options):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=rf"{name} is not installed.*\[perceptual\]"):
        score(speech, speech, sample_rate=RATE)
