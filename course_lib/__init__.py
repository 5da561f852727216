"""Reference library of the course in source separation and noise cancellation.

Import the module of the lesson at hand, for example ``from course_lib import stft``.
Nothing heavy is imported here, so that ``import course_lib`` stays instant.
"""

__version__ = "0.1.0"
