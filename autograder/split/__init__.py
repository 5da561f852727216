"""Running a submission in two processes: the student's code in one, the tests in another that trusts none of it."""
