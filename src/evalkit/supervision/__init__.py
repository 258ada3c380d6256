"""What a supervision team needs besides estimates: the ledger of problems, the locality's response, and the brief of two pages."""
