"""A small bank: accounts, and transfers between them that a process manager carries out."""
