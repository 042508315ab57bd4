"""The command line: one module a command, put together in `app`. None of them imports torch at its top."""
