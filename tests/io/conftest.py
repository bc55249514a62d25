"""A folder for files that are written over again and again."""

import pytest


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")
