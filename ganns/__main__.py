"""`python -m ganns` is `ganns`."""

from ganns.cli.app import main

if __name__ == "__main__":
    main()
