"""Tuning: which noise settings would have predicted a recording best."""
