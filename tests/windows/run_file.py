"""Runs a file of Python: ``run_file FILE``; for `tests.helpers.wine`."""

import runpy
import sys

runpy.run_path(sys.argv[1], run_name="__main__")
