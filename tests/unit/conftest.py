"""Settings for the tests of single modules."""

from hypothesis import settings

# Seconds say nothing on a machine that does other things too.
settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")
