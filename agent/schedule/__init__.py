"""Schedules: what is due, and when to wake next. See README.md."""
