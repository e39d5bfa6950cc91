"""`python -m ackinstall`."""

from ackinstall.cli import run

run()
