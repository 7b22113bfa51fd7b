"""Fuzzing of sipstack's parsers and sans-IO layers: ``python -m fuzz --list``."""
