"""The write side under attack: several applications on one log, kills, restarts, lost answers, against a model."""
