"""Intake: a file as it comes from a bureau becomes a panel that can be trusted."""
