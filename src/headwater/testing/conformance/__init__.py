"""Suites of tests that every adapter of a seam has to pass. They need pytest.

An adapter's own test file only plugs itself in: it derives a class from the suite, and says how an adapter is made.
"""
