"""Scratch files: what is written once to be read by position."""
