"""Honest work that mainstream graders fail: all of it keeps every point."""

from __future__ import annotations

from typing import Any

from attack import Attack, answers, edited, full_marks
from attack_course import LESSON, RIGHT, TENSORS, as_bytes, find
from small_course import cell
from threats import Threat


def honest(name: str, threat: Threat, goal: str, lesson: str = LESSON, **given: str) -> Attack:
    return Attack(name, threat, goal, answers(lesson, **given), full_marks(lesson), lesson=lesson)


def split_cell(made: dict[str, Any]) -> None:
    """Split an answer as Jupyter does: the second half carries the first's metadata."""
    index = find(made, "Counter")
    first, second = dict(made["cells"][index]), dict(made["cells"][index])
    first["source"] = "def added(total, step):\n    return total + step"
    second["source"] = RIGHT["Counter"].replace("self.total += step", "self.total = added(self.total, step)")
    second["id"] = "second-half"
    made["cells"][index : index + 1] = [first, second]


def with_helper(made: dict[str, Any]) -> None:
    """Write a helper in a cell of one's own before the answer, and try things out after the test."""
    index = find(made, "double")
    made["cells"][index]["source"] = "def double(x):\n    return twice(x)"
    made["cells"].insert(index, cell("code", "def twice(x):\n    return x + x", "helper"))
    made["cells"].insert(index + 3, cell("code", "double(5)", "trial"))
    made["cells"].insert(index + 3, cell("markdown", "I tried it.", "note"))


def without_ids(made: dict[str, Any]) -> None:
    made["nbformat_minor"] = 2
    for one in made["cells"]:
        del one["id"]
        one["source"] = one["source"].splitlines(keepends=True)


def laptop(made: dict[str, Any]) -> None:
    made["metadata"]["kernelspec"] = {"name": "conda-env-dsp-py", "display_name": "Python [conda env:dsp]"}
    made["metadata"]["language_info"] = {"name": "python", "version": "3.7.1"}


def failing_trial(made: dict[str, Any]) -> None:
    made["cells"].insert(find(made, "double") + 1, cell("code", "double('a', 'b')", "trial"))


ATTACKS = [
    honest("honest", Threat.HONEST_STYLE, "Be right"),
    honest("honest-tensors", Threat.HONEST_STYLE, "Be right with tensors", TENSORS),
    honest(
        "honest-warning", Threat.HONEST_WARNING, "Warn, log, and write on stderr",
        double="import logging, sys, warnings\ndef double(x):\n    print('careful', file=sys.stderr)\n"
        "    warnings.warn('old')\n    logging.getLogger().error('loud')\n    return 2 * x",
        smooth="def smooth(x):\n    np.log(np.zeros(1))\n    return (x[:-1] + x[1:]) / 2",
    ),
    honest(
        "honest-numpy-score", Threat.HONEST_NUMPY_SCORE, "Give numpy's numbers where Python's would do",
        near="def near(x):\n    return np.sqrt(x)",
        double="def double(x):\n    return x * 2 if isinstance(x, str) else np.int64(2 * x)",
        answer="answer = float(np.float64(np.sum(np.square(samples))))",
    ),
    honest(
        "honest-leftover", Threat.HONEST_LEFTOVER, "Leave the stub's last line behind the answer",
        double=RIGHT["double"] + '\n\nraise NotImplementedError("Exercise 1.1: not written yet")',
        near=RIGHT["near"] + '\n    raise NotImplementedError("Exercise 1.6: not written yet")',
    ),
    honest(
        "honest-missing-data", Threat.HONEST_MISSING_DATA, "Read the data file again, and one that is only at home",
        answer="loaded = np.loadtxt('data/samples.txt')\nanswer = float((loaded**2).sum())\n"
        "mine = np.loadtxt('/home/me/Desktop/own.txt')",
    ),
    edited("honest-laptop", Threat.HONEST_KERNEL, "Name a laptop's kernel", laptop),
    honest(
        "honest-slow", Threat.HONEST_SLOW, "Take a second for each answer",
        double="import time\ntime.sleep(0.5)\ndef double(x):\n    time.sleep(0.1)\n    return 2 * x",
    ),
    edited("honest-split-cell", Threat.HONEST_STYLE, "Split an answer cell", split_cell),
    edited("honest-helper", Threat.HONEST_STYLE, "Put helpers and trials into cells of one's own", with_helper),
    edited("honest-failing-trial", Threat.HONEST_STYLE, "Leave a trial that fails", failing_trial),
    edited("honest-old-format", Threat.OLD_FORMAT, "Hand in a notebook of an old Jupyter", without_ids),
    edited("honest-bom-and-renamed", Threat.RENAMED, "Hand in what Windows made of the file",
           lambda made: b"\xef\xbb\xbf" + as_bytes(made).replace(b"\n", b"\r\n"), file_name=f"{LESSON} (2).ipynb"),
    honest(
        "honest-other-ways", Threat.HONEST_STYLE, "Write everything in another way",
        double="double = lambda x: x + x", smooth="from functools import partial\n\ndef _smooth(x, weights):\n"
        "    return np.convolve(x, weights, mode='valid')\n\nsmooth = partial(_smooth, weights=[0.5, 0.5])",
        Counter="from dataclasses import dataclass\n\n@dataclass\nclass Base:\n    start: int = 0\n\n"
        "@dataclass\nclass Counter(Base):\n    def __post_init__(self):\n        self._steps = []\n\n"
        "    def add(self, step=1):\n"
        "        self._steps.append(step)\n        return self.total\n\n    @property\n    def total(self):\n"
        "        return self.start + sum(self._steps)",
        numbers="class numbers:\n    def __init__(self, count):\n        self.left = iter(range(count))\n\n"
        "    def __iter__(self):\n        return self\n\n    def __next__(self):\n        return next(self.left) ** 2",
        answer="answer = 0.0\nfor sample in samples:\n    answer += float(sample) ** 2",
        near="import math\nnear = math.sqrt",
    ),
    honest(
        "honest-threads-and-files", Threat.HONEST_STYLE, "Use a pool, a temporary file and a cache",
        double="import functools, tempfile\nfrom concurrent.futures import ThreadPoolExecutor\n\n@functools.cache\n"
        "def double(x):\n    with tempfile.TemporaryFile() as file, ThreadPoolExecutor(2) as pool:\n"
        "        file.write(b'x')\n        return pool.submit(lambda: 2 * x).result()",
    ),
    honest(
        "honest-seed", Threat.HONEST_STYLE, "Seed the global generators, set options and print",
        double="import random\nrandom.seed(1)\nnp.random.seed(1)\nnp.set_printoptions(precision=3)\n"
        "np.seterr(all='raise')\ndef double(x):\n    print('working on', x)\n    return 2 * x",
    ),
]  # fmt: skip
