"""`python -m llmbench` is `llmbench`."""

from llmbench.cli import main

main()
