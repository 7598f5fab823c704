"""Boxes of hz4 on trial, sorted by name, at most five. //tools:boxes.bzl says what a line holds."""

load("//tools:boxes.bzl", "box")  # buildifier: disable=load

BOXES = [
]
