"""Boxes of hz4 on trial, sorted by name; at most five."""

BOXES = []
