"""Settings of the whole test suite."""

pytest_plugins = ["headwater.testing.rows", "tests.postgres_server"]
