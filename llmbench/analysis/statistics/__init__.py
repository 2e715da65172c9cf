"""Intervals, and verdicts on paired differences, with their sources."""
