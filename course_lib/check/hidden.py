"""Inputs for hidden tests that nobody knows beforehand, though the code that draws them is public.

An instructor sets a secret; every exercise then has a random generator of its own that follows from the secret and from
the exercise's key. The tests may stand in a public repository: whoever reads them learns how inputs are drawn, and not
which. Without a secret (in a learner's own notebook, in plain nbgrader) a stated public one takes its place.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final

import numpy as np

from course_lib.validation import describe

SECRET_VARIABLE: Final = "COURSE_HIDDEN_INPUTS_SECRET"
"""Environment variable that holds the instructor's secret: bytes, as hexadecimal digits."""
STUDENT_VARIABLE: Final = "COURSE_STUDENT"
"""Environment variable that names the student whose answers are being tested."""
PUBLIC_SECRET: Final = "7075626c6963"
"""What stands in for the secret where none is set: the word "public". Inputs drawn from it can be known to anybody."""
PUBLIC_STUDENT: Final = ""
"""What stands in for the student where none is named."""


def hidden_inputs(exercise_key: str, per_student: bool = False) -> np.random.Generator:
    """Return the random generator from which an exercise's hidden test draws its inputs.

    Its seed is the HMAC-SHA256, under the instructor's secret, of the exercise's key and, if asked, of the student's
    name. The secret comes from the environment variable ``COURSE_HIDDEN_INPUTS_SECRET`` (hexadecimal digits), the
    student from ``COURSE_STUDENT``; where one is not set or is empty, ``PUBLIC_SECRET`` and ``PUBLIC_STUDENT`` take
    its place, so that the same test cell runs everywhere.

    Every call for the same key starts the same stream again: what one exercise draws depends neither on the order of
    exercises nor on what others have drawn. The bit stream (PCG64) is the same on every machine; normal and other
    shaped variates are, too, but for the last place of a machine's mathematical functions. Give a marked exercise
    ``per_student`` only where classmates must not get the same inputs: marks of equal answers can then differ.

    Args:
        exercise_key: the exercise's key in the lesson, such as ``"convolve_by_fft"``.
        per_student: whether each student gets inputs of their own.
    Returns:
        A generator at the start of its stream.
    Raises:
        ValueError: if the key is no text or is empty, or the secret is not hexadecimal.

    Lesson: 01 §2
    """
    if not isinstance(exercise_key, str) or not exercise_key:
        raise ValueError(
            f"exercise_key: got {describe(exercise_key)}, expected text. "
            'Pass the exercise\'s key, as in check.hidden_inputs("convolve_by_fft").'
        )
    secret = os.environ.get(SECRET_VARIABLE) or PUBLIC_SECRET
    parts = [exercise_key]
    if per_student:
        parts.append(os.environ.get(STUDENT_VARIABLE) or PUBLIC_STUDENT)
    # Lengths keep apart what joined text would confuse: the key "a" of student "b" and the key "ab".
    message = b"".join(len(data).to_bytes(8, "big") + data for data in (part.encode("utf-8") for part in parts))
    digest = hmac.new(_secret_bytes(secret), message, hashlib.sha256).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def _secret_bytes(secret: str) -> bytes:
    """Read the hexadecimal digits; the message of the error keeps the secret to itself."""
    try:
        return bytes.fromhex(secret)
    except ValueError:
        raise ValueError(
            f"{SECRET_VARIABLE}: got {len(secret)} characters that are not an even number of hexadecimal digits. "
            'Set it to what python -c "import secrets; print(secrets.token_hex(32))" prints, or unset it for the '
            "public inputs."
        ) from None
