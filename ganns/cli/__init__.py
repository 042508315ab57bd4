"""The command line: one module per command; `app` combines them. None of them imports torch at its top."""
