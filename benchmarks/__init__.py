"""Measurements, run by ``./dev bench``; imported by nobody but their own tests. See README.md."""
