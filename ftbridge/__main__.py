"""`python -m ftbridge`: the command line without an installed script."""

from ftbridge.cli.main import main

if __name__ == "__main__":
    main()
