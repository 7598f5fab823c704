"""The version that pkg-config files name."""

HZ_VERSION = "0.1.0"
