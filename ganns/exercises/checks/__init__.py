"""One module for each exercise. Its `check(file, report)` adds its findings to the report."""
