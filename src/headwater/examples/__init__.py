"""Example applications that ship with Headwater: each is a whole small system, made to be read and run."""
