"""Speech synthesis with espeak-ng through ctypes, with the same samples for the same request, always.

espeak-ng keeps state between utterances: the phase of its pitch flutter, a gain that recovers slowly
after an overload, a queue of commands, and more. Three measures make each utterance depend on its
request alone, and a test holds them to it: the library is initialised anew and its queue emptied for
every utterance; every voice file sets flutter and roughness to zero and uses no breath noise (which
draws from the C library's ``rand``); and the volume stays below the point where the gain control acts.
What is left of the synthesis is integer arithmetic and exactly rounded sums, so that the samples
should not depend on the processor either.
"""

from __future__ import annotations

import ctypes
import functools
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 22_050
"""Sample rate of espeak-ng, in hertz."""

_SYNCHRONOUS_OUTPUT: Final = 2
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_CHARACTERS_ARE_UTF8: Final = 1
_PHONEMES_AS_IPA: Final = 0x02
_LONGEST_DATA_PATH: Final = 140
_VOLUME_PERCENT: Final = 50

_library_lock = threading.Lock()
_SYNTHESIS_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p)


class SpeechSynthesisError(RuntimeError):
    """espeak-ng is missing or refused a request."""


@functools.cache
def _library() -> ctypes.CDLL:
    """Load the shared library of the espeakng-loader wheel and declare the calls used here."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise SpeechSynthesisError(
            "The voices need the package espeakng-loader, which is not installed. "
            "Install this project's requirements again and repeat the command."
        ) from error
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as error:
        raise SpeechSynthesisError(f"espeak-ng could not be loaded on this platform: {error}.") from error
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_SetVoiceByFile.argtypes = [ctypes.c_char_p]
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
        ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    return library


@functools.cache
def _data_path() -> str:
    """Return a path of espeak-ng's data that is short enough for its fixed buffer."""
    import espeakng_loader

    path: str = espeakng_loader.get_data_path()
    if len(path.encode()) <= _LONGEST_DATA_PATH:
        return path
    link = Path(tempfile.mkdtemp(prefix="espeak-")) / "espeak-ng-data"
    try:
        link.symlink_to(path, target_is_directory=True)
    except OSError as error:
        raise SpeechSynthesisError(
            f"The path of espeak-ng's data has {len(path.encode())} bytes and espeak-ng can hold {_LONGEST_DATA_PATH}. "
            "Move the virtual environment to a folder with a shorter path."
        ) from error
    return str(link)


def _initialise(library: ctypes.CDLL) -> None:
    """Give espeak-ng its initial state."""
    library.espeak_Terminate()
    if library.espeak_Initialize(_SYNCHRONOUS_OUTPUT, 0, _data_path().encode(), 0) != SAMPLE_RATE_HZ:
        raise SpeechSynthesisError(f"espeak-ng did not start at {SAMPLE_RATE_HZ} Hz with the data in {_data_path()}.")
    # Translating without speaking (as ``phonemes`` does) leaves commands in espeak-ng's queue, which the next
    # utterance would obey. An utterance that nobody hears empties it.
    library.espeak_SetSynthCallback(_SYNTHESIS_CALLBACK())
    library.espeak_Synth(b"a", 2, 0, 1, 0, _CHARACTERS_ARE_UTF8, None, None)
    library.espeak_Synchronize()


def synthesise(text: str, voice_file: Path, words_per_minute: int) -> NDArray[np.int16]:
    """Speak one sentence with the voice described in ``voice_file``.

    Args:
        text: the sentence, in English spelling.
        voice_file: an espeak-ng voice file with flutter and roughness zero and no breath.
        words_per_minute: speed of speaking.

    Returns:
        Samples at 22 050 Hz, shape (n_samples,).

    Raises:
        SpeechSynthesisError: if espeak-ng is missing, refuses the voice or says nothing.

    Lesson: 01 §1
    """
    library = _library()
    blocks: list[NDArray[np.int16]] = []

    def collect(samples: Any, n_samples: int, _events: Any) -> int:
        if samples and n_samples > 0:
            blocks.append(np.ctypeslib.as_array(samples, (n_samples,)).copy())
        return 0

    callback = _SYNTHESIS_CALLBACK(collect)
    with _library_lock:
        _initialise(library)
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByFile(str(voice_file).encode()) != 0:
            raise SpeechSynthesisError(f"espeak-ng refused the voice file {voice_file}.")
        for parameter, value in ((_RATE, words_per_minute), (_VOLUME, _VOLUME_PERCENT), (_PITCH, 50), (_RANGE, 50)):
            library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode() + b"\0"
        status = library.espeak_Synth(encoded, len(encoded), 0, 1, 0, _CHARACTERS_ARE_UTF8, None, None)
        library.espeak_Synchronize()
        # The next user of the library must not call back into this finished frame.
        library.espeak_SetSynthCallback(_SYNTHESIS_CALLBACK())
    if status != 0 or not blocks:
        raise SpeechSynthesisError(f"espeak-ng returned status {status} and {len(blocks)} blocks for {text!r}.")
    return np.concatenate(blocks)


def phonemes(text: str) -> tuple[str, ...]:
    """Return espeak-ng's General American phonemes of ``text`` in the International Phonetic Alphabet.

    Args:
        text: one clause, in English spelling.

    Returns:
        The phonemes in order, without stress marks.

    Raises:
        SpeechSynthesisError: if espeak-ng is missing or has no American English.

    Lesson: 01 §1
    """
    library = _library()
    with _library_lock:
        _initialise(library)
        if library.espeak_SetVoiceByName(b"en-us") != 0:
            raise SpeechSynthesisError("espeak-ng has no voice en-us.")
        buffer = ctypes.create_string_buffer(text.encode())
        position = ctypes.c_void_p(ctypes.addressof(buffer))
        separator = ord("_") << 8
        spelled: bytes = library.espeak_TextToPhonemes(
            ctypes.byref(position), _CHARACTERS_ARE_UTF8, _PHONEMES_AS_IPA | separator
        )
    words = spelled.decode().replace("ˈ", "").replace("ˌ", "").split()
    return tuple(phoneme for word in words for phoneme in word.split("_") if phoneme)
