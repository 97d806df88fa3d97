"""Grades lab notebooks against hidden pytest suites, with the student's code in a sandbox."""
