"""What an adapter must do, as tests: an adapter's own test file only plugs itself in."""
