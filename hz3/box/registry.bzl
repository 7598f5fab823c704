"""Boxes on trial in hz3."""

load("//tools:boxes.bzl", "box")  # @unused: a trial's line calls it

BOXES = []
