"""The command line. Thin: each command opens what it is told to, asks the public API, and prints."""
