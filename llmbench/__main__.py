"""`llmbench`, and `python -m llmbench`. Ends quietly at Ctrl-C also while it is being imported."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from llmbench import cli
    except KeyboardInterrupt:
        sys.exit(130)  # exit_status.INTERRUPTED, without an import that could be interrupted too
    cli.main()


if __name__ == "__main__":
    main()
