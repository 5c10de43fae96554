"""The grains of this host: when they are collected, and when they are sent."""
