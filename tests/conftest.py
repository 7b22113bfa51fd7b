"""What all tests have in common."""

from hypothesis import settings

# An example takes as long as the machine lets it, and the tests run side by side: no time says whether one is right.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
