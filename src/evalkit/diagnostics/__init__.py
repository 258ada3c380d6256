"""Diagnostics: what a reader must look at before an effect is believed. One question a file."""
