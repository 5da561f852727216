"""Speed and agreement of course_lib beside its best-known peers: ``python -m benchmarks [TOPIC ...]``."""
