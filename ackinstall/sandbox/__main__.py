"""`python -m ackinstall.sandbox`: the same as `ackinstall sandbox`."""

from ackinstall.sandbox.cli import app

app(prog_name="ackinstall sandbox")
