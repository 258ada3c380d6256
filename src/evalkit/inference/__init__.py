"""Everything that turns influence functions into standard errors, bands and tests."""
