"""Hidden inputs: decided by secret, exercise and student alone, and by a stated public default where none is set."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from course_lib import check
from course_lib.check import hidden

SECRET = "00ff" * 16
OTHER_SECRET = "00fe" * 16


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(hidden.SECRET_VARIABLE, raising=False)
    monkeypatch.delenv(hidden.STUDENT_VARIABLE, raising=False)


def drawn(key: str, per_student: bool = False) -> tuple[int, ...]:
    return tuple(check.hidden_inputs(key, per_student).integers(0, 2**63, 4).tolist())


def test_each_call_starts_the_same_stream_again() -> None:
    first = drawn("energy")
    check.hidden_inputs("level").standard_normal(100)
    np.random.default_rng().standard_normal(3)
    assert drawn("energy") == first


def test_secret_exercise_and_student_each_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [drawn("a"), drawn("b"), drawn("a", True)]
    for secret in (SECRET, OTHER_SECRET):
        monkeypatch.setenv(hidden.SECRET_VARIABLE, secret)
        monkeypatch.delenv(hidden.STUDENT_VARIABLE, raising=False)
        seen += [drawn("a"), drawn("b"), drawn("a", True)]
        for student in ("ada", "bruno"):
            monkeypatch.setenv(hidden.STUDENT_VARIABLE, student)
            assert drawn("a") in seen, "without per_student the student decides nothing"
            seen.append(drawn("a", True))
    assert len(set(seen)) == len(seen)


def test_key_and_student_cannot_be_confused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hidden.STUDENT_VARIABLE, "bc")
    first = drawn("a", True)
    monkeypatch.setenv(hidden.STUDENT_VARIABLE, "c")
    assert drawn("ab", True) != first
    assert drawn("abc") != first


def test_the_default_is_the_stated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    public = drawn("energy"), drawn("energy", True)
    monkeypatch.setenv(hidden.SECRET_VARIABLE, "")
    assert (drawn("energy"), drawn("energy", True)) == public, "an empty variable counts as none"
    monkeypatch.setenv(hidden.SECRET_VARIABLE, hidden.PUBLIC_SECRET)
    monkeypatch.setenv(hidden.STUDENT_VARIABLE, hidden.PUBLIC_STUDENT)
    assert (drawn("energy"), drawn("energy", True)) == public


def test_the_seed_is_the_hmac_that_the_docstring_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Computed here from the definition (RFC 2104), so that another implementation can draw the same inputs."""
    import hashlib

    monkeypatch.setenv(hidden.SECRET_VARIABLE, SECRET.upper())
    padded = bytes.fromhex(SECRET).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded) + (6).to_bytes(8, "big") + b"energy").digest()
    seed = int.from_bytes(hashlib.sha256(bytes(b ^ 0x5C for b in padded) + inner).digest(), "big")
    assert tuple(np.random.default_rng(seed).integers(0, 2**63, 4).tolist()) == drawn("energy")


def test_another_process_draws_the_same() -> None:
    """Neither the hash seed nor anything else of a process has a part in it."""
    code = "from course_lib import check; print(check.hidden_inputs('energy').integers(0, 2**63, 4).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(list(drawn("energy")))


@pytest.mark.parametrize("key", [7, None, b"energy", ""])
def test_a_key_that_is_no_text_is_refused_with_the_remedy(key: Any) -> None:
    with pytest.raises(ValueError, match=r'exercise_key: got .* expected text.*check\.hidden_inputs\("'):
        check.hidden_inputs(key)


@pytest.mark.parametrize("secret", ["not hex at all", "abc", "zz" * 16])
def test_a_secret_that_is_not_hexadecimal_is_refused_and_kept(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hidden.SECRET_VARIABLE, secret)
    with pytest.raises(ValueError, match="token_hex") as caught:
        check.hidden_inputs("energy")
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
