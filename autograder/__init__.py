"""The course's grader: builds releases from lesson sources, grades submissions and reports marks.

Nothing heavy is imported here, so that the command line answers at once.
"""

__version__ = "0.1.0"
