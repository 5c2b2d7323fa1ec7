"""What the tests of the tools share."""

import pytest
from provision import broker as brokers


@pytest.fixture(scope="module")
def broker():
    """A broker for each file of tests."""
    with brokers.start() as running:
        yield running
