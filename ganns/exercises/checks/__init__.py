"""One module an exercise. Each has `check(file, report)`, and says what it finds to the report."""
