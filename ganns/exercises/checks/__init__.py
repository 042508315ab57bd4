"""One module for each exercise. Its `check(file, report)` adds its results to the report."""
