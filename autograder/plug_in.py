"""What puts this grader into nbgrader's own ``autograde`` command and formgrader's button.

In a course's ``nbgrader_config.py``, below ``c = get_config()``::

    from autograder.plug_in import plug_in

    plug_in(c)

Without these lines the course is graded by stock nbgrader again.
"""

from __future__ import annotations

from typing import Any


def plug_in(c: Any) -> None:
    """Set the steps of ``nbgrader autograde``.

    nbgrader goes on doing what it does around the notebooks (folders, time stamps, gradebook); what a submission is
    rebuilt from and what executes it are ours (``nbgrader_plugin``).

    Args:
        c: the configuration that nbgrader's ``get_config()`` gives.
    """
    c.Autograde.sanitize_preprocessors = ["autograder.nbgrader_plugin.RebuildSubmission"]
    c.Autograde.autograde_preprocessors = [
        "autograder.nbgrader_plugin.ExecuteSubmission",
        "nbgrader.preprocessors.SaveAutoGrades",
        "autograder.nbgrader_plugin.AskMarker",
        "nbgrader.preprocessors.AssignLatePenalties",
    ]
