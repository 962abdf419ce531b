"""Publish and subscribe: one message to everybody who asked for its topic."""
