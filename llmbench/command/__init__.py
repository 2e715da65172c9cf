"""The commands of the command line, a module each. They import click, and the rest when run."""
