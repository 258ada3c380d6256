"""Intake: a file as it comes from a bureau becomes a panel that can be trusted."""

from evalkit.intake.receiving import Received, receive
from evalkit.intake.summary import summarise, write_panel_csv

__all__ = ["Received", "receive", "summarise", "write_panel_csv"]
