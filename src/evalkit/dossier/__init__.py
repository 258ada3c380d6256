"""The robustness dossier: what a reviewer asks of a finding, each check with its verdict. One family of checks a file."""
