"""`python -m ackinstall`."""

from ackinstall.cli import main

main()
