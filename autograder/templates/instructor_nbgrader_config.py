"""Configuration of this nbgrader course, written by `python -m autograder build --nbgrader`; yours to change."""

import importlib.util
import sys

c = get_config()  # type: ignore[name-defined]  # noqa: F821 (nbgrader provides it)

# Where this course's grader is installed, `nbgrader autograde` and formgrader's button execute submissions with it:
# tests apart from students' code, which is confined. To grade with stock nbgrader again, delete all from here on.
if importlib.util.find_spec("autograder") is not None:
    from autograder.plug_in import plug_in

    plug_in(c)
elif "autograde" in sys.argv:
    sys.stderr.write(
        "The grader of this course is not installed here: stock nbgrader runs students' code beside the tests and with "
        "the rights of your account.\n"
    )
