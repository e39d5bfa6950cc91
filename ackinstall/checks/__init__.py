"""Checks as data: what has to hold before an installation, and what proves one after it.

Each check is one entry in the file of its category; docs/checks.md has a section for each id.
"""
