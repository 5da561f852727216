"""The split engine: tests in a trusted process, answers in a sandboxed one; plain data crosses."""
